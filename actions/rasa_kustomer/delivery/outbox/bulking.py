"""Transactions of the courier for many records at once: what goes out in one bulk job."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import BigInteger, Connection, bindparam, select, update

from rasa_kustomer.delivery.outbox.entries import Claim, Record
from rasa_kustomer.delivery.outbox.progress import begin_conversation, latest
from rasa_kustomer.delivery.outbox.schema import DELIVERED, PENDING, records, sessions
from rasa_kustomer.delivery.outbox.transactor import Transactor


class Part(NamedTuple):
    """A record's place in a bulk job.

    Attributes:
        session_id: Row of its session.
        record: The record, with the number of its attempt.
        sent_ms: The `sentAt` that it is given, epoch milliseconds.
    """

    session_id: int
    record: Record
    sent_ms: int


class Settled(NamedTuple):
    """A part that Kustomer holds now, and its id there."""

    part: Part
    kustomer_id: str | None


def _current(connection: Connection, owner: str, parts: Iterable[Part]) -> list[Part]:
    """Those of the parts whose attempt is still the latest one and ours; their sessions are locked.

    As `progress.same_attempt`: a number may mean another record by now, or somebody else may be at it.
    """
    by_id = {part.record.id: part for part in parts}
    query = (
        select(records.c.id, records.c.key, records.c.attempts)
        .join(sessions, sessions.c.id == records.c.session_id)
        .where(records.c.id.in_(by_id), records.c.state == PENDING, sessions.c.leased_by == owner)
        .order_by(sessions.c.id)
        .with_for_update(of=sessions)
    )
    found = {(row.id, row.key, row.attempts) for row in connection.execute(query)}
    return [part for part in by_id.values() if (part.record.id, part.record.key, part.record.attempts) in found]


def _begin(connection: Connection, owner: str, parts: Sequence[Part], now: float) -> set[int]:
    """Note that records are about to be sent in one job; returns the sessions that are ours with all their parts."""
    current = _current(connection, owner, parts)
    lost = {part.session_id for part in parts if part not in current}
    rows = [
        {"record": part.record.id, "planned": part.sent_ms, "moment": now}
        for part in current
        if part.session_id not in lost
    ]
    if rows:
        connection.execute(
            update(records)
            .where(records.c.id == bindparam("record"))
            .values(
                unsure=True,
                attempts=records.c.attempts + 1,
                bulk_at=bindparam("moment"),
                bulk_job=None,
                sent_ms=bindparam("planned"),
            ),
            rows,
        )
    return {part.session_id for part in parts} - lost


def _begin_conversations(connection: Connection, owner: str, claims: Sequence[Claim], now: float) -> set[int]:
    """As `begin`, for the creation of the sessions' conversations."""
    ids = [claim.id for claim in claims if begin_conversation(connection, owner, claim)]
    connection.execute(update(sessions).where(sessions.c.id.in_(ids)).values(bulk_at=now))
    return set(ids)


def _settle(connection: Connection, owner: str, done: Sequence[Settled], now: float) -> None:
    """End records as delivered."""
    current = _current(connection, owner, (one.part for one in done))
    settled = [one for one in done if one.part in current]
    if not settled:
        return
    connection.execute(
        update(records)
        .where(records.c.id == bindparam("record"))
        .values(
            state=DELIVERED,
            kustomer_id=bindparam("found"),
            settled_at=bindparam("moment"),
            unsure=False,
            bulk_at=None,
            bulk_job=None,
            reason=None,
        ),
        [{"record": one.part.record.id, "found": one.kustomer_id, "moment": now} for one in settled],
    )
    progress: dict[int, int] = {}
    for one in settled:
        progress[one.part.session_id] = max(one.part.sent_ms, progress.get(one.part.session_id, 0))
    connection.execute(
        update(sessions)
        .where(sessions.c.id == bindparam("session"))
        .values(attempts=0, last_sent_ms=latest(bindparam("sent", type_=BigInteger))),
        [{"session": session_id, "sent": sent_ms} for session_id, sent_ms in progress.items()],
    )


def _change(connection: Connection, owner: str, parts: Sequence[Part], **values: object) -> None:
    """Set columns of the records whose attempt is still ours."""
    ids = [part.record.id for part in _current(connection, owner, parts)]
    connection.execute(update(records).where(records.c.id.in_(ids)).values(**values))


class Bulk:
    """The outbox as bulk jobs need it.

    Every method is one transaction and raises `OutboxUnavailableError` when the database cannot be used just now.

    Args:
        transactor: Runs the transactions.
        now: Clock in epoch seconds.
        owner: Whose leases count.
        settled: Set when records were settled.
    """

    def __init__(self, transactor: Transactor, now: Callable[[], float], owner: str, settled: asyncio.Event) -> None:
        self._transactor, self._now, self._owner, self._settled = transactor, now, owner, settled

    async def begin(self, parts: Sequence[Part]) -> set[int]:
        """Note that records are about to be sent in one job; returns the sessions whose lease is still ours."""
        now = self._now()
        mine = await self._transactor.run(lambda c: _begin(c, self._owner, parts, now))
        for part in parts:
            part.record.attempts += part.session_id in mine
        return mine

    async def begin_conversations(self, claims: Sequence[Claim]) -> set[int]:
        """As `begin`, for the creation of the sessions' conversations."""
        now = self._now()
        return await self._transactor.run(lambda c: _begin_conversations(c, self._owner, claims, now))

    async def posted(self, parts: Sequence[Part], job: str) -> None:
        """Keep the id of the job that the records are in, so that another process can ask for its results."""
        await self._transactor.run(lambda c: _change(c, self._owner, parts, bulk_job=job))

    async def delivered(self, done: Sequence[Settled]) -> None:
        """Settle records that Kustomer holds now."""
        now = self._now()
        await self._transactor.run(lambda c: _settle(c, self._owner, done, now))
        self._settled.set()

    async def unsent(self, parts: Sequence[Part]) -> None:
        """Take back `begin`: the job certainly was not accepted, and the records may be part of another."""
        fresh: dict[str, object] = {"unsure": False, "bulk_at": None, "bulk_job": None, "sent_ms": None}
        await self._transactor.run(lambda c: _change(c, self._owner, parts, **fresh))

    async def returned(self, parts: Sequence[Part], *, unsure: bool, reason: str | None = None) -> None:
        """Take records out of their job, to be sent one by one; `unsure` ones are looked up first."""
        single: dict[str, object] = {"unsure": unsure, "bulk_at": None, "bulk_job": None, "reason": reason}
        await self._transactor.run(lambda c: _change(c, self._owner, parts, **single))
