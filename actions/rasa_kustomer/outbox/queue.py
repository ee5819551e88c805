"""The outbox as the worker uses it: its leases, and what becomes of one session's records."""

import json
from operator import attrgetter
from typing import Any

from rasa_kustomer.outbox.connection import Connection
from rasa_kustomer.outbox.database import reading, transaction
from rasa_kustomer.outbox.entries import Attempt, Lease, Outcome, Record, dump
from rasa_kustomer.outbox.leases import Leases
from rasa_kustomer.outbox.transitions import SAME_SESSION, Transitions, same_session

_TURNS_BEFORE = """
SELECT count(*) FROM kustomer_record
WHERE session_id = :session_id AND state = 'pending' AND kind = 'message' AND id < :record_id"""
_DEAD_TURNS = """
SELECT count(*) FROM kustomer_record
WHERE session_id = (SELECT id FROM kustomer_session WHERE key = :key) AND state = 'dead' AND kind = 'message'"""
_RESOLVED = f"""
UPDATE kustomer_session SET customer_id = :customer_id, conversation_id = :conversation_id, creating = :creating,
    bulk_at = :bulk_at, escalated = escalated OR :escalated
WHERE {SAME_SESSION}"""
_WAITING_TICKETS = """
SELECT id, payload FROM kustomer_record WHERE session_id = :session_id AND state = 'pending' AND kind = 'ticket'"""


class Queue(Leases, Transitions):
    """Leases sessions to one worker at a time, and keeps the outcome of their records."""

    async def begin(self, lease: Lease, record: Record) -> bool:
        """Note the attempt before it is made; False when the lease was lost and nothing may be sent."""
        return bool(await self._begin([Attempt(lease.id, record, 0)], in_job=False))

    async def begin_conversation(self, lease: Lease) -> bool:
        """As `begin`, for the conversation itself."""
        return bool(await self._begin_conversations([lease], in_job=False))

    @transaction
    def resolved(self, c: Connection, *leases: Lease) -> None:
        """Keep the leases' customer and conversation ids (None: resolve them again) and their `creating` marks.

        A session that was found with people stays with them: a pending ticket raises theirs and reassigns nothing.
        """
        for lease in sorted(leases, key=attrgetter("id")):
            known = {name: getattr(lease, name) for name in ("customer_id", "conversation_id", "creating", "bulk_at")}
            c.change(_RESOLVED, escalated=lease.escalated, **known, **same_session(lease, self.owner))
            for row in c.rows(_WAITING_TICKETS, session_id=lease.id) if lease.people else ():
                payload: dict[str, Any] = json.loads(row["payload"]) | {"repeated": True}
                c.change("UPDATE kustomer_record SET payload = :text WHERE id = :id", text=dump(payload), id=row["id"])

    async def unsent(self, record: Record) -> None:
        """Take back the mark of `begin`: the request certainly was not carried out."""
        await self._change([record], "unsure = :unsure", unsure=record.unsure)

    async def delivered(self, lease: Lease, record: Record, *, kustomer_id: str | None, sent_ms: int | None) -> None:
        """Settle a record that Kustomer holds now."""
        await self._settle([Outcome(Attempt(lease.id, record, sent_ms or 0), kustomer_id)], in_job=False)

    async def dead(self, lease: Lease, record: Record, reason: str) -> None:
        """Settle a record that Kustomer will never take."""
        await self._settle([Outcome(Attempt(lease.id, record, 0), dead_because=reason)], in_job=False)

    async def defer(self, record: Record, *, seconds: float, reason: str) -> None:
        """Let one record wait; the rest of its session goes on."""
        await self._change([record], "not_before = :until, reason = :reason", until=self.now() + seconds, reason=reason)

    @reading
    def turns_before(self, c: Connection, lease: Lease, record: Record) -> int:
        """How many pending messages of a session were recorded before a record."""
        return int(c.value(_TURNS_BEFORE, session_id=lease.id, record_id=record.id))

    @reading
    def dead_turns(self, c: Connection, lease: Lease) -> int:
        """How many of a session's messages are dead."""
        return int(c.value(_DEAD_TURNS, key=lease.key))
