"""Chooses what is delivered next, and what goes together: handoffs first, then turns, then closings."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import nullcontext
from functools import partial

from rasa_kustomer.delivery.bulk import BulkDelivery, Failures
from rasa_kustomer.delivery.bulk_plan import HANDFUL, fit_for_bulk, units
from rasa_kustomer.delivery.circuit_breaker import CircuitBreaker
from rasa_kustomer.delivery.closings import closable
from rasa_kustomer.delivery.load import Load
from rasa_kustomer.delivery.pace import PEOPLE_UNITS, InteractiveAllowance
from rasa_kustomer.delivery.rate_limit import RateLimiter
from rasa_kustomer.delivery.session import SessionDelivery
from rasa_kustomer.kustomer.priority import Priority
from rasa_kustomer.outbox import Kind, Lease, Outbox

PARALLEL_SESSIONS = 8  # of bots, and as many that people have
HANDOFFS_AT_ONCE = 12  # beside them: a busy mirror keeps no handoff waiting
MAX_SESSIONS = 100  # taken at once for bulk jobs
CLOSINGS_AT_ONCE = 2  # jobs, or single conversations where such jobs are refused

Work = Callable[[Load], Awaitable[Failures]]


class Scheduler:
    """Leases sessions as there is room for them, and starts their delivery.

    Args:
        outbox: Where the records are.
        delivery: Delivers one session.
        bulk_delivery: Delivers many sessions together.
        breaker: Whether sending makes sense at the moment.
        rate_limiter: Our share of Kustomer's request limit.
        loads: What is under way, always as it is now.
        start: Begins to deliver sessions in a task of its own.
        settled: Called after each record that was settled; False ends a delivery early.
        now: Monotonic clock in seconds.
    """

    def __init__(
        self,
        outbox: Outbox,
        delivery: SessionDelivery,
        bulk_delivery: BulkDelivery,
        breaker: CircuitBreaker,
        rate_limiter: RateLimiter,
        *,
        loads: Collection[Load],
        start: Callable[[Sequence[Lease], Work], None],
        settled: Callable[[], bool],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._outbox, self._delivery, self._bulk_delivery = outbox, delivery, bulk_delivery
        self._breaker, self._rate_limiter = breaker, rate_limiter
        self._loads, self._start, self._settled = loads, start, settled
        self._live, self._live_people = InteractiveAllowance(now=now), InteractiveAllowance(PEOPLE_UNITS, now=now)
        self._newest_handoff = 0
        self._places = asyncio.Semaphore(PARALLEL_SESSIONS)

    async def take_work(self) -> None:
        """Lease what may be sent now and start to deliver it."""
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
        if (urgent or not self._loads) and self._breaker.may_send():
            self._newest_handoff = newest
            self._carry_singly(await self._lease(1))

    def _busy(self, *levels: Priority) -> int:
        return sum(load.level in levels for load in self._loads)

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
            self._start(together, partial(self._bulk_delivery.deliver, settled=self._settled))

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
            closing = partial(self._bulk_delivery.closings.close_many, settled=self._settled)
            self._start(many, closing)

    async def _lease(
        self, limit: int, *, escalated: bool | None = None, handoff: bool | None = None, closing: bool | None = None
    ) -> list[Lease]:
        keys = {lease.key for load in self._loads for lease in load.aboard}
        return await self._outbox.lease(limit, escalated=escalated, handoff=handoff, closing=closing, but_not=keys)

    def _carry_singly(self, leases: Sequence[Lease]) -> None:
        for one in leases:
            self._start([one], self._deliver)

    async def _deliver(self, load: Load) -> Failures:
        (lease,) = load.aboard
        async with nullcontext() if lease.escalated else self._places:
            if load.aboard:  # else it was handed off meanwhile
                with load.at_work([lease]):
                    await self._delivery.deliver(
                        lease, lambda: self._settled() and not load.hurried(lease), quick=self._may_be_quick(lease)
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
