"""Transactions of the operator: counts, listing, retry."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, exists, func, literal_column, select, update

from rasa_kustomer.delivery.outbox import tally
from rasa_kustomer.delivery.outbox.entries import Counts, load
from rasa_kustomer.delivery.outbox.schema import DEAD, PENDING, records, sessions
from rasa_kustomer.delivery.outbox.tidying import WIPED, Tidying


def counts(connection: Connection) -> Counts:
    """How many records were accepted, and where they are now; costs what waits and what is dead, however old it is."""
    kept = tally.installed(connection)  # not where a release 0.1 wrote the outbox, and we may only look
    accepted, delivered = (tally.read if kept else tally.exact)(connection)
    # A process that died between a session's last record and its release left `open_since` behind: look for yourself.
    waiting = exists().where(records.c.session_id == sessions.c.id, records.c.state == PENDING)
    oldest = connection.execute(
        select(sessions.c.open_since)
        .where(sessions.c.open_since.is_not(None), waiting)
        .order_by(sessions.c.open_since)
        .limit(1)
    ).scalar()
    pending, dead = (
        int(connection.execute(select(func.count()).select_from(records).where(state)).scalar_one())
        for state in (records.c.state == _literal(PENDING), records.c.state == _literal(DEAD))
    )
    return Counts(accepted=accepted, delivered=delivered, pending=pending, dead=dead, oldest_pending_at=oldest)


def _literal(state: str) -> ColumnElement[str]:
    """A state written out: SQLite uses an index of some rows only where it sees that they are meant."""
    return literal_column(f"'{state}'")


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
    return {**row, "payload": load(row["payload"])}


def _retry(connection: Connection, now: float, *, ids: list[int] | None = None) -> int:
    """Put dead records (all, or those with the ids) back in line, but not without their texts; pending ones become due.

    Returns:
        How many dead records wait again.
    """
    chosen = (records.c.state == DEAD) & func.coalesce(records.c.reason != WIPED, True)
    if ids is not None:
        chosen &= records.c.id.in_(ids)
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


class Maintenance(Tidying):
    """The outbox as its operator sees it, and what is done by the clock.

    Every method is one transaction and raises `OutboxUnavailableError` when the database cannot be used just now.
    """

    async def recount(self) -> bool:
        """Count row by row, and put the sums right; whether they were."""

        def work(connection: Connection) -> bool:
            right = tally.read(connection) == tally.exact(connection)
            tally.recount(connection)
            return right

        return await self._transactor.run(work)

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

    async def entry(self, record_id: int) -> dict[str, Any] | None:
        """One record as a dictionary."""
        return await self._transactor.read(lambda c: _entry(c, record_id))

    async def retry(self, ids: list[int] | None = None) -> int:
        """Put dead records (all, or some) back in line; returns how many."""
        now = self._now()
        revived = await self._transactor.run(lambda c: _retry(c, now, ids=ids))
        self._work_arrived.set()
        return revived
