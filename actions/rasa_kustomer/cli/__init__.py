"""The command `rasa-kustomer`. A command's module is imported only when that command is run or listed."""

from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any

import typer
import typer.main
from typer.core import TyperGroup

# In the order of a bot's life, each with its module: there a function of the command's name, or the group `app`.
# The modules are named as text, so that the plugin never imports the sandbox, which comes beside it in the wheel.
COMMANDS = {
    "demo": "kustomer_sandbox.demo",
    "sandbox": "kustomer_sandbox.command",
    "init": "rasa_kustomer.cli.init",
    "check": "rasa_kustomer.cli.check",
    "outbox": "rasa_kustomer.cli.outbox",
    "reconcile": "rasa_kustomer.cli.reconcile",
    "mask": "rasa_kustomer.cli.mask",
    "worker": "rasa_kustomer.cli.worker",
}


class _LazyGroup(TyperGroup):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        names: dict[str, Any] = dict.fromkeys(COMMANDS)
        self.commands = names  # for the list, and to suggest the right one

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - click's signature
        return _load(cmd_name) if cmd_name in COMMANDS else None


def _load(name: str) -> Any:
    module = import_module(COMMANDS[name])
    group = getattr(module, "app", None)
    if group is None:
        group = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        group.command(name)(getattr(module, name))
    command = typer.main.get_command(group)
    command.name = name
    return command


# Plain tracebacks: the pretty ones print local variables, among them the key.
app = typer.Typer(cls=_LazyGroup, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rasa-kustomer {version('rasa-kustomer')}")
        raise typer.Exit


@app.callback()
def rasa_kustomer(
    _version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Rasa custom actions for Kustomer: see them work, bring them into your bot, run them."""
