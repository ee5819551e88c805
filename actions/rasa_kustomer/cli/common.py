"""What the commands share."""

import json
import sys
from typing import Any

import typer
from rich.text import Text

from rasa_kustomer.kustomer.network import Network, NetworkSettingError, read_network
from rasa_kustomer.settings import Settings, SettingsError, load_settings


def settings_or_exit() -> Settings:
    """The settings; a malformed one ends the command with one line per problem and exit code 1."""
    try:
        return load_settings()
    except SettingsError as error:
        for problem in error.problems:
            print(shown(problem), file=sys.stderr)
        raise typer.Exit(1) from None


def network_or_exit(settings: Settings) -> Network:
    """How Kustomer is reached; a variable that cannot be used ends the command with one line and exit code 1."""
    try:
        return read_network(settings.api_url or "")
    except NetworkSettingError as error:
        print(shown(error), file=sys.stderr)
        raise typer.Exit(1) from None


def shown(text: object) -> str:
    """A text from outside for a terminal: what could steer it or begin a line is escaped."""
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in str(text))


def plain(text: object) -> Text:
    """The same for rich, to which square brackets mean something."""
    return Text(shown(text))


def json_text(value: Any) -> str:
    """JSON for a terminal: letters of all scripts as they are, and nothing that steers it."""
    return "\n".join(map(shown, json.dumps(value, indent=2, ensure_ascii=False, default=str).split("\n")))
