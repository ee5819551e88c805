"""Checks of single body fields; each returns what is wrong, or None.

Stricter than the reference where it is silent: null is no value, texts are bounded and hold no NUL or lone surrogate.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import Any

from kustomer_sandbox.state import State

Check = Callable[[Any, State], str | None]

OBJECT_ID = re.compile(r"[0-9a-f]{24}")
DATE_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(Z|[+-]\d\d:\d\d)", re.ASCII)
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
E164 = re.compile(r"\+[1-9]\d{6,14}")
FORBIDDEN_CHARACTERS = re.compile("[\x00\ud800-\udfff]")
SHORT, LONG = 255, 10_240
MOST_ASSIGNEES = 10


def text(most: int = SHORT, *, least: int = 0, pattern: re.Pattern[str] | None = None) -> Check:
    """A string of `least` to `most` characters, all of it matching `pattern`."""

    def check(value: Any, _: State) -> str | None:
        if not isinstance(value, str):
            return "should be string"
        if FORBIDDEN_CHARACTERS.search(value):
            return "should not contain NUL or surrogate characters"
        if not least <= len(value) <= most:
            return f"should have {least} to {most} characters"
        return None if pattern is None or pattern.fullmatch(value) else f"should match {pattern.pattern}"

    return check


def one_of(*allowed: str) -> Check:
    """One of a few words."""

    def check(value: Any, _: State) -> str | None:
        return None if isinstance(value, str) and value in allowed else f"should be one of {', '.join(allowed)}"

    return check


def number(low: float, high: float, *, whole: bool = False) -> Check:
    """A number within bounds; booleans are none."""

    def check(value: Any, _: State) -> str | None:
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            return "should be integer" if whole else "should be number"
        return None if low <= value <= high else f"should be {low} to {high}"

    return check


def boolean(value: Any, _: State) -> str | None:
    """True or false."""
    return None if isinstance(value, bool) else "should be boolean"


def mapping(value: Any, _: State) -> str | None:
    """A free object."""
    return None if isinstance(value, dict) else "should be object"


def date_time(value: Any, _: State) -> str | None:
    """ISO-8601 with a zone; Kustomer's own dates are UTC with milliseconds."""
    if not isinstance(value, str) or not DATE_TIME.fullmatch(value):
        return "should be date-time"
    try:
        normal_date(value)
    except (ValueError, OverflowError):
        return "should be date-time"
    return None


def normal_date(written: str) -> str:
    """The same moment in UTC with milliseconds, so that dates sort as texts.

    Raises:
        ValueError: No such moment.
    """
    match = DATE_TIME.fullmatch(written)
    if match is None:
        raise ValueError(written)
    seconds, fraction, zone = match.groups()
    # Python 3.10 reads fractions of three or six digits only, and no "Z".
    moment = datetime.fromisoformat(f"{seconds}.{(fraction or '').ljust(6, '0')}{zone.replace('Z', '+00:00')}")
    return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new_id(value: Any, _: State) -> str | None:
    """A client-chosen object id; whether it is taken is another question."""
    return None if isinstance(value, str) and OBJECT_ID.fullmatch(value) else "should be an object id (24 hex digits)"


def reference(kind: str) -> Check:
    """The id of an existing row."""

    def check(value: Any, state: State) -> str | None:
        wrong = new_id(value, state)
        return wrong or (None if value in state.table(kind) else f"no such object in {kind}")

    return check


def many(item: Check, most: int = 100) -> Check:
    """A list of at most `most` different items."""

    def check(value: Any, state: State) -> str | None:
        if not isinstance(value, list):
            return "should be array"
        if len(value) > most:
            return f"should have at most {most} items"
        if any(entry in value[:place] for place, entry in enumerate(value)):
            return "should not have duplicate items"
        return next((f"/{place} {wrong}" for place, entry in enumerate(value) if (wrong := item(entry, state))), None)

    return check


def record(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """An object with exactly these keys."""
    known = {**required, **(optional or {})}

    def check(value: Any, state: State) -> str | None:
        if not isinstance(value, dict):
            return "should be object"
        if absent := required.keys() - value.keys():
            return f"should have required property {min(absent)}"
        if unknown := value.keys() - known.keys():
            return f"/{min(unknown)}/additionalProperties"
        return next((f"/{key} {wrong}" for key, entry in value.items() if (wrong := known[key](entry, state))), None)

    return check


_CUSTOM_KINDS: Mapping[str, Check] = {
    "Num": number(float("-inf"), float("inf")),
    "At": date_time,
    "Str": text(1024),
    "Txt": text(1024),
    "Bool": boolean,
    "Url": text(2048, pattern=re.compile(r"https?://\S+")),
}


def custom_problem(name: str, value: Any, state: State) -> str | None:
    """What is wrong with a defined custom attribute; its name's suffix fixes the type, null empties it."""
    suffix = next((suffix for suffix in _CUSTOM_KINDS if name.endswith(suffix)), None)
    if suffix is None:
        return f"should end in one of {', '.join(_CUSTOM_KINDS)}"
    return None if value is None else _CUSTOM_KINDS[suffix](value, state)
