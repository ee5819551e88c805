"""When turns go out one by one, and when they are gathered: a few are shown live, many must cost little."""

import time
from collections.abc import Callable, Sequence

from rasa_kustomer.delivery.budget import WINDOW_SECONDS, Lane
from rasa_kustomer.delivery.outbox import Claim, Kind

LIVE_UNITS = 12.0  # a minute; about one chat at a person's pace
GATHER_SECONDS = 5.0


class LiveTurns:
    """A small allowance of requests for turns that are sent at once instead of gathered for a bulk job.

    Args:
        now: Monotonic clock in seconds.
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._left = LIVE_UNITS
        self._spent_at = now() - GATHER_SECONDS

    def left(self) -> float:
        """Units that may be spent at once."""
        gained = max(0.0, self._now() - self._spent_at) * LIVE_UNITS / WINDOW_SECONDS
        return min(LIVE_UNITS, self._left + gained)

    def gathered(self) -> bool:
        """Whether turns were collected for long enough."""
        return not 0 <= self._now() - self._spent_at < GATHER_SECONDS

    def spend(self, units: int) -> None:
        """Something was sent."""
        self._left = max(0.0, self.left() - units)
        self._spent_at = self._now()


def lane_of(claims: Sequence[Claim]) -> Lane:
    """How urgent sessions are: the most urgent of what they have waiting decides."""
    kinds = {record.kind for claim in claims for record in claim.records}
    if kinds & {Kind.NOTE, Kind.TAGS, Kind.TICKET}:
        return Lane.HANDOFF
    if any(claim.escalated for claim in claims):
        return Lane.ESCALATED
    return Lane.CLEANUP if kinds == {Kind.CLOSE} else Lane.MIRROR
