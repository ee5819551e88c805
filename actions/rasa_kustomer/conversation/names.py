"""Whether two names mean the same: they are typed by hand in two systems, on different operating systems."""

import re
import unicodedata
from collections.abc import Iterable
from itertools import chain
from typing import TypeVar

T = TypeVar("T")

# Unicode calls them "default ignorable"; those of the category Cf are found by the category.
_NOT_SHOWN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0\ufe00-\ufe0f\U000e0000-\U000e0fff]")
_BLANK_SYMBOL = "\u2800"  # Braille without dots: a blank to look at, a symbol to Unicode


def same_name(one: str, other: str) -> bool:
    """Whether two names differ only in what nobody sees or means: blanks, capitals, invisible characters, encoding."""
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
    """The form in which names that mean the same are equal; empty for one of which nothing is to be seen."""
    # Folding capitals may undo the normal form, so twice (The Unicode Standard, 3.13, compatibility caseless match).
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name.replace(_BLANK_SYMBOL, " ")).casefold())
    shown = (one for one in _NOT_SHOWN.sub("", text) if one.isspace() or unicodedata.category(one) not in {"Cf", "Cc"})
    return " ".join("".join(shown).split())
