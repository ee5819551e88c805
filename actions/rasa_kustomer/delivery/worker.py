"""The background task that delivers the outbox: several sessions at a time, each in order."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext, suppress
from functools import partial
from typing import Any

from rasa_kustomer.delivery.bulk import BulkDelivery, Failures
from rasa_kustomer.delivery.bulk_plan import HANDFUL, fit_for_bulk, units
from rasa_kustomer.delivery.bulk_results import InDoubtError
from rasa_kustomer.delivery.circuit_breaker import CircuitBreaker
from rasa_kustomer.delivery.closings import closable
from rasa_kustomer.delivery.load import Load
from rasa_kustomer.delivery.pace import PEOPLE_UNITS, InteractiveAllowance
from rasa_kustomer.delivery.rate_limit import RateLimiter
from rasa_kustomer.delivery.sending import LeaseLostError
from rasa_kustomer.delivery.session import SessionDelivery
from rasa_kustomer.failures import describe_error
from rasa_kustomer.kustomer.errors import (
    BrokenAnswer,
    NotAllowed,
    NotFound,
    RateLimited,
    Rejected,
    Unreachable,
)
from rasa_kustomer.kustomer.priority import Priority, task_priority
from rasa_kustomer.log import Once
from rasa_kustomer.outbox import Kind, Lease, Outbox, OutboxUnavailableError

logger = logging.getLogger(__name__)

PARALLEL_SESSIONS = 8  # of bots, and as many that people have
HANDOFFS_AT_ONCE = 12  # beside them: a busy mirror keeps no handoff waiting
MAX_SESSIONS = 100  # taken at once for bulk jobs
CLOSINGS_AT_ONCE = 2  # jobs, or single conversations where such jobs are refused
POLL_SECONDS = 1.0
GATHER_SECONDS = 0.2  # turns come in bursts; looking once for several leaves the machine to the bot
HEARTBEAT_SECONDS = 5.0
MAX_BACKOFF_SECONDS = 60.0
STOP_SECONDS = 4.0


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
        self._outbox, self._delivery, self._bulk_delivery = outbox, delivery, bulk_delivery
        self._breaker, self._rate_limiter = breaker, rate_limiter
        self._live, self._live_people = InteractiveAllowance(now=now), InteractiveAllowance(PEOPLE_UNITS, now=now)
        self._sleep, self._jitter = sleep, jitter
        self._running: dict[asyncio.Task[None], Load] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._newest_handoff = 0
        self._places = asyncio.Semaphore(PARALLEL_SESSIONS)
        self._tasks: list[asyncio.Task[None]] = []
        self._outbox_failed = False
        self._say = Once(logger)
        self._stopping = False

    def start(self) -> None:
        """Begin to deliver in the running event loop. Does nothing when already started."""
        if not self._tasks:
            self._stopping = False
            loops = (self._deliver_all, self._beat)
            self._tasks = [asyncio.create_task(loop(), name=f"kustomer{loop.__name__}") for loop in loops]

    async def stop(self) -> None:
        """Lease nothing new, give running requests a few seconds, then release all sessions."""
        self._stopping = True
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
            await self._guard(self._take_work)
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

    async def _take_work(self) -> None:
        if self._rate_limiter.blocked_seconds:
            return
        if self._breaker.is_open:
            await self._probe()
            return
        if (room := HANDOFFS_AT_ONCE - self._busy(Priority.HANDOFF)) > 0:
            self._carry_singly(await self._lease(room, handoff=True))
        await self._take_turns(self._live_people, Priority.ESCALATED)
        await self._take_turns(self._live, Priority.MIRROR)
        await self._take_closings()

    async def _probe(self) -> None:
        """Probe whether sending works again; for a user who waits the probe is made at once."""
        newest = await self._outbox.newest_handoff()
        urgent = newest > self._newest_handoff
        if urgent:
            self._breaker.probe_soon()
        if (urgent or not self._running) and self._breaker.may_send():
            self._newest_handoff = newest
            self._carry_singly(await self._lease(1))

    def _busy(self, *levels: Priority) -> int:
        return sum(load.level in levels for load in self._running.values())

    async def _take_turns(self, live: InteractiveAllowance, level: Priority) -> None:
        """Deliver conversations that people have, or the others: a few at once, many together in bulk jobs."""
        busy, escalated = self._busy(level), level is Priority.ESCALATED
        allowance = live.left()
        if not self._bulk_delivery.permitted:
            if (room := PARALLEL_SESSIONS - busy) > 0:
                self._carry_singly(await self._lease(room, escalated=escalated, handoff=False, closing=False))
            return
        if busy >= PARALLEL_SESSIONS or not (allowance >= 1 or live.gathered()):
            return
        leases = await self._lease(MAX_SESSIONS, escalated=escalated, handoff=False, closing=False)
        if not leases:
            return
        cost = sum(units(lease) for lease in leases)
        together = [] if cost <= max(HANDFUL, allowance) else [one for one in leases if fit_for_bulk(one)]
        live.spend(cost)
        self._carry_singly([one for one in leases if one not in together])
        if together:
            self._carry_together(together)

    async def _take_closings(self) -> None:
        """Close conversations of which nothing else is pending: many with one request, and after all messages."""
        under_way = self._busy(Priority.CLEANUP)
        together = self._bulk_delivery.permitted and self._bulk_delivery.closings.permitted
        if under_way >= CLOSINGS_AT_ONCE:
            return
        limit = MAX_SESSIONS if together else CLOSINGS_AT_ONCE - under_way
        leases = await self._lease(limit, escalated=False, closing=True)
        many = [one for one in leases if together and closable(one)]
        if len(many) <= HANDFUL:
            many = []
        self._carry_singly([one for one in leases if one not in many])
        if many:
            closing = partial(self._bulk_delivery.closings.deliver, settled=self._one_settled)
            self._start(Load(many, self._let_go), closing)

    async def _lease(
        self, limit: int, *, escalated: bool | None = None, handoff: bool | None = None, closing: bool | None = None
    ) -> list[Lease]:
        keys = {lease.key for load in self._running.values() for lease in load.aboard}
        return await self._outbox.lease(limit, escalated=escalated, handoff=handoff, closing=closing, but_not=keys)

    def _at_hand(self) -> set[int]:
        return {lease.id for load in self._running.values() for lease in load.aboard}

    def _carry_singly(self, leases: Sequence[Lease]) -> None:
        for one in leases:
            self._start(Load([one], self._let_go), self._deliver)

    def _carry_together(self, leases: Sequence[Lease]) -> None:
        self._start(Load(leases, self._let_go), partial(self._bulk_delivery.deliver, settled=self._one_settled))

    def _start(self, load: Load, work: Callable[[Load], Awaitable[Failures]]) -> None:
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

    async def _carry(self, load: Load, work: Callable[[Load], Awaitable[Failures]]) -> None:
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

    async def _deliver(self, load: Load) -> Failures:
        (lease,) = load.aboard
        async with nullcontext() if lease.escalated else self._places:
            if load.aboard:  # else it was handed off meanwhile
                with load.at_work([lease]):
                    await self._delivery.deliver(
                        lease, lambda: self._one_settled() and not load.hurried(lease), quick=self._may_be_quick(lease)
                    )
        return {}

    def _may_be_quick(self, lease: Lease) -> bool:
        """Whether a handoff's messages may go one by one before it; when many are handed off, that costs too much."""
        turns = sum(record.kind is Kind.MESSAGE for record in lease.records)
        if turns == len(lease.records):
            return True
        quick = turns <= self._live_people.left()
        if quick and not lease.attempts:  # a further attempt sends what the one before could not
            self._live_people.spend(turns)
        return quick

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
