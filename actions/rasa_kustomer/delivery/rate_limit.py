"""Keeps to our share of the organisation's request limit, by what Kustomer's answers say of it.

Kustomer counts all requests of the organisation in windows of 60 seconds, whoever makes them (Kustomer API reference,
Limits). Two rules keep us to `KUSTOMER_RATE_SHARE` of that. A token bucket holds this process to the share. And the
mirror stops for the rest of a window as soon as only the part that belongs to everybody else remains, so that several
processes share one limit without talking to each other. After a 429 for the organisation nobody sends before the
reset, and then one request finds out whether that is over. An answer without these headers changes nothing.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from math import inf
from typing import Any, NamedTuple

import httpx

from rasa_kustomer.kustomer.errors import RateLimited
from rasa_kustomer.kustomer.priority import Priority, current_priority
from rasa_kustomer.kustomer.rate_limits import (
    concerns_organisation,
    number,
    seconds_to_reset,
    wait_seconds,
)

RATE_LIMITED = 429
SERVER_ERROR = 500
WINDOW_SECONDS = 60.0
ASSUMED_LIMIT = 1_000  # the smaller of the two current plans; replaced by the first answer's header
BURST_SECONDS = 12.0
BURST_FACTOR = 3.0
MIN_SLEEP_SECONDS = 0.001
LOOK_AGAIN_SECONDS = 0.25  # an answer may have told something new, and what waits may have become more urgent
FIRST_PAUSE_SECONDS = 1.0  # after a 429 of the organisation, whatever its headers say; doubled while they go on
MAX_PAUSE_SECONDS = 8.0
TRIAL_SECONDS = 2.0  # how long the one request that finds out may hold up the others
NEW_WINDOW = 0.05  # answers overtake each other; only a rise by this part of the limit begins a new window


class _Terms(NamedTuple):
    """When requests of a priority may be sent.

    Attributes:
        tokens: Least fill of the bucket, in parts of its capacity; below zero it is borrowed from the lower priorities.
        reserve: Part of the organisation's limit that is left to others.
    """

    tokens: float
    reserve: float


class RateLimiter:
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
        self._share, self._sleep = share, sleep
        self._epoch, self._now = now, _never_back(now)
        self._terms = {
            Priority.HANDOFF: _Terms(-inf, -inf),
            Priority.ESCALATED: _Terms(-4.0, 0.02),
            Priority.LOOKUP: _Terms(-2.0, 0.05),
            Priority.MIRROR: _Terms(0.0, 1.0 - share),
            Priority.CLEANUP: _Terms(0.5, 1.0 - share * 0.8),
        }
        self.limit = ASSUMED_LIMIT
        self._told_limit: int | None = None  # by the latest answer that told one
        self.remaining: int | None = None
        self.blocked_until = 0.0
        self._window_ends = 0.0
        self._tokens = self._capacity
        self._filled_at = self._now()
        self._next_at = 0.0
        self._pause = 0.0  # of the latest 429; 0 when the organisation was let in since
        self._trial_until = 0.0

    @property
    def per_second(self) -> float:
        """Requests per second that are ours on average."""
        return max(self.limit * self._share / WINDOW_SECONDS, 0.01)

    @property
    def _capacity(self) -> float:
        return max(self.per_second * BURST_SECONDS, 1.0)

    @property
    def event_hooks(self) -> dict[str, list[Callable[..., Any]]]:
        """Hooks for the client: every request passes here, retries included."""
        return {"request": [self._admit], "sending": [self._still_allowed], "response": [self._observe]}

    @property
    def blocked_seconds(self) -> float:
        """How long nobody may send; 0 when sending is allowed."""
        return max(0.0, self.blocked_until - self._now())

    def status(self) -> dict[str, Any]:
        """What the health route shows."""
        return {
            "limit_per_minute": self.limit,
            "remaining": self.remaining,
            "share": self._share,
            "blocked_seconds": round(self.blocked_seconds, 1),
        }

    async def _admit(self, _request: httpx.Request) -> None:
        mine = current_priority()
        while True:
            await self._still_allowed()
            if (wait := self._wait(mine.level)) <= 0:
                break
            await self._sleep(min(max(wait, MIN_SLEEP_SECONDS), LOOK_AGAIN_SECONDS))
        self._tokens -= 1.0
        if self.remaining is not None:
            self.remaining -= 1  # until the answer says it better
        self._next_at = self._now() + self._gap
        if self._pause:
            self._trial_until = self._now() + TRIAL_SECONDS

    async def _still_allowed(self, _request: httpx.Request | None = None) -> None:
        """Asked again right before sending: a 429 may have come while a request waited for a place."""
        if (blocked := self.blocked_seconds) > 0:
            raise RateLimited("The organisation's request limit is spent.", wait_seconds=blocked, organisation=True)

    async def _observe(self, response: httpx.Response) -> None:
        headers, now, epoch = response.headers, self._now(), self._epoch()
        ours = self._follow_limit(_whole(headers.get("x-ratelimit-limit")), response.status_code)
        if ours and response.status_code == RATE_LIMITED and concerns_organisation(headers):
            self._hold_up(wait_seconds(headers, epoch))
        elif response.status_code < SERVER_ERROR and not self.blocked_seconds:
            self._pause = 0.0
        self._trial_until = 0.0
        remaining = _whole(headers.get("x-ratelimit-remaining"))
        if not ours or remaining is None or remaining > self.limit:
            return
        rise = remaining - (self.remaining if self.remaining is not None else -inf)
        if rise > self.limit * NEW_WINDOW or now >= self._window_ends:
            self._window_ends = now + WINDOW_SECONDS
        left = seconds_to_reset(headers, epoch)
        if left is not None:
            self._window_ends = min(self._window_ends, now + left)
        self.remaining = remaining

    def _follow_limit(self, told: int | None, status: int) -> bool:
        """Adopt a limit when a second answer confirms it; returns whether the answer is about the organisation.

        A single answer with another limit is a gateway's, and a 429 may be about one customer's limit.
        """
        if not told:
            return True
        believed = self._told_limit in {None, told}
        if self._told_limit is None or (status < SERVER_ERROR and status != RATE_LIMITED):
            self._told_limit = told
        if believed and told != self.limit:
            self.limit = told
            self._tokens = min(self._tokens, self._capacity)
        return told == self.limit

    def _hold_up(self, seconds: float) -> None:
        """Block all requests for this long, and longer each time while 429s go on."""
        if not self.blocked_seconds:  # else it answers a request of before
            self._pause = min(max(self._pause * 2, FIRST_PAUSE_SECONDS), MAX_PAUSE_SECONDS)
        self.blocked_until = max(self.blocked_until, self._now() + max(seconds, self._pause))

    @property
    def _gap(self) -> float:
        """Least time between two requests of the mirror: even a burst leaves most of the event loop to the bot."""
        return 1.0 / (self.per_second * BURST_FACTOR)

    def _wait(self, mine: Priority) -> float:
        """How long a request has to wait, as far as is known now; 0 or less when it may go."""
        now, terms = self._now(), self._terms[mine]
        self._tokens = min(self._capacity, self._tokens + (now - self._filled_at) * self.per_second)
        self._filled_at = now
        needed = min(terms.tokens * self._capacity + 1.0, self._capacity)
        waits = [(needed - self._tokens) / self.per_second, self._trial_until - now]
        if mine >= Priority.MIRROR:
            waits.append(self._next_at - now)
        if self.remaining is not None and self.remaining <= terms.reserve * self.limit:
            waits.append(self._window_ends - now)  # what remains of it is for others
        return max(waits)


def _never_back(now: Callable[[], float]) -> Callable[[], float]:
    """The clock, but standing still where it was set back: nobody waits for a moment to come a second time."""
    latest, lost = now(), 0.0

    def steady() -> float:
        nonlocal latest, lost
        moment = now()
        lost += max(0.0, latest - moment)
        latest = moment
        return moment + lost

    return steady


def _whole(text: str | None) -> int | None:
    found = number(text)
    return int(found) if found is not None and found >= 0 and found == int(found) else None
