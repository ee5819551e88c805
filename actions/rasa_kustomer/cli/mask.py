"""`rasa-kustomer mask`: what masking makes of a text, with the settings of this bot."""

import sys
from typing import Annotated

import typer

from rasa_kustomer.cli.common import settings_or_exit
from rasa_kustomer.privacy.masking import masker


def mask(
    text: Annotated[str, typer.Argument(help="The text; - reads lines from standard input.", show_default=False)],
) -> None:
    """Print a text as it would be stored and sent (KUSTOMER_MASK)."""
    settings = settings_or_exit()
    masked = masker(settings.mask, region=settings.phone_region)
    for line in map(str.rstrip, sys.stdin) if text == "-" else [text]:
        print(masked(line), flush=True)
