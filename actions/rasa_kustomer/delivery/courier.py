"""The one background task that empties the outbox, several sessions at a time and each in order."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from rasa_kustomer.delivery.breaker import Breaker
from rasa_kustomer.delivery.budget import Budget, Lane, lane
from rasa_kustomer.delivery.delivery import Delivery, LeaseLostError
from rasa_kustomer.delivery.outbox import Claim, Outbox, OutboxUnavailableError
from rasa_kustomer.failures import where
from rasa_kustomer.kustomer.errors import (
    BrokenAnswer,
    KustomerError,
    NotAllowed,
    NotFound,
    RateLimited,
    Rejected,
    Unreachable,
)

logger = logging.getLogger(__name__)

PARALLEL_SESSIONS = 8
EXTRA_FOR_HANDOFFS = 4
POLL_SECONDS = 1.0
GATHER_SECONDS = 0.2  # turns come in bursts; looking once for several leaves the machine to the bot
HEARTBEAT_SECONDS = 5.0
IDLE_CHECK_SECONDS = 60.0
LONGEST_WAIT_SECONDS = 60.0
STOP_SECONDS = 4.0


class Courier:
    """Delivers sessions until it is stopped.

    Args:
        outbox: What waits.
        delivery: Carries one session.
        breaker: Whether sending makes sense just now.
        budget: Our share of Kustomer's request limit.
        idle_close_minutes: Close quiet conversations after so long; 0 means never.
        sleep: How to wait.
        jitter: Source of randomness in [0, 1).
    """

    def __init__(
        self,
        outbox: Outbox,
        delivery: Delivery,
        breaker: Breaker,
        budget: Budget,
        *,
        idle_close_minutes: float,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._outbox, self._delivery, self._breaker, self._budget = outbox, delivery, breaker, budget
        self._idle_minutes = idle_close_minutes
        self._sleep, self._jitter = sleep, jitter
        self._running: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._outbox_failed = False
        self._stopping = False

    def start(self) -> None:
        """Begin to deliver in the running event loop. Does nothing when already started."""
        if not self._tasks:
            loops = (self._deliver_all, self._beat, *([self._close_idle] if self._idle_minutes else []))
            self._tasks = [asyncio.create_task(loop(), name=f"kustomer{loop.__name__}") for loop in loops]

    async def stop(self) -> None:
        """Take nothing new, give running requests a few seconds, then give all sessions back."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _deliver_all(self) -> None:
        await self._guard(self._outbox.free_dead_owners)
        while not self._stopping:  # before Python 3.12, wait_for may swallow a cancellation
            self._outbox.work_arrived.clear()
            await self._guard(self._take_work)
            await self._wait_for_work()
            await _wait(self._outbox.handoff_arrived, GATHER_SECONDS)
            self._outbox.handoff_arrived.clear()

    async def _take_work(self) -> None:
        room = PARALLEL_SESSIONS - len(self._running)
        if self._budget.blocked_seconds:
            return
        if self._breaker.is_open:
            room = 1 if not self._running and self._breaker.may_send() else 0
            claims = await self._outbox.claim(room) if room else []
        else:
            claims = await self._outbox.claim(room) if room > 0 else []
            extra = PARALLEL_SESSIONS + EXTRA_FOR_HANDOFFS - len(self._running) - len(claims)
            if room <= 0 and extra > 0:  # everybody is busy: handed-off conversations still get through
                claims += await self._outbox.claim(extra, escalated_only=True)
        for one in claims:
            task = asyncio.create_task(self._carry(one))
            self._running.add(task)
            task.add_done_callback(self._carried)

    def _carried(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._outbox.work_arrived.set()

    async def _wait_for_work(self) -> None:
        seconds = min(POLL_SECONDS, self._breaker.seconds_to_probe or POLL_SECONDS)
        await _wait(self._outbox.work_arrived, seconds)

    async def _carry(self, claim: Claim) -> None:
        """Deliver one session and give it back, whatever happened."""
        lane.set(Lane.PERSON if claim.escalated else Lane.MIRROR)
        wait: float | None = None
        try:
            await self._delivery.deliver(claim, self._one_settled)
        except LeaseLostError:
            return
        except KustomerError as error:
            wait = self._after(error, claim)
        except OutboxUnavailableError as error:
            self._outbox_is_down(error)
            wait = POLL_SECONDS
        except asyncio.CancelledError:
            await self._guard(lambda: self._outbox.release(claim))
            raise
        except Exception as error:  # noqa: BLE001 - one session's surprise must not end the courier
            logger.error("Delivery of a session failed: %s. It is retried.", where(error))  # noqa: TRY400 - a traceback may hold texts
            wait = self._backoff(claim)
        await self._guard(lambda: self._outbox.release(claim, wait_seconds=wait))

    def _one_settled(self) -> bool:
        self._breaker.succeeded()
        return not self._stopping

    def _after(self, error: KustomerError, claim: Claim) -> float:
        """Tell breaker and budget what happened; returns how long the session waits."""
        wait = self._backoff(claim)
        if isinstance(error, RateLimited):
            if error.organisation:
                self._budget.block(error.wait_seconds)
            return max(error.wait_seconds, 0.1)
        if isinstance(error, NotAllowed):
            self._breaker.failed(claim.id, str(error), at_once=True)
        elif isinstance(error, (Unreachable, BrokenAnswer)):
            surely_nobody = isinstance(error, Unreachable) and not error.ambiguous and error.status is None
            self._breaker.failed(claim.id, str(error), at_once=surely_nobody)
        elif isinstance(error, (Rejected, NotFound)):
            logger.warning("A session waits, Kustomer refused its customer or conversation: %s", error)
        return 0.0 if self._breaker.is_open else wait  # then the breaker holds it, and a probe finds it due

    def _backoff(self, claim: Claim) -> float:
        ceiling = min(LONGEST_WAIT_SECONDS, 2.0 ** min(claim.attempts, 10))
        return ceiling * (0.5 + self._jitter() / 2)

    async def _beat(self) -> None:
        while True:
            await self._sleep(HEARTBEAT_SECONDS)
            if self._running:
                await self._guard(self._outbox.heartbeat)

    async def _close_idle(self) -> None:
        while True:
            await self._sleep(IDLE_CHECK_SECONDS)
            await self._guard(lambda: self._outbox.close_idle(self._idle_minutes))

    async def _guard(self, work: Callable[[], Awaitable[Any]]) -> None:
        try:
            await work()
        except OutboxUnavailableError as error:
            self._outbox_is_down(error)
        else:
            self._outbox_failed = False

    def _outbox_is_down(self, error: OutboxUnavailableError) -> None:
        if not self._outbox_failed:
            self._outbox_failed = True
            logger.error("The outbox (KUSTOMER_OUTBOX_URL) cannot be used: %s. Delivery goes on when it can.", error)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
