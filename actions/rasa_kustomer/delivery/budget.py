"""Our share of the organisation's request budget, kept from what Kustomer's answers tell.

Kustomer counts all requests of the organisation in windows of 60 seconds (Kustomer API reference, Limits). The
mirror takes `KUSTOMER_RATE_SHARE` of that and no more, in a steady stream; look-ups for a waiting user and handoffs
overtake it. After a 429 for the organisation nobody sends before the reset.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from enum import IntEnum
from typing import Any

import httpx

from rasa_kustomer.kustomer.errors import RateLimited
from rasa_kustomer.kustomer.rate_limits import LONGEST_WAIT_SECONDS

WINDOW_SECONDS = 60.0
ASSUMED_LIMIT = 1_000  # the smaller of the two current plans; replaced by the first answer's header
BURST_SECONDS = 12.0
BURST_FACTOR = 3.0
SHORTEST_SLEEP_SECONDS = 0.001


class Lane(IntEnum):
    """Who sends: the mirror waits for its share, a person is not made to wait."""

    PERSON = 0
    MIRROR = 1


lane: ContextVar[Lane] = ContextVar("kustomer_lane", default=Lane.PERSON)


class Budget:
    """A token bucket that follows `x-ratelimit-*`.

    Args:
        share: Part of the organisation's limit that we may use, above 0 and up to 1.
        now: Clock in epoch seconds.
        sleep: How to wait.
    """

    def __init__(
        self,
        share: float,
        *,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self._share, self._now, self._sleep = share, now, sleep
        self.limit = ASSUMED_LIMIT
        self.remaining: int | None = None
        self.blocked_until = 0.0
        self._tokens = self._capacity
        self._filled_at = now()
        self._next_at = 0.0

    @property
    def per_second(self) -> float:
        """Requests per second that are ours on average."""
        return max(self.limit * self._share / WINDOW_SECONDS, 0.01)

    @property
    def _capacity(self) -> float:
        return max(self.per_second * BURST_SECONDS, 1.0)

    @property
    def event_hooks(self) -> dict[str, list[Callable[..., Any]]]:
        """Hooks for `httpx.AsyncClient`: every request passes here, retries included."""
        return {"request": [self._admit], "response": [self._observe]}

    def block(self, seconds: float) -> None:
        """Send nothing for a time: the organisation's budget is spent."""
        self.blocked_until = max(self.blocked_until, self._now() + seconds)

    @property
    def blocked_seconds(self) -> float:
        """How long nobody may send; 0 when sending is allowed."""
        now = self._now()
        self.blocked_until = min(self.blocked_until, now + LONGEST_WAIT_SECONDS)  # the clock may have been set back
        return max(0.0, self.blocked_until - now)

    def status(self) -> dict[str, Any]:
        """What the health route shows."""
        return {
            "limit_per_minute": self.limit,
            "remaining": self.remaining,
            "share": self._share,
            "blocked_seconds": round(self.blocked_seconds, 1),
        }

    async def _admit(self, _request: httpx.Request) -> None:
        if (blocked := self.blocked_seconds) > 0:
            raise RateLimited("The organisation's request budget is spent.", wait_seconds=blocked, organisation=True)
        self._refill()
        while lane.get() is Lane.MIRROR and (wait := self._mirror_wait()) > 0:
            await self._sleep(max(wait, SHORTEST_SLEEP_SECONDS))
            self._refill()
        self._tokens -= 1.0  # a person's request may overdraw; the mirror then waits for it
        self._next_at = self._now() + self._gap

    async def _observe(self, response: httpx.Response) -> None:
        limit = _number(response.headers.get("x-ratelimit-limit"))
        if limit and limit != self.limit:
            self.limit = limit
            self._tokens = min(self._tokens, self._capacity)
        self.remaining = _number(response.headers.get("x-ratelimit-remaining"))

    @property
    def _gap(self) -> float:
        """Least time between two requests of the mirror: even a burst leaves most of the event loop to the bot."""
        return 1.0 / (self.per_second * BURST_FACTOR)

    def _mirror_wait(self) -> float:
        now = self._now()
        self._next_at = min(self._next_at, now + self._gap)  # the clock may have been set back
        return max(self._next_at - now, (1.0 - self._tokens) / self.per_second)

    def _refill(self) -> None:
        now = self._now()
        gained = max(0.0, now - self._filled_at) * self.per_second
        self._tokens = min(self._capacity, self._tokens + gained)
        self._filled_at = now


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() else None
