"""The outbox as the actions and the courier use it; each method is one transaction."""

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection

from rasa_kustomer.delivery.outbox import births, leases, maintenance, progress, recording
from rasa_kustomer.delivery.outbox.auditing import Auditing
from rasa_kustomer.delivery.outbox.births import Marks
from rasa_kustomer.delivery.outbox.bulking import Bulk
from rasa_kustomer.delivery.outbox.entries import Claim, Counts, NewRecord, Record, Recorded, Renew, SessionKey
from rasa_kustomer.delivery.outbox.hot_path import HotPath, NotAtOnceError
from rasa_kustomer.delivery.outbox.maintenance import Maintenance
from rasa_kustomer.delivery.outbox.recalling import Recalling
from rasa_kustomer.delivery.outbox.schema import PENDING
from rasa_kustomer.delivery.outbox.sqlite import SqliteTransactor
from rasa_kustomer.delivery.outbox.transactor import (
    Access,
    OutboxUnavailableError,
    OutcomeUnknownError,
    Transactor,
    Withdrawable,
)

T = TypeVar("T")
LEASE_SECONDS = 15.0
STATE_POLL_SECONDS = 0.2
PATIENCE_SECONDS = 1.0  # how long a bot's turn waits for its own disk at the most


class Outbox:
    """Accepts records from the actions and hands them to couriers, one courier per session at a time.

    Every method is one transaction and raises `OutboxUnavailableError` when the database cannot be used just now.

    Args:
        url: SQLAlchemy URL of the database (KUSTOMER_OUTBOX_URL).
        access: What it is opened for, where it is a file.
        now: Clock in epoch seconds.
    """

    def __init__(self, url: str, *, access: Access = Access.SERVE, now: Callable[[], float] = time.time) -> None:
        self._transactor, self._hot_path = _open(url, access, now)
        self._now = now
        self.owner = leases.new_owner()
        self.work_arrived = asyncio.Event()
        self.handoff_arrived = asyncio.Event()
        self._settled = asyncio.Event()

    @property
    def path(self) -> Path | None:
        """The database's file; None when it lives in memory or on a server."""
        return self._transactor.path

    @property
    def place(self) -> str:
        """Where the database is, for an operator and without a password."""
        return self._transactor.place

    @property
    def bulk(self) -> Bulk:
        """Sending many records in one request."""
        return Bulk(self._transactor, self._now, self.owner, self._settled)

    @property
    def recalling(self) -> Recalling:
        """Looking up what an earlier copy of the outbox may have sent."""
        return Recalling(self._transactor, self._now, self.owner, self._settled)

    @property
    def maintenance(self) -> Maintenance:
        """Looking at it, and tidying it up."""
        return Maintenance(self._transactor, self._now, self.work_arrived)

    @property
    def auditing(self) -> Auditing:
        """What was delivered, to compare it with Kustomer."""
        return Auditing(self._transactor, self._now)

    async def close(self) -> None:
        """Finish running transactions and close the database."""
        if self._hot_path is not None:
            self._hot_path.close()
        await self._transactor.close()

    async def record(
        self,
        session: SessionKey,
        identity: dict[str, Any],
        new: Sequence[NewRecord],
        *,
        after: Recorded | None = None,
        escalate: bool = False,
        renew: Renew = Renew.ALWAYS,
    ) -> int:
        """Accept records of a session; known keys and turns that were purged since are ignored.

        Args:
            session: The Rasa session; its row is made on first use.
            identity: The person as known now.
            new: What is to be delivered, in order.
            after: What the caller takes for recorded already, and leaves out for that reason.
            escalate: The session is handed to a human from now on.
            renew: When the identity replaces the one that was known before.

        Returns:
            How many records were new.

        Raises:
            PastUnknownError: `after` is not here, and nothing was recorded.
            OutcomeUnknownError: A handoff was being written and may be there. After any other error it is not, and
                does not come late either; turns may, since the same turns may be recorded again.
        """
        now = self._now()

        def work(on: recording.Database) -> int:
            return recording.accept(on, session, identity, new, now, after=after, escalate=escalate, renew=renew)

        writing = Withdrawable(lambda connection: work(recording.database_of(connection)))
        try:
            added = await self._at_once_or_soon(work, writing)
        except OutboxUnavailableError as error:
            if escalate and not writing.withdraw():
                raise OutcomeUnknownError(str(error)) from None
            raise
        if added:
            self.work_arrived.set()
        if escalate:
            self.handoff_arrived.set()
        return added

    async def _at_once_or_soon(self, work: Callable[[recording.Database], T], writing: Withdrawable[T]) -> T:
        if self._hot_path is not None:
            with suppress(NotAtOnceError):
                return self._hot_path.run(work)
        return await self._transactor.run(writing, patience_seconds=PATIENCE_SECONDS)

    async def latest_session(self, sender_id: str, before_ms: int | None = None) -> SessionKey | None:
        """The sender's latest known session, optionally only among those that started before a moment (epoch ms)."""
        return await self._transactor.read(lambda c: recording.latest_session(c, sender_id, before_ms))

    async def conversations(self, sender_id: str, started_ms: int) -> list[tuple[str, dict[str, Any]]]:
        """Key and identity of each person's conversation in a Rasa session; whoever spoke last comes last."""
        return await self._transactor.read(lambda c: recording.conversations(c, sender_id, started_ms))

    async def session_state(self, key: str) -> dict[str, Any] | None:
        """Kustomer ids, identity, `escalated` and `closed` of a session; None when it is unknown."""
        return await self._transactor.read(lambda c: recording.session_state(c, key))

    async def tickets(self, sender_id: str) -> list[dict[str, Any]]:
        """The sender's sessions that were handed to a human, latest first: `key`, `conversation_id`, `identity`."""
        return await self._transactor.read(lambda c: recording.tickets(c, sender_id))

    async def not_looked_up(self, sender_id: str) -> list[str]:
        """Keys of the sender's latest sessions whose conversation has to be looked up before it is known."""
        return await self._transactor.read(lambda c: recording.not_looked_up(c, sender_id))

    async def record_state(self, key: str) -> str | None:
        """State of a record; None when there is no such record."""
        return await self._transactor.read(lambda c: recording.record_state(c, key))

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
            self._settled.clear()
            state = await self._transactor.read(lambda c: recording.record_state(c, key))
            left = deadline - time.monotonic()
            if state != PENDING or left <= 0:
                return state
            try:  # another process may settle it, so look again without being told
                await asyncio.wait_for(self._settled.wait(), min(left, STATE_POLL_SECONDS))
            except asyncio.TimeoutError:
                continue

    async def claim(
        self,
        limit: int,
        *,
        escalated: bool | None = None,
        handoff: bool | None = None,
        closing: bool | None = None,
        but_not: Collection[str] = (),
    ) -> list[Claim]:
        """Lease sessions that have something to deliver, with the first of their due records and those of a handoff.

        Args:
            limit: How many sessions at most.
            escalated: Only those a human has, or only the others; None for both.
            handoff: Only those of which a note or a ticket waits, or only the others; None for both.
            closing: Only those that have nothing but their closing waiting, or only the others; None for both.
            but_not: Keys of the sessions at hand; a process that stood still may have lost the leases of its own.
        """
        now = self._now()
        ids = await self._transactor.read(
            lambda c: leases.candidates(
                c, now, limit=limit, escalated=escalated, handoff=handoff, closing=closing, but_not=but_not
            )
        )
        if not ids:
            return []
        claims = await self._transactor.run(lambda c: leases.lease(c, ids, self.owner, now, LEASE_SECONDS))
        due = await self._transactor.read(lambda c: [progress.due_records(c, self.owner, one, now) for one in claims])
        for one, waiting in zip(claims, due, strict=True):
            one.records = waiting
        return claims

    async def due(self, claim: Claim) -> list[Record]:
        """The due records of a leased session, read again."""
        now = self._now()
        return await self._transactor.read(lambda c: progress.due_records(c, self.owner, claim, now))

    async def handed_off(self, ids: Collection[int]) -> set[int]:
        """Those of the sessions at hand of which a note or a ticket waits, whichever process recorded it."""
        if not ids:
            return set()
        now = self._now()
        return await self._transactor.read(lambda c: progress.handed_off(c, ids, now))

    async def newest_handoff(self) -> int:
        """Number of the newest note or ticket that waits; 0 when none does."""
        return await self._transactor.read(progress.newest_handoff)

    async def turns_before(self, claim: Claim, record: Record) -> int:
        """How many of a session's turns wait that were recorded before a record."""
        return await self._transactor.read(lambda c: progress.turns_before(c, claim.id, record.id))

    async def dead_turns(self, claim: Claim) -> int:
        """How many of a session's turns Kustomer refused for good."""
        return await self._transactor.read(lambda c: progress.dead_turns(c, claim.key))

    async def heartbeat(self, ids: Collection[int]) -> None:
        """Keep the leases of the sessions at hand, as far as they are still ours; all others run out."""
        now = self._now()
        await self._transactor.run(lambda c: leases.extend(c, self.owner, ids, now, LEASE_SECONDS))

    async def free_dead_owners(self) -> None:
        """Take back what killed processes of this host held (SQLite; on PostgreSQL leases run out)."""
        await self._transactor.run(lambda c: leases.free_dead_owners(c, self.owner))

    async def begin(self, claim: Claim, record: Record) -> bool:
        """Note the attempt before it is made; False when the lease was lost and nothing may be sent."""
        begun = await self._transactor.run(lambda c: progress.begin(c, self.owner, claim, record))
        record.attempts += begun
        return begun

    async def begin_conversation(self, claim: Claim) -> bool:
        """As `begin`, for the conversation itself."""
        return await self._transactor.run(lambda c: progress.begin_conversation(c, self.owner, claim))

    async def resolved(self, *claims: Claim) -> None:
        """Keep the claims' customer and conversation ids (None: resolve them again) and their `creating` marks."""

        def work(connection: Connection) -> None:
            for claim in claims:
                progress.resolved(connection, self.owner, claim)

        await self._transactor.run(work)

    async def unsent(self, record: Record) -> None:
        """Take back the mark of `begin`: the request certainly was not carried out."""
        await self._transactor.run(lambda c: progress.unsent(c, self.owner, record))

    async def delivered(self, claim: Claim, record: Record, *, kustomer_id: str | None, sent_ms: int | None) -> None:
        """Settle a record that Kustomer holds now."""
        now = self._now()
        await self._transactor.run(
            lambda c: progress.settle(c, self.owner, claim, record, now, kustomer_id=kustomer_id, sent_ms=sent_ms)
        )
        self._settled.set()

    async def dead(self, claim: Claim, record: Record, reason: str) -> None:
        """Settle a record that Kustomer will never take."""
        now = self._now()
        await self._transactor.run(lambda c: progress.settle(c, self.owner, claim, record, now, dead_because=reason))
        self._settled.set()

    async def defer(self, record: Record, *, seconds: float, reason: str) -> None:
        """Let one record wait; the rest of its session goes on."""
        until = self._now() + seconds
        await self._transactor.run(lambda c: progress.defer(c, self.owner, record, until=until, reason=reason))

    async def release(self, claim: Claim, *, wait_seconds: float | None = None, failed: bool = True) -> None:
        """Give a session back.

        Args:
            claim: The session.
            wait_seconds: Do not claim it again before this time has passed.
            failed: Whether the wait counts as a failed attempt.
        """
        until = None if wait_seconds is None else self._now() + wait_seconds
        await self._transactor.run(lambda c: leases.release(c, self.owner, claim, not_before=until, failed=failed))

    async def restored(self) -> Marks:
        """Note that this is an older copy, put back by other means: what may have gone on since is looked up."""
        now = self._now()
        return await self._transactor.run(lambda c: births.restored(c, now))

    async def counts(self) -> Counts:
        """How many records were accepted, and where they are now."""
        return await self._transactor.read(maintenance.counts)


def _open(url: str, access: Access, now: Callable[[], float]) -> tuple[Transactor, HotPath | None]:
    """The database of a URL; the way round its thread is for SQLite only."""
    if url.startswith("postgresql"):
        from rasa_kustomer.delivery.outbox.postgres import PostgresTransactor  # noqa: PLC0415 - an extra of its own

        return PostgresTransactor(url, now=now), None
    transactor = SqliteTransactor(url, access, now=now)
    return transactor, HotPath(transactor.file)
