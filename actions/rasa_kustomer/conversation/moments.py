"""Kinds and times of tracker events."""

from collections.abc import Mapping
from typing import Any, TypeAlias

Moment: TypeAlias = tuple[str, int]
"""Kind and time (epoch microseconds) of an event; 0 when it has no usable time."""

_TOO_LATE_SECONDS = 253_402_000_000.0  # the year 9999


def is_a(event: object, kind: str) -> bool:
    """Whether it is an event of a kind."""
    return isinstance(event, dict) and event.get("event") == kind


def moment_of(event: object) -> Moment:
    """Kind and time of an event; of anything else an empty kind."""
    kind = event.get("event") if isinstance(event, dict) else None
    return (kind if isinstance(kind, str) else "", microseconds(event))


def milliseconds(event: Mapping[str, Any]) -> int | None:
    """Time of an event in epoch milliseconds; None when it has no usable one."""
    return microseconds(event) // 1000 or None


def microseconds(event: object) -> int:
    """Time of an event in epoch microseconds; 0 when it has no usable one."""
    value = event.get("timestamp") if isinstance(event, dict) else None
    if isinstance(value, (float, int)) and value is not True and 0 < value < _TOO_LATE_SECONDS:  # nor NaN
        return round(value * 1_000_000)
    return 0
