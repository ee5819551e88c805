"""What the commands share."""

import sys

import typer

from rasa_kustomer.settings import Settings, SettingsError, load_settings


def settings_or_exit() -> Settings:
    """The settings; a malformed one ends the command with one line per problem and exit code 1."""
    try:
        return load_settings()
    except SettingsError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        raise typer.Exit(1) from None
