"""`rasa-kustomer init`: the domain snippets into a bot, and what is left to do for it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, NoReturn

import typer

from rasa_kustomer.bot.dialogue import DIALOGUE_SNIPPETS, FLOW_SNIPPET
from rasa_kustomer.bot.folder import Bot, NotABotError, read_bot
from rasa_kustomer.cli.common import command, compare, move
from rasa_kustomer.cli.snippets import snippets_folder
from rasa_kustomer.cli.steps import left_to_do

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
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Your bot: the folder that Rasa is run in.")] = Path(),
    calm: Annotated[
        bool | None, typer.Option("--calm/--rules", help="Flows, or rules and stories. Default: what your bot has.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be done.")] = False,
) -> None:
    """Copy the Kustomer snippets into a Rasa bot and say what is left to do; nothing is ever overwritten.

    Exit code 0: all snippets are in place. 1: a file of that name has other content, or could not be written.
    2: DIR is not a bot, or say --calm or --rules.
    """
    try:
        bot = read_bot(folder)
    except NotABotError as error:
        typer.echo(f"{error}.", err=True)
        raise typer.Exit(2) from None
    flows = bot.is_calm if calm is None else calm
    if flows is None:
        _ask(bot)
    typer.echo(f"A bot with {'flows (CALM)' if flows else 'rules and stories'} in {folder.resolve()}:")
    copies = list(plan(bot, calm=flows))
    outcomes = [_carry_out(copy, folder, dry_run=dry_run) for copy in copies]
    clashes = [copy for copy, outcome in zip(copies, outcomes, strict=True) if outcome == "differs, left alone"]
    fresh = {copy.source for copy, outcome in zip(copies, outcomes, strict=True) if outcome.endswith("copied")}
    dialogue = [source for source in fresh if source.name in {*DIALOGUE_SNIPPETS, FLOW_SNIPPET}]
    if folder.resolve() != Path.cwd():  # the steps name files of the bot, and another bot may have the same names
        typer.echo(f"\nGo to your bot's folder for what follows: {command('cd', folder.resolve())}")
    typer.echo("\nLeft to do:")
    steps = [*_clashes(clashes, folder), *left_to_do(bot, calm=flows, dialogue=sorted(dialogue))]
    for number, step in enumerate(steps, start=1):
        typer.echo(f"  {number}. " + step.replace("\n", "\n     "))
    _say_routing(folder)
    raise typer.Exit(1 if clashes else 0)


def _ask(bot: Bot) -> NoReturn:
    """Flows and rules need different snippets, and the wrong ones are work to take out again."""
    typer.echo(
        f"Nothing was copied: in {bot.folder.resolve()} nothing shows whether your bot has flows or rules.", err=True
    )
    for problem in bot.problems:
        typer.echo(f"  {problem.at(bot.folder)}", err=True)
    for option, kind in (("--calm", "flows (CALM)"), ("--rules", "rules and stories")):
        typer.echo(f"With {kind}: {command('rasa-kustomer', 'init', bot.folder, option)}", err=True)
    raise typer.Exit(2)


def _say_routing(folder: Path) -> None:
    if (folder / ROUTING_EXAMPLE).is_file() and not os.path.lexists(folder / ROUTING):
        typer.echo(
            f"\nRules for team and priority, if you want some: put your teams into {ROUTING_EXAMPLE}, then make it live"
            f" beside .env: {move(ROUTING_EXAMPLE, ROUTING)}"
        )


def plan(bot: Bot, *, calm: bool) -> Iterator[Copy]:
    """What belongs into the bot. A snippet that the designer has moved within the bot stays where it is."""
    snippets = snippets_folder()
    for name, place in (FLOWS if calm else RULES).items():
        moved = next(iter(sorted((bot.folder / place).rglob(name))), None)
        yield Copy(snippets / name, moved.relative_to(bot.folder) if moved else Path(place, name))
    if bot.endpoints is None:
        yield Copy(snippets / "kustomer_endpoints.yml", ENDPOINTS)
    if not os.path.lexists(bot.folder / ROUTING):
        yield Copy(snippets / ROUTING.name, ROUTING_EXAMPLE, to_edit=True)


def _carry_out(copy: Copy, folder: Path, *, dry_run: bool) -> Outcome:
    outcome = _outcome(copy, folder, dry_run=dry_run)
    typer.echo(f"  {outcome}: {copy.target}")
    return outcome


def _outcome(copy: Copy, folder: Path, *, dry_run: bool) -> Outcome:
    target, content = folder / copy.target, copy.source.read_bytes()
    try:
        if os.path.lexists(target):  # a broken link is somebody's file too
            same = target.is_file() and (copy.to_edit or target.read_bytes() == content)
            return "already there" if same else "differs, left alone"
        if dry_run:
            return "would be copied"
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            file.write(content)
    except OSError as error:
        typer.echo(f"  {copy.target} cannot be written: {error.strerror}", err=True)
        raise typer.Exit(1) from None
    return "copied"


def _clashes(clashes: list[Copy], folder: Path) -> Iterator[str]:
    for copy in clashes:
        yield f"Compare, and take over what you need: {compare(copy.source, folder.resolve() / copy.target)}"
