"""How urgent a request is: whoever waits for it decides, and may change their mind while it waits."""

from contextvars import ContextVar
from enum import IntEnum


class Lane(IntEnum):
    """Who sends, the most urgent first."""

    HANDOFF = 0
    ESCALATED = 1  # turns of a conversation that a human has
    LOOKUP = 2  # a session that starts
    MIRROR = 3
    CLEANUP = 4  # closing, comparing: whenever there is time


class Urgency:
    """How urgent one piece of work is. Whatever makes its requests wait asks again from time to time.

    Args:
        lane: How urgent it is by itself.
    """

    def __init__(self, lane: Lane) -> None:
        self._own = lane
        self._others: list[Urgency] = []

    @property
    def lane(self) -> Lane:
        """How urgent it is now."""
        return min((self._own, *(one.lane for one in self._others)))

    def raise_to(self, lane: Lane) -> None:
        """Somebody began to wait for it."""
        self._own = min(self._own, lane)

    def join(self, other: "Urgency") -> None:
        """It is done for other work too, and is as urgent as the more urgent of the two from now on."""
        self._others.append(other)

    def part(self, other: "Urgency") -> None:
        """It is not done for that work any more."""
        self._others.remove(other)


urgency: ContextVar[Urgency] = ContextVar("kustomer_urgency")
"""Of the task that runs; a task that it starts has the same."""


def current_urgency() -> Urgency:
    """How urgent what this task does is; a bot's look-up unless something else was said."""
    return urgency.get(None) or Urgency(Lane.LOOKUP)
