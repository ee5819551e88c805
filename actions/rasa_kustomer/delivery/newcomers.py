"""Creates customers whom Kustomer does not have yet, together in bulk jobs.

Their identifiers are unique in Kustomer (Kustomer API reference, Uniqueness and duplicates): an item for somebody who
exists, or who is sent twice, is refused and does no harm. Whoever was refused is looked up afterwards, one by one.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable, Iterable
from typing import Any

from rasa_kustomer.conversation.customer_body import create_body
from rasa_kustomer.conversation.identity import Identity
from rasa_kustomer.delivery.bulk_jobs import BulkJobs, NotPermittedError
from rasa_kustomer.delivery.bulk_plan import MAX_ITEMS
from rasa_kustomer.delivery.circuit_breaker import CircuitBreaker
from rasa_kustomer.delivery.pace import GATHER_SECONDS
from rasa_kustomer.directory import CustomerDirectory, cache_key
from rasa_kustomer.failures import describe_error
from rasa_kustomer.kustomer.errors import KustomerError, NotFound, Rejected
from rasa_kustomer.kustomer.models import Customer
from rasa_kustomer.kustomer.priority import Priority, WorkPriority, task_priority

logger = logging.getLogger(__name__)

MAX_EXPECTED = 10_000
FEW = 2  # a job costs two to four requests, one person two: looked for by what was not asked for yet, and made


class Newcomers:
    """Makes customers.

    Args:
        jobs: Kustomer's bulk jobs.
        directory: Learns who was made.
        breaker: Whether sending makes sense at the moment.
        sleep: How to wait.
    """

    def __init__(
        self,
        jobs: BulkJobs,
        directory: CustomerDirectory,
        breaker: CircuitBreaker,
        *,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self._jobs, self._directory, self._breaker, self._sleep = jobs, directory, breaker, sleep
        self._expected: dict[Hashable, Identity] = {}
        self._one_at_a_time = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def expect(self, identity: Identity) -> None:
        """Create a customer within seconds, with all others who come meanwhile; nobody waits for it.

        If that fails, the customer is created with the first message that is to be delivered for them.
        """
        if len(self._expected) < MAX_EXPECTED:
            self._expected[cache_key(identity)] = identity
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._make_expected(), name="kustomer_newcomers")

    async def make_together(self, people: Iterable[Identity]) -> None:
        """Create those who are unknown, and those who are expected, if they are enough for a job.

        Args:
            people: Who is needed now.

        Raises:
            NotPermittedError: The key or the plan does not allow bulk jobs.
            KustomerError: Kustomer could not be asked.
        """
        async with self._one_at_a_time:
            expected, self._expected = self._expected, {}
            wanted = expected | {cache_key(one): one for one in people}
            strangers = [one for one in wanted.values() if not self._directory.knows(one)]
            if len(strangers) <= FEW or not self._jobs.permitted:
                self._expected = {key: one for key, one in expected.items() if one in strangers} | self._expected
                return
            for start in range(0, len(strangers), MAX_ITEMS):
                await self._make(strangers[start : start + MAX_ITEMS])

    async def close(self) -> None:
        """Stop creating customers."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _make_expected(self) -> None:
        task_priority.set(WorkPriority(Priority.MIRROR))
        while self._expected:
            await self._sleep(GATHER_SECONDS)
            if self._breaker.is_open:
                self._expected.clear()
                return
            try:
                await self.make_together(())
                rest, self._expected = list(self._expected.values()), {}
                for one in rest:
                    await self._directory.get_or_create(one)
            except (KustomerError, NotPermittedError):
                continue  # the worker meets the same error with their first turn, and says it
            except Exception as error:  # noqa: BLE001 - whatever it is, those who come later are made
                logger.error("Creating customers by a bulk job failed: %s", describe_error(error))  # noqa: TRY400 - may hold texts

    async def _make(self, people: list[Identity]) -> None:
        by_ref = {str(number): one for number, one in enumerate(people)}
        items = [{**create_body(one), "_clientRef": reference} for reference, one in by_ref.items()]
        try:
            results = await self._jobs.results(await self._jobs.send("customers", items), by_ref)
        except (Rejected, NotFound):
            return
        for reference, result in (results or {}).items():
            if result.ok and result.object_id and reference in by_ref:
                self._directory.learn(by_ref[reference], Customer.read({"id": result.object_id}))
