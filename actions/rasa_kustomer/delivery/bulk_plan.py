"""Which records go out together in a bulk job. Pure: no clock, no network, no database.

A bulk job takes up to 100 items for one request of the limit and reports a result per item (Kustomer API reference,
Bulk). It is for messages that nobody waits for: of a conversation that a human has only a long backlog, never the few
lines that an agent follows as they come.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from rasa_kustomer.delivery import plan
from rasa_kustomer.outbox import Attempt, Kind, Lease, Record

HANDFUL = 5  # a job costs about four units (send, ask, read the results), so fewer items are cheaper one by one
MAX_ITEMS = 100
MAX_BYTES = 200_000  # the limit for REST calls is unknown; half of what Kustomer's hooks take


@dataclass(frozen=True, slots=True)
class BulkItem:
    """One message of a job."""

    record: Record
    part: Attempt
    body: dict[str, Any]


@dataclass(slots=True)
class BulkJob:
    """The items of one job; all that a session has in it are in order."""

    items: list[BulkItem] = field(default_factory=list)
    size: int = 2


def fit_for_bulk(lease: Lease) -> list[Record]:
    """The records at the head of a session that may go into a job: messages that were not in one before.

    Those that an earlier copy of the outbox may have sent are looked up before the job is put together.
    """
    head: list[Record] = []
    for record in lease.records:
        if record.kind is not Kind.MESSAGE or record.sent_ms is not None or (record.unsure and not record.marked):
            break
        if not plan.is_sound(record.payload):  # alone it costs itself only
            break
        head.append(record)
    return head


def units(lease: Lease) -> int:
    """Requests that it takes to deliver a session one by one; a new one needs customer and conversation too."""
    return len(lease.records) + (0 if lease.conversation_id else 3)


def plan_jobs(leases: Sequence[Lease], room: Callable[[str], int]) -> list[BulkJob]:
    """Jobs for what the sessions have pending.

    Each session contributes at most one run of its first messages; the rest comes with a later call.

    Args:
        leases: Leased sessions whose customer and conversation exist.
        room: How many messages of a customer may be sent now.
    """
    jobs: list[BulkJob] = []
    planned: Counter[str] = Counter()
    for lease in leases:
        customer_id = str(lease.customer_id)
        run = list(_fitting(lease, max(0, room(customer_id) - planned[customer_id])))
        planned[customer_id] += len(run)
        size = sum(bytes_ for _, bytes_ in run)
        if not run:
            continue
        last = jobs[-1] if jobs else None
        if last is None or len(last.items) + len(run) > MAX_ITEMS or last.size + size > MAX_BYTES:
            jobs.append(last := BulkJob())
        last.items += [item for item, _ in run]
        last.size += size
    return jobs


def _fitting(lease: Lease, most: int) -> Iterator[tuple[BulkItem, int]]:
    total, sent_ms = 2, lease.last_sent_ms
    for record in fit_for_bulk(lease)[: min(most, MAX_ITEMS)]:
        if record.unsure:
            return
        sent_ms = plan.sent_ms(record.payload, sent_ms)
        body = plan.message_body(record.key, record.payload, sent_ms) | {
            "conversation": lease.conversation_id,
            "customer": lease.customer_id,
            "_clientRef": record.key,
        }
        size = len(json.dumps(body).encode()) + 1
        if total + size > MAX_BYTES:
            return
        total += size
        yield BulkItem(record, Attempt(lease.id, record, sent_ms), body), size
