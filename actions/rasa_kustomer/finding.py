"""One line of the deployment checklist."""

from typing import Literal, NamedTuple

Level = Literal["ok", "warn", "fail", "skip"]


class Finding(NamedTuple):
    """One line of the checklist.

    Attributes:
        item: What was checked.
        level: ok, warn (works, but read it), fail (fix it), skip (could not be checked, with the reason).
        message: What was found and, unless ok, what to do.
    """

    item: str
    level: Level
    message: str


def ok(item: str, message: str) -> Finding:
    """As it should be."""
    return Finding(item, "ok", message)


def warn(item: str, message: str) -> Finding:
    """Works, but somebody should read it."""
    return Finding(item, "warn", message)


def fail(item: str, message: str) -> Finding:
    """Must be fixed."""
    return Finding(item, "fail", message)


def skip(item: str, message: str) -> Finding:
    """Could not be checked."""
    return Finding(item, "skip", message)
