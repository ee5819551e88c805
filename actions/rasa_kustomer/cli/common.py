"""What the commands share: settings, options, text for a terminal, and commands for somebody to run."""

import json
import os
import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from rasa_kustomer.kustomer.network import NetworkSettingError, read_network
from rasa_kustomer.settings import Settings, SettingsError, load_settings

WINDOWS = os.name == "nt"
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]


def settings_or_exit(unable: str | None = None) -> Settings:
    """The settings; one that cannot be used ends the command with one line per problem and exit code 1.

    Args:
        unable: For a command that needs Kustomer: how its sentence begins when the plugin is off.
    """
    try:
        settings = load_settings()
        if unable is None:
            return settings
        if settings.disabled_reason is not None:
            raise failed(f"{unable}: {settings.disabled_reason}.")
        read_network(settings.api_url or "")
    except SettingsError as error:
        raise failed(*error.problems) from None
    except NetworkSettingError as error:
        raise failed(str(error)) from None
    return settings


def failed(*lines: str, code: int = 1) -> typer.Exit:
    """Ends the command, when raised, after these lines on the error output."""
    for line in lines:
        typer.echo("\n".join(map(shown, line.split("\n"))), err=True)
    return typer.Exit(code)


@contextmanager
def progress(what: str, total: int | None = None, least: int = 0) -> Iterator[Callable[..., None]]:
    """A progress bar, on a terminal and for at least so many; yields what takes how many are done, and the total."""
    terminal = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    hidden = not terminal.is_terminal or (total is not None and total < least)
    with Progress(*columns, console=terminal, transient=True, disable=hidden) as bar:
        task = bar.add_task(what, total=total)

        def show(done: int, total: int | None = total) -> None:
            bar.update(task, completed=done, total=total)

        yield show


def shown(text: object) -> str:
    """A text from outside for a terminal: what could steer it or begin a line is escaped."""
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in str(text))


def plain(text: object) -> Text:
    """The same for rich, to which square brackets mean something."""
    return Text(shown(text))


def json_text(value: Any) -> str:
    """JSON for a terminal: letters of all scripts as they are, and nothing that steers it."""
    return "\n".join(map(shown, json.dumps(value, indent=2, ensure_ascii=False, default=str).split("\n")))


def command(*words: str | Path) -> str:
    """A command line as the shell of this machine takes it, also with blanks and quotes in a name."""
    texts = [str(word) for word in words]
    return subprocess.list2cmdline(texts) if WINDOWS else shlex.join(texts)


def move(source: Path, target: Path) -> str:
    """The command that moves a file; only for a target that does not exist, since it would be overwritten."""
    return command("move" if WINDOWS else "mv", source, target)


def compare(ours: Path, theirs: Path) -> str:
    """The command that shows how two files differ."""
    return command("fc" if WINDOWS else "diff", ours, theirs)
