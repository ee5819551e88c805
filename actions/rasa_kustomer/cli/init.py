"""`rasa-kustomer init`: the domain snippets into a bot, and what is left to do for it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from rasa_kustomer.cli.bot_folder import Bot, NotABotError, left_to_do, read_bot
from rasa_kustomer.cli.snippets import snippets_folder

RULES = {
    "kustomer_domain.yml": "domain",
    "kustomer_nlu.yml": "data",
    "kustomer_rules.yml": "data",
    "kustomer_stories.yml": "data",
}
FLOWS = {"kustomer_domain_calm.yml": "domain", "kustomer_flows.yml": "data"}
ENDPOINTS = Path("endpoints.yml")
ROUTING = Path("kustomer_routing.yml")
ROUTING_EXAMPLE = Path("kustomer_routing.example.yml")  # not the name that is read: its teams are not yours

Outcome = Literal["copied", "would be copied", "already there", "differs, left alone"]


@dataclass(frozen=True)
class Copy:
    """One snippet and where it goes.

    Attributes:
        target: Relative to the bot.
        to_edit: It is there to be changed, so other content is as good.
    """

    source: Path
    target: Path
    to_edit: bool = False


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Your bot: the folder with config.yml.")] = Path(),
    calm: Annotated[
        bool | None, typer.Option("--calm/--rules", help="Flows, or rules and stories. Default: as in config.yml.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
) -> None:
    """Copy the Kustomer snippets into a Rasa bot and say what is left to do; nothing is ever overwritten.

    Exit code 0: all snippets are in place. 1: a file of that name has other content, or could not be written.
    2: DIR is not a bot.
    """
    try:
        bot = read_bot(folder)
    except NotABotError as error:
        typer.echo(f"{error}.", err=True)
        raise typer.Exit(2) from None
    flows = bot.is_calm if calm is None else calm
    typer.echo(f"A bot with {'flows (CALM)' if flows else 'rules and stories'} in {folder.resolve()}:")
    clashes = []
    for copy in plan(bot, calm=flows):
        outcome = _carry_out(copy, folder, dry_run=dry_run)
        typer.echo(f"  {outcome}: {copy.target}")
        if outcome == "differs, left alone":
            clashes.append(copy)
    typer.echo("\nLeft to do:")
    for number, step in enumerate([*_clashes(clashes, folder), *_rest(bot, flows)], start=1):
        typer.echo(f"  {number}. " + step.replace("\n", "\n     "))
    if not (folder / ROUTING).exists():
        typer.echo(
            f"\nRules for team and priority, if you want some: put your teams into {ROUTING_EXAMPLE}, then make it live"
            f" beside .env: mv {ROUTING_EXAMPLE} {ROUTING}"
        )
    raise typer.Exit(1 if clashes else 0)


def plan(bot: Bot, *, calm: bool) -> Iterator[Copy]:
    """What belongs into the bot. A snippet that the designer has moved within the bot stays where it is."""
    snippets = snippets_folder()
    for name, place in (FLOWS if calm else RULES).items():
        moved = next(iter(sorted((bot.folder / place).rglob(name))), None)
        yield Copy(snippets / name, moved.relative_to(bot.folder) if moved else Path(place, name))
    if bot.endpoints is None:
        yield Copy(snippets / "kustomer_endpoints.yml", ENDPOINTS)
    if not (bot.folder / ROUTING).exists():
        yield Copy(snippets / ROUTING.name, ROUTING_EXAMPLE, to_edit=True)


def _carry_out(copy: Copy, folder: Path, *, dry_run: bool) -> Outcome:
    target, content = folder / copy.target, copy.source.read_bytes()
    if os.path.lexists(target):  # a broken link is somebody's file too
        same = target.is_file() and (copy.to_edit or target.read_bytes() == content)
        return "already there" if same else "differs, left alone"
    if dry_run:
        return "would be copied"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            file.write(content)
    except OSError as error:
        typer.echo(f"  {copy.target} cannot be written: {error.strerror}", err=True)
        raise typer.Exit(1) from None
    return "copied"


def _clashes(clashes: list[Copy], folder: Path) -> Iterator[str]:
    for copy in clashes:
        yield f"Compare, and take over what you need: diff {copy.source} {folder / copy.target}"


def _rest(bot: Bot, calm: bool) -> list[str]:
    return left_to_do(bot, calm=calm, endpoints_copied=bot.endpoints is None)
