"""Transactions of the operator and of the clock: counts, listing, retry, purge, and closing what is idle."""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, case, delete, exists, func, select, update

from rasa_kustomer.delivery.outbox import progress
from rasa_kustomer.delivery.outbox.entries import Counts
from rasa_kustomer.delivery.outbox.schema import DEAD, DELIVERED, PENDING, records, sessions
from rasa_kustomer.delivery.outbox.transactor import Transactor


def counts(connection: Connection) -> Counts:
    """How many records were accepted, and where they are now."""
    accepted, purged = connection.execute(
        select(func.coalesce(func.sum(sessions.c.accepted), 0), func.coalesce(func.sum(sessions.c.purged), 0))
    ).one()
    # A process that died between a session's last record and its release left `open_since` behind: look for yourself.
    waiting = exists().where(records.c.session_id == sessions.c.id, records.c.state == PENDING)
    oldest = connection.execute(
        select(sessions.c.open_since)
        .where(sessions.c.open_since.is_not(None), waiting)
        .order_by(sessions.c.open_since)
        .limit(1)
    ).scalar()
    total, pending, dead = (
        int(connection.execute(select(func.count()).select_from(records).where(*state)).scalar_one())
        for state in ((), (records.c.state == PENDING,), (records.c.state == DEAD,))
    )
    return Counts(
        accepted=int(accepted),
        delivered=total - pending - dead + int(purged),
        pending=pending,
        dead=dead,
        oldest_pending_at=oldest,
    )


def _selection(state: str | None = None, session: str | None = None, kind: str | None = None) -> Select[Any]:
    query = select(
        records.c.id,
        records.c.key,
        records.c.kind,
        records.c.state,
        records.c.attempts,
        records.c.reason,
        records.c.kustomer_id,
        records.c.created_at,
        records.c.settled_at,
        records.c.payload,
        sessions.c.key.label("session"),
        sessions.c.conversation_id,
    ).join(sessions, sessions.c.id == records.c.session_id)
    if state is not None:
        query = query.where(records.c.state == state)
    if kind is not None:
        query = query.where(records.c.kind == kind)
    if session is not None:
        query = query.where(sessions.c.key.contains(session, autoescape=True))
    return query.order_by(records.c.id)


def _entries(
    connection: Connection,
    *,
    state: str | None = None,
    session: str | None = None,
    kind: str | None = None,
    limit: int = 50,
    after: int = 0,
) -> list[dict[str, Any]]:
    """Records as dictionaries, oldest first, with ids above `after`."""
    query = _selection(state, session, kind).where(records.c.id > after).limit(limit)
    return [_as_dict(row._mapping) for row in connection.execute(query)]  # noqa: SLF001 - SQLAlchemy's public name


def _count(connection: Connection, *, state: str | None = None, session: str | None = None) -> int:
    """How many records `entries` would find without a limit."""
    found = _selection(state, session).order_by(None).subquery()
    return int(connection.execute(select(func.count()).select_from(found)).scalar_one())


def _entry(connection: Connection, record_id: int) -> dict[str, Any] | None:
    """One record, or None."""
    row = connection.execute(_selection().where(records.c.id == record_id)).one_or_none()
    return None if row is None else _as_dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name


def _as_dict(row: Any) -> dict[str, Any]:
    return {**row, "payload": json.loads(row["payload"])}


def _retry(connection: Connection, now: float, *, ids: list[int] | None = None) -> int:
    """Put dead records (all, or those with the ids) back in line; pending ones become due at once.

    Returns:
        How many dead records wait again.
    """
    chosen = records.c.state == DEAD if ids is None else (records.c.state == DEAD) & records.c.id.in_(ids)
    touched = connection.execute(select(records.c.session_id).where(chosen).distinct()).scalars().all()
    revived = connection.execute(
        update(records).where(chosen).values(state=PENDING, not_before=0.0, unsure=True, settled_at=None)
    ).rowcount
    waiting = (records.c.state == PENDING) & (records.c.not_before > 0)
    connection.execute(update(records).where(waiting).values(not_before=0.0))
    connection.execute(update(sessions).where(sessions.c.not_before > 0).values(not_before=0.0))
    connection.execute(
        update(sessions).where(sessions.c.id.in_(touched)).values(open_since=func.coalesce(sessions.c.open_since, now))
    )
    return revived


def _purgeable(connection: Connection, *, settled_before: float, dead: bool = False, limit: int = 1_000) -> list[int]:
    """Ids of up to `limit` records that `purge` may delete: delivered ones, or dead ones, the oldest first.

    Records of sessions that had a turn since are kept, so that a server which reads their tracker again knows them.
    """
    query = (
        select(records.c.id)
        .join(sessions, sessions.c.id == records.c.session_id)
        .where(*_purged(settled_before, dead))
        .order_by(records.c.id)
        .limit(limit)
    )
    return list(connection.execute(query).scalars())


def _count_purgeable(connection: Connection, *, settled_before: float, dead: bool = False) -> int:
    """How many records `purgeable` would find without a limit."""
    query = select(func.count()).select_from(records.join(sessions, sessions.c.id == records.c.session_id))
    return int(connection.execute(query.where(*_purged(settled_before, dead))).scalar_one())


def _purged(settled_before: float, dead: bool) -> tuple[ColumnElement[bool], ...]:
    return (
        records.c.state == (DEAD if dead else DELIVERED),
        records.c.settled_at < settled_before,
        sessions.c.last_turn_at < settled_before,
    )


def _purge(connection: Connection, ids: Sequence[int], *, settled_before: float, dead: bool = False) -> int:
    """Delete those of the records that were settled before a moment (epoch seconds) and still are.

    Returns:
        How many were deleted.
    """
    chosen = connection.execute(
        select(records.c.id, records.c.session_id, records.c.payload)
        .join(sessions, sessions.c.id == records.c.session_id)
        .where(records.c.id.in_(ids), *_purged(settled_before, dead))
        .with_for_update(of=records, skip_locked=True)  # purged once, also when two do it at the same time
    ).all()
    for session_id in {row.session_id for row in chosen}:
        mine = [row for row in chosen if row.session_id == session_id]
        newest = max(json.loads(row.payload).get("at_ms", 0) for row in mine)
        column = sessions.c.accepted if dead else sessions.c.purged
        connection.execute(
            update(sessions)
            .where(sessions.c.id == session_id)
            .values(
                {
                    column: column + (-len(mine) if dead else len(mine)),
                    sessions.c.purged_ms: case((sessions.c.purged_ms > newest, sessions.c.purged_ms), else_=newest),
                }
            )
        )
    connection.execute(delete(records).where(records.c.id.in_([row.id for row in chosen])))
    return len(chosen)


class Maintenance:
    """The outbox as its operator sees it, and what is done by the clock.

    Every method is one transaction and raises `OutboxUnavailableError` when the database cannot be used just now.

    Args:
        transactor: Runs the transactions.
        now: Clock in epoch seconds.
        work_arrived: Set when there is something to deliver.
    """

    def __init__(self, transactor: Transactor, now: Callable[[], float], work_arrived: asyncio.Event) -> None:
        self._transactor, self._now, self._work_arrived = transactor, now, work_arrived

    async def close_idle(self, minutes: float, *, limit: int = 100) -> int:
        """Queue the closing of conversations that were quiet for `minutes` and never handed off.

        Returns:
            How many were queued.
        """
        now = self._now()

        def work(connection: Connection) -> int:
            found = progress.idle(connection, now - minutes * 60, limit=limit)
            for session_id, key, last_turn_at in found:
                progress.close(connection, session_id, f"{key}:close:{int(last_turn_at * 1000)}", now)
            return len(found)

        closed = await self._transactor.run(work)
        if closed:
            self._work_arrived.set()
        return closed

    async def entries(
        self,
        *,
        state: str | None = None,
        session: str | None = None,
        kind: str | None = None,
        limit: int = 50,
        after: int = 0,
    ) -> list[dict[str, Any]]:
        """Records as dictionaries, oldest first, with ids above `after`."""
        return await self._transactor.read(
            lambda c: _entries(c, state=state, session=session, kind=kind, limit=limit, after=after)
        )

    async def count(self, *, state: str | None = None, session: str | None = None) -> int:
        """How many records `entries` would find without a limit."""
        return await self._transactor.read(lambda c: _count(c, state=state, session=session))

    async def count_purgeable(self, *, older_than_seconds: float, dead: bool = False) -> int:
        """How many records `purge` would delete in all."""
        before = self._now() - older_than_seconds
        return await self._transactor.read(lambda c: _count_purgeable(c, settled_before=before, dead=dead))

    async def entry(self, record_id: int) -> dict[str, Any] | None:
        """One record as a dictionary."""
        return await self._transactor.read(lambda c: _entry(c, record_id))

    async def retry(self, ids: list[int] | None = None) -> int:
        """Put dead records (all, or some) back in line; returns how many."""
        now = self._now()
        revived = await self._transactor.run(lambda c: _retry(c, now, ids=ids))
        self._work_arrived.set()
        return revived

    async def purge(self, *, older_than_seconds: float, dead: bool = False) -> int:
        """Delete one batch of settled records older than a time; returns how many (0: done)."""
        before = self._now() - older_than_seconds
        ids = await self._transactor.read(lambda c: _purgeable(c, settled_before=before, dead=dead))
        if not ids:
            return 0
        return await self._transactor.run(lambda c: _purge(c, ids, settled_before=before, dead=dead))
