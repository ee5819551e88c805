"""The outbox as the actions use it, and access to its other parts."""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from rasa_kustomer.conversation.keys import sender_part
from rasa_kustomer.outbox.admin import OutboxAdmin, counts
from rasa_kustomer.outbox.append import append
from rasa_kustomer.outbox.auditing import Auditing
from rasa_kustomer.outbox.births import Marks, restored
from rasa_kustomer.outbox.connection import Connection
from rasa_kustomer.outbox.database import Database, Transactions, reading, transaction
from rasa_kustomer.outbox.entries import Counts, IdentityUpdate, NewRecord, Recorded, SessionKey
from rasa_kustomer.outbox.leases import new_owner
from rasa_kustomer.outbox.queue import Queue
from rasa_kustomer.outbox.recalling import Recalling
from rasa_kustomer.outbox.schema import PENDING
from rasa_kustomer.outbox.sqlite import Access
from rasa_kustomer.outbox.transitions import Bulk

Part_ = TypeVar("Part_", bound=Transactions)
STATE_POLL_SECONDS = 0.2
PATIENCE_SECONDS = 1.0  # maximum time that recording may block a turn

_LATEST_SESSION = "SELECT key, sender_id, started_ms FROM kustomer_session WHERE sender_id = :sender"
_CONVERSATIONS = """
SELECT key, identity FROM kustomer_session WHERE sender_id = :sender AND started_ms = :started_ms
ORDER BY last_turn_at, id"""
_SESSION_STATE = """
SELECT id, customer_id, conversation_id, escalated, closed, identity FROM kustomer_session WHERE key = :key"""
_TICKETS = """
SELECT key, conversation_id, identity FROM kustomer_session
WHERE sender_id = :sender AND escalated = true ORDER BY started_ms DESC LIMIT 10"""
_NOT_LOOKED_UP = """
SELECT key FROM kustomer_session WHERE sender_id = :sender AND creating AND NOT escalated
ORDER BY started_ms DESC LIMIT 3"""


class Outbox(Queue):
    """Accepts records from the actions and hands them to workers, one worker per session at a time.

    Every method is one transaction and raises `OutboxUnavailableError` when the database cannot be used just now.

    Args:
        url: Of the database (KUSTOMER_OUTBOX_URL).
        access: What it is opened for, where it is a file.
        now: Clock in epoch seconds.
    """

    def __init__(self, url: str, *, access: Access = Access.SERVE, now: Callable[[], float] = time.time) -> None:
        super().__init__(Database(url, access, now=now), now, new_owner(), asyncio.Event(), asyncio.Event())
        self.handoff_arrived = asyncio.Event()

    @property
    def path(self) -> Path | None:
        """The database's file; None when it lives on a server."""
        return self.database.path

    @property
    def place(self) -> str:
        """Where the database is, for an operator and without a password."""
        return self.database.location

    @property
    def bulk(self) -> Bulk:
        """Sending many records in one request."""
        return self._side(Bulk)

    @property
    def recalling(self) -> Recalling:
        """Looking up what an earlier copy of the outbox may have sent."""
        return self._side(Recalling)

    @property
    def maintenance(self) -> OutboxAdmin:
        """Looking at it, and tidying it up."""
        return self._side(OutboxAdmin)

    @property
    def auditing(self) -> Auditing:
        """What was delivered, to compare it with Kustomer."""
        return self._side(Auditing)

    def _side(self, kind: type[Part_]) -> Part_:
        return kind(self.database, self.now, self.owner, self.work_arrived, self.settled)

    async def close(self) -> None:
        """Finish running transactions and close the database."""
        await self.database.close()

    async def record(
        self,
        session: SessionKey,
        identity: dict[str, Any],
        new: Sequence[NewRecord],
        *,
        after: Recorded | None = None,
        escalate: bool = False,
        update: IdentityUpdate = IdentityUpdate.ALWAYS,
    ) -> int:
        """Accept records of a session; known keys, and messages that were purged since, are ignored.

        Args:
            session: The Rasa session; its row is made on first use.
            identity: The person as known now.
            new: What is to be delivered, in order.
            after: What the caller assumes to be recorded already, and therefore leaves out.
            escalate: The session goes to a human: it goes first, and is never closed by us again.
            update: When the identity replaces the one that was known before.

        Returns:
            How many records were new.

        Raises:
            PastUnknownError: `after` is not in the outbox; nothing was recorded.
            OutcomeUnknownError: The write had begun and may have succeeded. After any other error it has not, and never
                will.
        """
        now = self.now()

        def work(c: Connection) -> int:
            return append(c, session, identity, new, now, after=after, escalate=escalate, update=update)

        added = await self.database.run(work, seconds=PATIENCE_SECONDS)
        if added:
            self.work_arrived.set()
        if escalate:
            self.handoff_arrived.set()
        return added

    @reading
    def latest_session(self, c: Connection, sender_id: str, before_ms: int | None = None) -> SessionKey | None:
        """The sender's latest known session, optionally only among those that started before a moment (epoch ms)."""
        earlier = "" if before_ms is None else " AND started_ms < :before_ms"
        latest = f"{_LATEST_SESSION}{earlier} ORDER BY started_ms DESC LIMIT 1"
        row = c.row(latest, sender=sender_part(sender_id), before_ms=before_ms)
        return None if row is None else SessionKey(**dict(row))

    @reading
    def conversations(self, c: Connection, sender_id: str, started_ms: int) -> list[tuple[str, dict[str, Any]]]:
        """Key and identity of each person's conversation in a Rasa session; whoever spoke last comes last."""
        rows = c.rows(_CONVERSATIONS, sender=sender_part(sender_id), started_ms=started_ms)
        return [(row["key"], json.loads(row["identity"])) for row in rows]

    @reading
    def session_state(self, c: Connection, key: str) -> dict[str, Any] | None:
        """Kustomer ids, identity, `escalated` and `closed` of a session; None when it is unknown."""
        row = c.row(_SESSION_STATE, key=key)
        if row is None:
            return None
        marks = {name: bool(row[name]) for name in ("escalated", "closed")}
        return {**dict(row), **marks, "identity": json.loads(row["identity"])}

    @reading
    def tickets(self, c: Connection, sender_id: str) -> list[dict[str, Any]]:
        """The sender's sessions that were handed to a human, latest first: `key`, `conversation_id`, `identity`."""
        rows = c.rows(_TICKETS, sender=sender_part(sender_id))
        return [{**dict(row), "identity": json.loads(row["identity"])} for row in rows]

    @reading
    def not_looked_up(self, c: Connection, sender_id: str) -> list[str]:
        """Keys of the sender's latest sessions whose conversation has to be looked up before it is known."""
        return c.column(_NOT_LOOKED_UP, sender=sender_part(sender_id))

    @reading
    def record_state(self, c: Connection, key: str) -> str | None:
        """State of a record; None when there is no such record."""
        state: str | None = c.value("SELECT state FROM kustomer_record WHERE key = :key", key=key)
        return state

    async def wait_until_settled(self, key: str, seconds: float) -> str | None:
        """Wait for a record to be delivered or dead.

        Args:
            key: The record's key.
            seconds: Longest wait.

        Returns:
            The record's state at the end of the wait; None when there is no such record.
        """
        deadline = time.monotonic() + seconds
        while True:
            self.settled.clear()
            state = await self.record_state(key)
            left = deadline - time.monotonic()
            if state != PENDING or left <= 0:
                return state
            try:  # another process may settle it, so look again without being told
                await asyncio.wait_for(self.settled.wait(), min(left, STATE_POLL_SECONDS))
            except asyncio.TimeoutError:
                continue

    @transaction
    def restored(self, c: Connection) -> Marks:
        """Note that this is an older copy, put back by other means: what may have gone on since is looked up."""
        return restored(c, self.now())

    @reading
    def counts(self, c: Connection) -> Counts:
        """How many records were accepted, and where they are now."""
        return counts(c)
