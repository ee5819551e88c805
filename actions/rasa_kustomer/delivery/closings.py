"""Closes conversations: one by itself, or many with one bulk job, since each alone costs a request.

A session belongs to the job until its results are known, or it is in doubt (`bulk_results`), so that what is said
meanwhile comes after the closing, and opens the conversation again.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

from rasa_kustomer.delivery.bulk_jobs import MAX_PAUSE_SECONDS, BulkJobs
from rasa_kustomer.delivery.bulk_results import InDoubtError, apply_results
from rasa_kustomer.delivery.load import Load
from rasa_kustomer.delivery.sending import surely_unsent
from rasa_kustomer.kustomer.client import KustomerClient
from rasa_kustomer.kustomer.errors import KeyRefused, KustomerError, NotAllowed, NotFound, Rejected
from rasa_kustomer.outbox import Attempt, Kind, Lease, Outbox, Record

logger = logging.getLogger(__name__)


class Closings:
    """Delivers groups of sessions of which only the closing is pending.

    Args:
        outbox: Where the records and their progress are kept.
        jobs: Kustomer's bulk jobs.

    Attributes:
        permitted: False once Kustomer has refused such a job; stays so for the life of the process.
    """

    def __init__(self, outbox: Outbox, jobs: BulkJobs) -> None:
        self._outbox, self._jobs = outbox, jobs
        self.permitted = True

    async def close_many(self, load: Load, settled: Callable[[], object]) -> dict[int, Exception]:
        """Close the conversations of up to 100 sessions that are `closable`.

        Args:
            load: Leased sessions. One that is handed off meanwhile leaves, and finds out by itself.
            settled: Called when the results of the job are there.

        Returns:
            The failures, by session row; the records of those sessions stay pending.
        """
        with load.at_work(load.aboard):
            mine = await self._outbox.bulk.begin([_part(lease) for lease in load.aboard])
            leases = [lease for lease in load.aboard if lease.id in mine]
            parts = {lease.records[0].key: _part(lease) for lease in leases}
            items = [{"id": one.conversation_id, "status": "done", "_clientRef": one.records[0].key} for one in leases]
            try:
                job = await self._jobs.change("conversations", items)
                await self._outbox.bulk.posted(list(parts.values()), job)
            except KustomerError as error:
                return await self._failed(leases, list(parts.values()), error)
        try:
            results = await self._jobs.results(job, parts)
        except KustomerError as error:
            return await self._failed(load.aboard, list(parts.values()), error)
        settled()
        if results is None:
            return dict.fromkeys((lease.id for lease in load.aboard), InDoubtError(MAX_PAUSE_SECONDS))
        aboard = {lease.id for lease in load.aboard}
        await apply_results(
            self._outbox, {key: part for key, part in parts.items() if part.session_id in aboard}, results
        )
        return {}

    async def _failed(
        self, leases: Sequence[Lease], parts: Sequence[Attempt], error: KustomerError
    ) -> dict[int, Exception]:
        if isinstance(error, (NotAllowed, NotFound, Rejected)) and not isinstance(error, KeyRefused):
            if self.permitted:
                self.permitted = False
                logger.warning("Kustomer refused a bulk job; idle chats are closed one by one from now on: %s", error)
            await self._outbox.bulk.returned(parts, unsure=False)
            return {}
        if surely_unsent(error):
            await self._outbox.bulk.unsent(parts)
        return dict.fromkeys((lease.id for lease in leases), error)


async def close(client: KustomerClient, lease: Lease, record: Record) -> None:
    """Close one conversation, unless people have it now or the customer has spoken again.

    Where an earlier attempt may have closed it all the same, a ticket is opened again; the customer's words do that by
    themselves.
    """
    later = lease.records[lease.records.index(record) + 1 :]
    spoken = any(one.kind is Kind.MESSAGE and one.payload.get("direction") == "in" for one in later)
    if spoken or (lease.escalated and not record.unsure):
        return
    status = {"status": "open" if lease.escalated else "done"}
    with suppress(NotFound):  # then there is nothing to close
        await client.update_conversation(str(lease.conversation_id), status)


def closable(lease: Lease) -> bool:
    """Whether its conversation may be closed together with others: nothing else waits, and it was not tried before."""
    if lease.escalated or not lease.conversation_id or len(lease.records) != 1:
        return False
    record = lease.records[0]
    return record.kind is Kind.CLOSE and not record.unsure and record.bulk_at is None and record.sent_ms is None


def _part(lease: Lease) -> Attempt:
    return Attempt(lease.id, lease.records[0], lease.last_sent_ms)
