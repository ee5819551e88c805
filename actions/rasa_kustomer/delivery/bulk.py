"""Delivers many sessions together: their customers, their conversations, then their turns, each by one bulk job.

What a job does not settle (an item that failed, a result that is missing) is sent once more on its own
(`SessionDelivery`). Each job is noted in the outbox before it is sent, with its id as soon as it is known, so that
after a crash the next process asks for its results instead of sending again. A session that is handed off meanwhile
leaves the group as soon as the outbox has the outcome of what was begun for it: its ticket does not wait for the rest.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

from rasa_kustomer.delivery import plan
from rasa_kustomer.delivery.bulk_jobs import DOUBT_SECONDS, MAX_PAUSE_SECONDS, BulkJobs, NotPermittedError, Results
from rasa_kustomer.delivery.bulk_plan import HANDFUL, BulkItem, BulkJob, plan_jobs
from rasa_kustomer.delivery.bulk_results import InDoubtError, apply_results
from rasa_kustomer.delivery.closings import Closings
from rasa_kustomer.delivery.conversations import Conversations
from rasa_kustomer.delivery.load import Load
from rasa_kustomer.delivery.newcomers import Newcomers
from rasa_kustomer.delivery.pace import CustomerPace
from rasa_kustomer.delivery.sending import identity_of, surely_unsent
from rasa_kustomer.directory import CustomerDirectory
from rasa_kustomer.kustomer.errors import KustomerError, RateLimited, Rejected
from rasa_kustomer.kustomer.priority import task_priority
from rasa_kustomer.outbox import Lease, Outbox

Failures = dict[int, Exception]


class BulkDelivery:
    """Delivers groups of sessions.

    Args:
        outbox: Where the records and their progress are kept.
        jobs: Kustomer's bulk jobs.
        directory: Finds customers.
        newcomers: Makes them.
        conversations: Makes single conversations, and knows how they are parked.
        pace: How many messages of a customer may be sent.

    Attributes:
        closings: Closes conversations together.
    """

    def __init__(
        self,
        outbox: Outbox,
        jobs: BulkJobs,
        directory: CustomerDirectory,
        *,
        newcomers: Newcomers,
        conversations: Conversations,
        pace: CustomerPace,
    ) -> None:
        self._outbox, self._jobs, self._directory = outbox, jobs, directory
        self._newcomers, self._conversations, self._pace = newcomers, conversations, pace
        self.closings = Closings(outbox, jobs)

    @property
    def permitted(self) -> bool:
        """Whether bulk jobs can be used."""
        return self._jobs.permitted

    async def deliver(self, load: Load, settled: Callable[[], object]) -> Failures:
        """Send the first pending records of the sessions.

        Args:
            load: Leased sessions.
            settled: Called after each job that settled records.

        Returns:
            The failures, by session row; the records of those sessions stay pending.
        """
        failures: Failures = {}
        try:
            bots = {one.id for one in load.aboard if not one.escalated}
            await asyncio.gather(*(self._look_up(load, one, failures) for one in load.aboard))
            await self._customers(load, failures)
            await self._resolve(load, failures)
            # What was found to be with people goes with a lease of its own.
            found = {one.id for one in load.aboard if one.escalated and one.id in bots}
            ready = [one for one in load.aboard if one.conversation_id and one.id not in {*failures, *found}]
            self._paced(ready, failures)
            for planned in plan_jobs([one for one in ready if one.id not in failures], self._pace.left):
                await self._messages(load, planned, failures)
                settled()
        except NotPermittedError:
            pass  # they are sent one by one from now on
        return failures

    def _paced(self, leases: Sequence[Lease], failures: Failures) -> None:
        """Sessions of customers whose minute is full wait until it is over."""
        for lease in leases:
            try:
                self._pace.check(str(lease.customer_id))
            except RateLimited as error:
                failures[lease.id] = error

    async def _look_up(self, load: Load, lease: Lease, failures: Failures) -> None:
        """Find out what an earlier copy of the outbox may have sent."""
        task_priority.set(load.priority_of(lease))
        try:
            with load.at_work([lease]):
                await self._conversations.look_up(lease)
                if lease.conversation_id:
                    await self._conversations.recall(lease)
        except Exception as error:  # noqa: BLE001 - a surprise with one session must not cost the others
            failures[lease.id] = error

    async def _customers(self, load: Load, failures: Failures) -> None:
        """Create new customers together; look up those who exist already."""
        leases = [one for one in load.aboard if not one.customer_id and one.id not in failures]
        await self._newcomers.make_together(identity_of(lease) for lease in leases)
        await asyncio.gather(*(self._customer(load, one, failures) for one in leases))

    async def _customer(self, load: Load, lease: Lease, failures: Failures) -> None:
        task_priority.set(load.priority_of(lease))  # each is looked up in a task of its own
        try:
            lease.customer_id = (await self._directory.get_or_create(identity_of(lease), retry_failed=True)).id
        except Exception as error:  # noqa: BLE001 - a surprise with one session must not cost the others
            failures[lease.id] = error

    async def _resolve(self, load: Load, failures: Failures) -> None:
        fresh = [one for one in _without_conversation(load) if not one.creating and one.id not in failures]
        if len(fresh) > HANDFUL:
            await self._new_conversations(load, fresh, failures)
        rest = [one for one in _without_conversation(load) if one.id not in failures]
        await asyncio.gather(*(self._resolve_singly(load, one, failures) for one in rest))

    async def _new_conversations(self, load: Load, leases: Sequence[Lease], failures: Failures) -> None:
        with load.at_work(leases):
            begun = await self._begin_conversations(leases, failures)
        if begun is None:
            return
        job, by_key = begun
        try:
            results = await self._jobs.results(job, by_key) or {}
        except KustomerError as error:
            failures |= dict.fromkeys((one.id for one in by_key.values()), error)
            return
        aboard = {one.id for one in load.aboard}  # who has left finds out by itself
        await self._made_conversations([one for one in by_key.values() if one.id in aboard], results, failures)

    async def _begin_conversations(
        self, leases: Sequence[Lease], failures: Failures
    ) -> tuple[str, dict[str, Lease]] | None:
        """Start a job for the sessions that are still ours; None when it could not be started."""
        parking = await self._conversations.find_parking()
        mine = await self._outbox.bulk.begin_conversations(leases)
        by_key = {one.key: one for one in leases if one.id in mine}
        items = [
            {
                **plan.conversation_body(one.key, str(one.customer_id), plan.first_text(one), parking),
                "_clientRef": one.key,
            }
            for one in by_key.values()
        ]
        try:
            return await self._jobs.send("conversations", items), by_key
        except (KustomerError, NotPermittedError) as error:
            if surely_unsent(error):
                await self._outbox.resolved(*by_key.values())  # takes the mark back
            if isinstance(error, NotPermittedError):
                raise
            if not isinstance(error, Rejected):  # else one by one it shows which of them is the reason
                failures |= dict.fromkeys((one.id for one in by_key.values()), error)
            return None

    async def _made_conversations(self, leases: Sequence[Lease], results: Results, failures: Failures) -> None:
        for lease in leases:
            if (result := results.get(lease.key)) is None or (result.ok and not result.object_id):
                failures[lease.id] = InDoubtError(DOUBT_SECONDS)
            elif result.ok:
                lease.conversation_id = result.object_id
            else:
                lease.creating = result.duplicate  # then it is looked up instead of made
        await self._outbox.resolved(*(one for one in leases if one.id not in failures))

    async def _resolve_singly(self, load: Load, lease: Lease, failures: Failures) -> None:
        task_priority.set(load.priority_of(lease))  # each is made in a task of its own
        if load.hurried(lease):
            return
        try:
            with load.at_work([lease]):
                await self._conversations.ensure(lease)
        except Exception as error:  # noqa: BLE001 - as above
            failures[lease.id] = error

    async def _messages(self, load: Load, planned: BulkJob, failures: Failures) -> None:
        items = planned.items
        with self._pace.sending(Counter(str(item.body["customer"]) for item in items)):
            sessions = {item.part.session_id for item in items}
            with load.at_work([one for one in load.aboard if one.id in sessions]):
                job, items = await self._begin_messages(load, items, failures)
            if job is None:
                return
            try:
                results = await self._jobs.results(job, [item.record.key for item in items])
            except KustomerError as error:
                failures |= dict.fromkeys((item.part.session_id for item in items), error)
                return
        if results is None:
            failures |= dict.fromkeys((item.part.session_id for item in items), InDoubtError(MAX_PAUSE_SECONDS))
        else:
            await apply_results(self._outbox, {item.record.key: item.part for item in items}, results)

    async def _begin_messages(
        self, load: Load, items: Sequence[BulkItem], failures: Failures
    ) -> tuple[str | None, list[BulkItem]]:
        """Start a job for what is still ours; its id and what is in it, or None when it could not be started."""
        aboard = {lease.id for lease in load.aboard if not load.hurried(lease)}
        mine = await self._outbox.bulk.begin([item.part for item in items if item.part.session_id in aboard])
        begun = [item for item in items if item.part.session_id in mine]
        parts = [item.part for item in begun]
        if not parts:
            return None, []
        try:
            job = await self._jobs.send("messages", [item.body for item in begun])
            await self._outbox.bulk.posted(parts, job)
        except (KustomerError, NotPermittedError) as error:
            if isinstance(error, Rejected):
                await self._outbox.bulk.returned(parts, unsure=False, reason=str(error))
            elif surely_unsent(error):
                await self._outbox.bulk.unsent(parts)
            if isinstance(error, NotPermittedError):
                raise
            failures |= dict.fromkeys((part.session_id for part in parts), error)
            return None, []
        return job, begun


def _without_conversation(load: Load) -> list[Lease]:
    return [one for one in load.aboard if one.customer_id and not one.conversation_id]
