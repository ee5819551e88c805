"""Transactions of the operator: counts, listing, retry, export and purge."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, case, delete, exists, func, select, update

from rasa_kustomer.delivery.outbox.entries import Counts
from rasa_kustomer.delivery.outbox.schema import DEAD, DELIVERED, PENDING, records, sessions


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


def entries(
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
    return [_entry(row._mapping) for row in connection.execute(query)]  # noqa: SLF001 - SQLAlchemy's public name


def count(connection: Connection, *, state: str | None = None, session: str | None = None) -> int:
    """How many records `entries` would find without a limit."""
    found = _selection(state, session).order_by(None).subquery()
    return int(connection.execute(select(func.count()).select_from(found)).scalar_one())


def entry(connection: Connection, record_id: int) -> dict[str, Any] | None:
    """One record, or None."""
    row = connection.execute(_selection().where(records.c.id == record_id)).one_or_none()
    return None if row is None else _entry(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name


def _entry(row: Any) -> dict[str, Any]:
    return {**row, "payload": json.loads(row["payload"])}


def retry(connection: Connection, now: float, *, ids: list[int] | None = None) -> int:
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


def purgeable(connection: Connection, *, settled_before: float, dead: bool = False, limit: int = 1_000) -> list[int]:
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


def count_purgeable(connection: Connection, *, settled_before: float, dead: bool = False) -> int:
    """How many records `purgeable` would find without a limit."""
    query = select(func.count()).select_from(records.join(sessions, sessions.c.id == records.c.session_id))
    return int(connection.execute(query.where(*_purged(settled_before, dead))).scalar_one())


def _purged(settled_before: float, dead: bool) -> tuple[ColumnElement[bool], ...]:
    return (
        records.c.state == (DEAD if dead else DELIVERED),
        records.c.settled_at < settled_before,
        sessions.c.last_turn_at < settled_before,
    )


def purge(connection: Connection, ids: Sequence[int], *, settled_before: float, dead: bool = False) -> int:
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
