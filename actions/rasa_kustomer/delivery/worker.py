"""The background task that delivers the outbox: several sessions at a time, each in order."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from rasa_kustomer.delivery.bulk import BulkDelivery, Failures
from rasa_kustomer.delivery.bulk_results import InDoubtError
from rasa_kustomer.delivery.circuit_breaker import CircuitBreaker
from rasa_kustomer.delivery.load import Load
from rasa_kustomer.delivery.rate_limit import RateLimiter
from rasa_kustomer.delivery.scheduler import Scheduler, Work
from rasa_kustomer.delivery.sending import LeaseLostError
from rasa_kustomer.delivery.session import SessionDelivery
from rasa_kustomer.failures import describe_error
from rasa_kustomer.kustomer.errors import BrokenAnswer, NotAllowed, NotFound, RateLimited, Rejected, Unreachable
from rasa_kustomer.kustomer.priority import Priority, task_priority
from rasa_kustomer.log import Once
from rasa_kustomer.outbox import Lease, Outbox, OutboxUnavailableError

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0
GATHER_SECONDS = 0.2  # turns come in bursts; looking once for several leaves the machine to the bot
HEARTBEAT_SECONDS = 5.0
MAX_BACKOFF_SECONDS = 60.0
STOP_SECONDS = 3.0
LEASE_SECONDS_AT_STOP = 1.0


class Worker:
    """Delivers sessions until it is stopped.

    Args:
        outbox: Where the records are.
        delivery: Delivers one session.
        bulk_delivery: Delivers many sessions together.
        breaker: Whether sending makes sense at the moment.
        rate_limiter: Our share of Kustomer's request limit.
        now: Monotonic clock in seconds.
        sleep: How to wait.
        jitter: Source of randomness in [0, 1).
    """

    def __init__(
        self,
        outbox: Outbox,
        delivery: SessionDelivery,
        bulk_delivery: BulkDelivery,
        breaker: CircuitBreaker,
        rate_limiter: RateLimiter,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._outbox, self._breaker = outbox, breaker
        self._sleep, self._jitter = sleep, jitter
        self._running: dict[asyncio.Task[None], Load] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._outbox_failed = False
        self._say = Once(logger)
        self._stopping = False
        self._scheduler = Scheduler(
            outbox,
            delivery,
            bulk_delivery,
            breaker,
            rate_limiter,
            loads=self._running.values(),
            start=self._start,
            settled=self._one_settled,
            now=now,
        )

    def start(self) -> None:
        """Begin to deliver in the running event loop. Does nothing when already started."""
        if not self._tasks:
            self._stopping = False
            loops = (self._deliver_all, self._beat)
            self._tasks = [asyncio.create_task(loop(), name=f"kustomer{loop.__name__}") for loop in loops]

    async def stop(self) -> None:
        """Lease nothing new, give running requests a few seconds, then release all sessions."""
        self._stopping = True
        self._outbox.work_arrived.set()
        self._outbox.handoff_arrived.set()
        if self._tasks:  # what it leases at this moment is given back, which nobody would do if it were cut off
            await asyncio.wait(self._tasks[:1], timeout=LEASE_SECONDS_AT_STOP)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if under_way := {*self._running, *self._leaving}:
            _, late = await asyncio.wait(under_way, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _deliver_all(self) -> None:
        await self._guard(self._outbox.free_dead_owners)
        while not self._stopping:  # before Python 3.12, wait_for may swallow a cancellation
            self._outbox.work_arrived.clear()
            await self._guard(self._hasten)
            await self._guard(self._scheduler.take_work)
            await self._wait_for_work()
            await _wait(self._outbox.handoff_arrived, GATHER_SECONDS)
            self._outbox.handoff_arrived.clear()

    async def _hasten(self) -> None:
        """Hurry the running work of sessions that were handed off, whichever process recorded that."""
        loads = list(self._running.values())
        slow = [lease.id for load in loads for lease in load.aboard if load.priority_of(lease).level > Priority.HANDOFF]
        for session_id in await self._outbox.handed_off(slow):
            for load in loads:
                load.hurry(session_id)

    def _at_hand(self) -> set[int]:
        return {lease.id for load in self._running.values() for lease in load.aboard}

    def _start(self, leases: Sequence[Lease], work: Work) -> None:
        if self._stopping:
            for lease in leases:
                self._let_go(lease)
            return
        load = Load(leases, self._let_go)
        task = asyncio.create_task(self._carry(load, work))
        self._running[task] = load
        task.add_done_callback(self._carried)

    def _carried(self, task: asyncio.Task[None]) -> None:
        if self._running.pop(task).level is Priority.HANDOFF:
            self._outbox.handoff_arrived.set()  # its session may have more, for which somebody waits
        self._outbox.work_arrived.set()
        if not task.cancelled() and (error := task.exception()) is not None:  # asyncio would log it with a traceback
            self._say(f"Unexpected error in the delivery loop, continuing: {describe_error(error)}")

    def _let_go(self, lease: Lease) -> None:
        """Release a session that leaves its load, to lease it again at once."""
        task = asyncio.create_task(self._guard(partial(self._outbox.release, lease)))
        self._leaving.add(task)
        task.add_done_callback(self._left)

    def _left(self, task: asyncio.Task[None]) -> None:
        self._leaving.discard(task)
        self._outbox.handoff_arrived.set()
        self._outbox.work_arrived.set()

    async def _wait_for_work(self) -> None:
        seconds = min(POLL_SECONDS, self._breaker.seconds_to_probe or POLL_SECONDS)
        await _wait(self._outbox.work_arrived, seconds)

    async def _carry(self, load: Load, work: Work) -> None:
        """Deliver sessions and release them, whatever happened."""
        task_priority.set(load.priority)
        failures: Failures = {}
        try:
            failures = await work(load)
        except asyncio.CancelledError:
            for lease in load.aboard:
                await self._guard(partial(self._outbox.release, lease))
            raise
        except Exception as error:  # noqa: BLE001 - one session's surprise must not end the worker
            failures = dict.fromkeys((lease.id for lease in load.aboard), error)
        for lease in load.aboard:
            failure = failures.get(lease.id)
            if isinstance(failure, InDoubtError):
                release = partial(self._outbox.release, lease, wait_seconds=failure.wait_seconds, failed=False)
            elif failure is None or isinstance(failure, LeaseLostError):  # which lease it was, the outbox knows
                release = partial(self._outbox.release, lease)
            else:
                wait = self._after(failure, lease)
                release = partial(self._outbox.release, lease, wait_seconds=0.0 if load.hurried(lease) else wait)
            await self._guard(release)

    def _one_settled(self) -> bool:
        self._breaker.succeeded()
        return not self._stopping

    def _after(self, error: Exception, lease: Lease) -> float:
        """Tell the circuit breaker what happened; returns how long the session waits."""
        wait = self._backoff(lease)
        if isinstance(error, RateLimited):
            return max(error.wait_seconds, 0.1 if error.organisation else wait)
        if isinstance(error, NotAllowed):
            self._breaker.failed(lease.id, str(error), at_once=True)
        elif isinstance(error, (Unreachable, BrokenAnswer)):
            surely_nobody = isinstance(error, Unreachable) and not error.ambiguous and error.status is None
            self._breaker.failed(lease.id, str(error), at_once=surely_nobody)
        elif isinstance(error, (Rejected, NotFound)):
            logger.warning("Kustomer rejected the customer or conversation of a session; it will be retried: %s", error)
        elif isinstance(error, OutboxUnavailableError):
            self._outbox_is_down(error)
            return POLL_SECONDS
        else:
            logger.error("Delivery of a session failed and will be retried: %s", describe_error(error))
            return wait
        return 0.0 if self._breaker.is_open else wait  # then the breaker holds it, and a probe finds it due

    def _backoff(self, lease: Lease) -> float:
        ceiling = min(MAX_BACKOFF_SECONDS, 2.0 ** min(lease.attempts, 10))
        return ceiling * (0.5 + self._jitter() / 2)

    async def _beat(self) -> None:
        while True:
            await self._sleep(HEARTBEAT_SECONDS)
            if self._running:
                await self._guard(partial(self._outbox.heartbeat, self._at_hand()))

    async def _guard(self, work: Callable[[], Awaitable[Any]]) -> None:
        try:
            await work()
        except OutboxUnavailableError as error:
            self._outbox_is_down(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the worker must not end
            self._say(f"Unexpected error in the delivery loop, continuing: {describe_error(error)}")
        else:
            self._outbox_failed = False

    def _outbox_is_down(self, error: OutboxUnavailableError) -> None:
        if not self._outbox_failed:
            self._outbox_failed = True
            logger.error("The outbox (KUSTOMER_OUTBOX_URL) is unavailable: %s. Delivery resumes by itself.", error)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
