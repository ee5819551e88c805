"""Transactions of the courier for many records at once: what goes out in one bulk job."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import BigInteger, Connection, bindparam, select, update

from rasa_kustomer.delivery.outbox.entries import Claim
from rasa_kustomer.delivery.outbox.progress import latest
from rasa_kustomer.delivery.outbox.schema import DELIVERED, PENDING, records, sessions
from rasa_kustomer.delivery.outbox.transactor import Transactor


class Part(NamedTuple):
    """A record's place in a bulk job.

    Attributes:
        session_id: Row of its session.
        record_id: Its own row.
        sent_ms: The `sentAt` that it is given, epoch milliseconds.
    """

    session_id: int
    record_id: int
    sent_ms: int


class Settled(NamedTuple):
    """A part that Kustomer holds now, and its id there."""

    part: Part
    kustomer_id: str | None


def _begin(connection: Connection, owner: str, parts: Sequence[Part], now: float) -> set[int]:
    """Note that records are about to be sent in one job; returns the sessions that are still leased to `owner`."""
    mine = _leased(connection, owner, {part.session_id for part in parts})
    rows = [
        {"record": part.record_id, "planned": part.sent_ms, "moment": now} for part in parts if part.session_id in mine
    ]
    if rows:
        connection.execute(
            update(records)
            .where(records.c.id == bindparam("record"), records.c.state == PENDING)
            .values(
                unsure=True,
                attempts=records.c.attempts + 1,
                bulk_at=bindparam("moment"),
                bulk_job=None,
                sent_ms=bindparam("planned"),
            ),
            rows,
        )
    return mine


def _begin_conversations(connection: Connection, owner: str, session_ids: Iterable[int], now: float) -> set[int]:
    """As `begin`, for the creation of the sessions' conversations."""
    mine = _leased(connection, owner, set(session_ids))
    connection.execute(update(sessions).where(sessions.c.id.in_(mine)).values(creating=True, bulk_at=now))
    return mine


def _posted(connection: Connection, record_ids: Sequence[int], job: str) -> None:
    """Keep the job's id, so that another process can ask for its results."""
    connection.execute(update(records).where(records.c.id.in_(record_ids)).values(bulk_job=job))


def _settle(connection: Connection, done: Sequence[Settled], now: float) -> None:
    """End records as delivered."""
    if not done:
        return
    connection.execute(
        update(records)
        .where(records.c.id == bindparam("record"), records.c.state == PENDING)
        .values(
            state=DELIVERED,
            kustomer_id=bindparam("found"),
            settled_at=bindparam("moment"),
            unsure=False,
            bulk_at=None,
            bulk_job=None,
            reason=None,
        ),
        [{"record": one.part.record_id, "found": one.kustomer_id, "moment": now} for one in done],
    )
    progress: dict[int, int] = {}
    for one in done:
        progress[one.part.session_id] = max(one.part.sent_ms, progress.get(one.part.session_id, 0))
    connection.execute(
        update(sessions)
        .where(sessions.c.id == bindparam("session"))
        .values(attempts=0, last_sent_ms=latest(bindparam("sent", type_=BigInteger))),
        [{"session": session_id, "sent": sent_ms} for session_id, sent_ms in progress.items()],
    )


def _give_back(connection: Connection, record_ids: Sequence[int], *, unsure: bool, reason: str | None) -> None:
    """Take records out of their job; `unsure` ones are looked up before they are sent again."""
    connection.execute(
        update(records)
        .where(records.c.id.in_(record_ids), records.c.state == PENDING)
        .values(unsure=unsure, bulk_at=None, bulk_job=None, reason=reason)
    )


def _unsent(connection: Connection, record_ids: Sequence[int]) -> None:
    """Take the mark of `begin` back."""
    connection.execute(
        update(records)
        .where(records.c.id.in_(record_ids))
        .values(unsure=False, bulk_at=None, bulk_job=None, sent_ms=None)
    )


def _leased(connection: Connection, owner: str, session_ids: set[int]) -> set[int]:
    query = select(sessions.c.id).where(sessions.c.id.in_(session_ids), sessions.c.leased_by == owner)
    return set(connection.execute(query).scalars())


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
        return await self._transactor.run(lambda c: _begin(c, self._owner, parts, now))

    async def begin_conversations(self, claims: Sequence[Claim]) -> set[int]:
        """As `begin`, for the creation of the sessions' conversations."""
        now, ids = self._now(), [claim.id for claim in claims]
        return await self._transactor.run(lambda c: _begin_conversations(c, self._owner, ids, now))

    async def posted(self, parts: Sequence[Part], job: str) -> None:
        """Keep the id of the job that the records are in."""
        ids = [part.record_id for part in parts]
        await self._transactor.run(lambda c: _posted(c, ids, job))

    async def delivered(self, done: Sequence[Settled]) -> None:
        """Settle records that Kustomer holds now."""
        now = self._now()
        await self._transactor.run(lambda c: _settle(c, done, now))
        self._settled.set()

    async def unsent(self, parts: Sequence[Part]) -> None:
        """Take back `begin`: the job certainly was not accepted, and the records may be part of another."""
        ids = [part.record_id for part in parts]
        await self._transactor.run(lambda c: _unsent(c, ids))

    async def returned(self, parts: Sequence[Part], *, unsure: bool, reason: str | None = None) -> None:
        """Take records out of their job, to be sent one by one; `unsure` ones are looked up first."""
        ids = [part.record_id for part in parts]
        await self._transactor.run(lambda c: _give_back(c, ids, unsure=unsure, reason=reason))
