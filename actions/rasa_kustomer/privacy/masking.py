"""Masks what must not be kept in what people type: before it is stored, sent or logged anywhere (KUSTOMER_MASK).

Pure and always the same for the same text, since a turn may be recorded twice and counts once.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any, NamedTuple

from phonenumbers import Leniency, PhoneNumberMatcher

from rasa_kustomer.privacy.cards import find_cards, find_ibans

MAX_LOCAL_PART = 64  # of an e-mail address (RFC 5321, 4.5.3.1)
_DOMAIN = re.compile(r"\w[\w.-]{0,253}\.[^\W\d_]{2,24}")
_LOCAL_PART = re.compile(rf"[^\s@<>()\[\],;:\"]{{1,{MAX_LOCAL_PART}}}$")
_NUMBER = re.compile(r"[0-9](?:[ .\-/]?[0-9]){5,19}(?![0-9A-Za-z])|\b[0-9A-Za-z][0-9A-Za-z.\-]{4,18}[0-9A-Za-z]\b")
_IDS = {  # python-stdnum's modules for national ids
    "at": "at.vnr",
    "be": "be.nn",
    "br": "br.cpf",
    "ch": "ch.ssn",
    "de": "de.idnr",
    "dk": "dk.cpr",
    "es": "es.dni",
    "fi": "fi.hetu",
    "fr": "fr.nir",
    "gb": "gb.nhs",
    "it": "it.codicefiscale",
    "nl": "nl.bsn",
    "no": "no.fodselsnummer",
    "pl": "pl.pesel",
    "se": "se.personnummer",
    "us": "us.ssn",
}


class MaskingError(ValueError):
    """Something that KUSTOMER_MASK asks for cannot be masked; the message says what to do."""


class Masked(NamedTuple):
    """A place of a text, and what stands there instead."""

    start: int
    end: int
    shown: str


Finder = Callable[[str], Iterable[Masked]]


def masker(kinds: Sequence[str], *, region: str | None = None) -> Callable[[str], str]:
    """What masks a text, by the kinds that KUSTOMER_MASK names.

    Args:
        kinds: `card`, `iban`, `email`, `phone`, `id:de` and the like; or `none` alone.
        region: Country of phone numbers without +, as two letters.

    Raises:
        MaskingError: A kind is unknown, or its extra is not installed.
    """
    finders = [] if list(kinds) == ["none"] else [_finder(kind, region) for kind in kinds]

    def mask(text: str) -> str:
        for find in finders:
            for one in reversed(list(find(text))):
                text = text[: one.start] + one.shown + text[one.end :]
        return text

    return mask


def _finder(kind: str, region: str | None) -> Finder:
    if kind.startswith("id:"):
        return _ids(kind.removeprefix("id:"))
    if kind == "phone":
        return lambda text: _phones(text, region)
    if kind not in _SIMPLE:
        known = ", ".join([*_SIMPLE, "phone", "id:<country>", "none"])
        raise MaskingError(f'"{kind}" cannot be masked; known kinds: {known}')
    return _SIMPLE[kind]


def _cards(text: str) -> Iterator[Masked]:
    for card in find_cards(text):
        yield Masked(card.start, card.end, f"[card ending {card.last_four}]")


def _ibans(text: str) -> Iterator[Masked]:
    for start, end in find_ibans(text):
        yield Masked(start, end, f"[IBAN ending {text[start:end].replace(' ', '')[-4:]}]")


def _emails(text: str) -> Iterator[Masked]:
    at, free = text.find("@"), 0
    while at >= 0:
        local = _LOCAL_PART.search(text[max(free, at - MAX_LOCAL_PART) : at])
        domain = _DOMAIN.match(text, at + 1)
        if local and domain:
            yield Masked(at - len(local.group()), domain.end(), "[e-mail address]")
            free = domain.end()
        at = text.find("@", at + 1)


def _phones(text: str, region: str | None) -> Iterator[Masked]:
    for found in PhoneNumberMatcher(text, region, leniency=Leniency.VALID):
        yield Masked(found.start, found.end, "[phone number]")


_SIMPLE: dict[str, Finder] = {"card": _cards, "iban": _ibans, "email": _emails}


def _ids(country: str) -> Finder:
    """Finds what has the form and the check digits of a country's national id."""
    if country not in _IDS:
        raise MaskingError(f'no national id is known for "{country}"; known countries: {", ".join(sorted(_IDS))}')
    try:
        module: Any = import_module(f"stdnum.{_IDS[country]}")
    except ImportError:
        raise MaskingError(f'"id:{country}" needs: pip install "rasa-kustomer[privacy]"') from None

    def find(text: str) -> Iterator[Masked]:
        for one in _NUMBER.finditer(text):
            if module.is_valid(one.group()):
                yield Masked(one.start(), one.end(), "[national id]")

    return find
