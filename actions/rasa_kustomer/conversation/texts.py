"""Texts and names in forms that every system on the way takes, and in which they can be compared.

Names are typed by hand in two systems, on different operating systems.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable
from itertools import chain
from typing import TypeVar

T = TypeVar("T")

_UNWANTED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f\ud800-\udfff\ufffe\uffff]")
_LARGEST_LABEL = 10**12
_IN_PLACE_OF_A_PICTURE = "\ufffc"

# Unicode calls them "default ignorable"; those of the category Cf are found by the category.
_NOT_SHOWN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0\ufe00-\ufe0f\U000e0000-\U000e0fff]")
_BLANK_SYMBOL = "\u2800"  # Braille without dots: a blank to look at, a symbol to Unicode


Mask = Callable[[str], str]
"""Takes what must not be kept out of a text."""


def unmasked(text: str) -> str:
    """All of it."""
    return text


def clean(text: object) -> str:
    """Text without NUL, control characters and broken surrogates; anything that is not text is empty."""
    if not isinstance(text, str):
        return ""
    if text.isascii() and text.isprintable():  # nearly all messages
        return text.strip()
    return _UNWANTED.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def spoken(text: object) -> str:
    """The text, cleaned; empty when nothing of it is visible."""
    words = clean(text)
    return words if words.isascii() or folded(words.replace(_IN_PLACE_OF_A_PICTURE, "")) else ""


def label(value: object) -> str:
    """A button's title; ratings come as numbers."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _LARGEST_LABEL:
        return str(value)
    return clean(value)


def same_name(one: str, other: str) -> bool:
    """Whether two names are equal but for blanks, capitals, invisible characters and encoding."""
    return one == other or folded(one) == folded(other)


def find_by_name(wanted: str, named: Iterable[tuple[str, T]]) -> T | None:
    """What bears a name: the one that is called exactly so, else the first that is called the same.

    Args:
        wanted: The name.
        named: Names and what bears them; one thing may have several names.
    """
    known = list(named)
    exactly = (bearer for name, bearer in known if name == wanted)
    alike = (bearer for name, bearer in known if same_name(name, wanted))
    return next(chain(exactly, alike), None)


def folded(name: str) -> str:
    """The form in which equivalent names are equal; empty for a name without visible characters."""
    # Folding capitals may undo the normal form, so twice (The Unicode Standard, 3.13, compatibility caseless match).
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name.replace(_BLANK_SYMBOL, " ")).casefold())
    shown = (one for one in _NOT_SHOWN.sub("", text) if one.isspace() or unicodedata.category(one) not in {"Cf", "Cc"})
    return " ".join("".join(shown).split())
