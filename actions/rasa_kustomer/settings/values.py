"""What each setting accepts. A function takes a value and returns it, or raises ValueError with what is wrong."""

import re
from collections.abc import Callable
from typing import TypeVar

from pydantic import SecretStr

from rasa_kustomer.kustomer.network import read_address
from rasa_kustomer.privacy.masking import masker
from rasa_kustomer.settings.environment import QUOTE_CHARACTERS

N = TypeVar("N", int, float)

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
_SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE | re.ASCII)
_SLOT_NAME = re.compile(r"[^\W\d][\w.-]*")
_QUEUE = re.compile(r"queue:[\w.-]+", re.ASCII)


def key(value: SecretStr) -> SecretStr:
    """A key that fits into a header."""
    text = value.get_secret_value()
    if not re.fullmatch("[!-~]*", text) or QUOTE_CHARACTERS & set(text):
        raise ValueError("contains whitespace or characters that never occur in a key; copy it again, without quotes")
    return value


def subdomain(value: str) -> str:
    """The organisation's name."""
    if not _SUBDOMAIN.fullmatch(value):
        raise ValueError("write the name only, without https:// and dots")
    return value


def base_url(value: str) -> str:
    """An address of Kustomer's, without a slash at its end."""
    url = read_address(value)
    if "@" in value or url.query or url.fragment or "?" in value or "#" in value:
        raise ValueError("give scheme, host and optionally port, nothing else")
    if url.scheme != "https" and not (url.scheme == "http" and url.host in LOOPBACK_HOSTS):
        raise ValueError("must start with https:// (http:// is accepted for localhost only)")
    return value.rstrip("/")


def unquoted(value: str) -> str:
    """Any text without a stray quote at its ends."""
    if QUOTE_CHARACTERS & {value[:1], value[-1:]}:
        raise ValueError("begins or ends with a quote; write it without quotes")
    return value


def parking(value: str) -> str:
    """One of the ways to park."""
    if value in {"assign-bot", "none"} or _QUEUE.fullmatch(value):
        return value
    raise ValueError("must be assign-bot, queue:<queue id> or none")


def slot_name(value: str) -> str:
    """The name of one slot."""
    if not _SLOT_NAME.fullmatch(value):
        raise ValueError("is not the name of a slot")
    return value


def slot_names(value: object) -> object:
    """A list of slots, strictly: whatever is misread here is shown to agents."""
    if not isinstance(value, str):
        return value
    names = tuple(part.strip() for part in value.split(",") if part.strip())
    for number, name in enumerate(names, start=1):
        if not _SLOT_NAME.fullmatch(name):
            raise ValueError(
                f"its {_ordinal(number)} entry is not the name of a slot; write names separated by commas, nothing else"
            )
    return names


def mask(value: object) -> object:
    """Kinds of data that can be masked; one that cannot stops the start, since what it was to hide would be stored."""
    if not isinstance(value, str):
        return value
    kinds = tuple(part.strip() for part in value.split(",") if part.strip()) or ("none",)
    masker(kinds)
    return kinds


def between(low: float, high: float) -> Callable[[N], N]:
    """A number within bounds."""

    def check(value: N) -> N:
        if not low <= value <= high:
            raise ValueError(f"must be between {low:g} and {high:g}")
        return value

    return check


def _ordinal(number: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(number, f"{number}th")
