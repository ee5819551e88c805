"""Writes the results of a bulk job to the outbox: right after the job, or after a crash from the next process."""

from collections.abc import Mapping, Sequence
from itertools import groupby

from rasa_kustomer.delivery.bulk_jobs import DOUBT_SECONDS, GIVE_UP_SECONDS, MAX_PAUSE_SECONDS, BulkJobs, Results
from rasa_kustomer.kustomer.errors import NotFound
from rasa_kustomer.outbox import Attempt, Kind, Lease, Outbox, Outcome, Record


class InDoubtError(Exception):
    """A bulk job that may still be at work holds this session up.

    Attributes:
        wait_seconds: When to look again.
    """

    def __init__(self, wait_seconds: float) -> None:
        super().__init__()
        self.wait_seconds = wait_seconds


async def apply_results(outbox: Outbox, parts: Mapping[str, Attempt], results: Results) -> None:
    """Settle the records of a job by its results; one without a result, or with a failure, is sent again on its own.

    Args:
        outbox: Where the records are.
        parts: The job's records by `_clientRef`.
        results: The job's results; those of unknown references are ignored.
    """
    known = {key: results[key] for key in parts if key in results}
    await outbox.bulk.delivered([Outcome(parts[key], one.object_id) for key, one in known.items() if one.ok])
    unknown = [parts[key] for key in parts if key not in known or known[key].duplicate]
    await outbox.bulk.returned(unknown, unsure=True)
    for key, one in known.items():
        if not one.ok and not one.duplicate:
            await outbox.bulk.returned([parts[key]], unsure=False, reason="refused within a bulk job; sent by itself")


async def recover(outbox: Outbox, jobs: BulkJobs, lease: Lease, now: float) -> InDoubtError | None:
    """Look at the jobs that a session has records in, and settle the records of jobs that are done.

    Args:
        outbox: Where the records are.
        jobs: Bulk jobs.
        lease: The leased session; its records are read again when something has changed.
        now: Epoch seconds.

    Returns:
        The doubt that remains; None when all of the session's records may be sent one by one.
    """
    pending = [record for record in lease.records if record.bulk_at is not None]
    if not pending:
        return None
    waits = [
        wait
        for _, records in groupby(pending, key=lambda record: record.bulk_job)
        if (wait := await _one_job(outbox, jobs, lease, list(records), now)) is not None
    ]
    lease.records = await outbox.due(lease)
    return InDoubtError(max(waits)) if waits else None


async def _one_job(outbox: Outbox, jobs: BulkJobs, lease: Lease, records: Sequence[Record], now: float) -> float | None:
    parts = {record.key: Attempt(lease.id, record, record.sent_ms or 0) for record in records}
    job, patience = records[0].bulk_job, GIVE_UP_SECONDS
    try:
        results = await jobs.results(job, parts, patience_seconds=0) if job else None
    except NotFound:
        job, results = None, None
    if results is not None:
        if lease.escalated:  # a closing that came late has closed a ticket: it is not settled here, but seen to
            closings = {record.key for record in records if record.kind is Kind.CLOSE}
            results = {key: one for key, one in results.items() if key not in closings}
        await apply_results(outbox, parts, results)
        lease.last_sent_ms = max(lease.last_sent_ms, *(part.sent_ms for part in parts.values()))
        return None
    if job is None:
        patience = DOUBT_SECONDS
    age = now - min(record.bulk_at or 0.0 for record in records)
    if 0 <= age < patience:  # below zero the clock was set back
        return min(patience - age, MAX_PAUSE_SECONDS)
    await outbox.bulk.returned(list(parts.values()), unsure=True)
    return None
