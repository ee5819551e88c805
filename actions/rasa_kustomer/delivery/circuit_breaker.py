"""Stops sending while Kustomer cannot or must not be reached, and finds out when that is over."""

import logging
import time
from collections.abc import Callable
from typing import Any

logger = logging.getLogger(__name__)

FIRST_PROBE_SECONDS = 1.0
MAX_PROBE_SECONDS = 30.0
FAILURES_TO_OPEN = 3


class CircuitBreaker:
    """Closed: everything goes. Open: nothing goes but one probe at a growing interval.

    One WARNING when it opens, one INFO when it closes.

    Args:
        now: Monotonic clock in seconds.
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._failing: set[object] = set()
        self._probe_seconds = FIRST_PROBE_SECONDS
        self._probe_at = 0.0
        self.cause: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether sending has stopped."""
        return self.cause is not None

    @property
    def seconds_to_probe(self) -> float:
        """How long until the next attempt may be made; 0 when it may be made now."""
        return max(0.0, self._probe_at - self._now()) if self.is_open else 0.0

    def may_send(self) -> bool:
        """Whether an attempt may be made now; when open, the one that asks becomes the probe."""
        if not self.is_open:
            return True
        if self._now() < self._probe_at:
            return False
        self._schedule_probe()
        return True

    def probe_soon(self) -> None:
        """Somebody waits for Kustomer: make the next probe now instead of at its time."""
        self._probe_at = self._now()

    def succeeded(self) -> None:
        """A record was settled: Kustomer is reachable and accepts our key, whatever it answered."""
        self._failing.clear()
        if self.is_open:
            logger.info("Sending to Kustomer has resumed; pending records are being delivered.")
            self.cause = None

    def failed(self, who: object, cause: str, *, at_once: bool) -> None:
        """An attempt failed.

        Args:
            who: The session it was for: one session that always fails must not stop the others.
            cause: A sentence for the admin, without secrets and texts.
            at_once: The failure concerns everybody (no connection, wrong key), so open now.
        """
        self._failing.add(who)
        if self.is_open:
            self.cause = cause
        elif at_once or len(self._failing) >= FAILURES_TO_OPEN:
            logger.warning("Sending to Kustomer stopped; everything is kept and retried. Cause: %s", cause)
            self.cause = cause
            self._probe_seconds = FIRST_PROBE_SECONDS
            self._schedule_probe()

    def status(self) -> dict[str, Any]:
        """What the health route shows."""
        return {"state": "open" if self.is_open else "closed", "cause": self.cause}

    def _schedule_probe(self) -> None:
        self._probe_at = self._now() + self._probe_seconds
        self._probe_seconds = min(self._probe_seconds * 2, MAX_PROBE_SECONDS)
