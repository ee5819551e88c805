"""Transactions of the operator: counts, listing, retry, export and purge."""

import json
from typing import Any

from sqlalchemy import Connection, Select, case, delete, func, select, update

from rasa_kustomer.delivery.outbox.entries import Counts
from rasa_kustomer.delivery.outbox.schema import DEAD, DELIVERED, PENDING, records, sessions


def counts(connection: Connection) -> Counts:
    """How many records were accepted, and where they are now."""
    accepted, purged, oldest = connection.execute(
        select(
            func.coalesce(func.sum(sessions.c.accepted), 0),
            func.coalesce(func.sum(sessions.c.purged), 0),
            func.min(sessions.c.open_since),
        )
    ).one()
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


def _selection(state: str | None, session: str | None) -> Select[Any]:
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
    if session is not None:
        query = query.where(sessions.c.key.contains(session, autoescape=True))
    return query.order_by(records.c.id)


def entries(
    connection: Connection,
    *,
    state: str | None = None,
    session: str | None = None,
    limit: int = 50,
    after: int = 0,
) -> list[dict[str, Any]]:
    """Records as dictionaries, oldest first, with ids above `after`."""
    query = _selection(state, session).where(records.c.id > after).limit(limit)
    return [_entry(row._mapping) for row in connection.execute(query)]  # noqa: SLF001 - SQLAlchemy's public name


def entry(connection: Connection, record_id: int) -> dict[str, Any] | None:
    """One record, or None."""
    row = connection.execute(_selection(None, None).where(records.c.id == record_id)).one_or_none()
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


def purge(connection: Connection, *, settled_before: float, dead: bool = False, limit: int = 1_000) -> int:
    """Delete up to `limit` records that were settled before a moment (epoch seconds): delivered ones, or dead ones.

    Records of sessions that had a turn since are kept, so that a server which reads their tracker again knows them.

    Returns:
        How many were deleted; call again until it is 0.
    """
    state = DEAD if dead else DELIVERED
    chosen = connection.execute(
        select(records.c.id, records.c.session_id, records.c.payload)
        .join(sessions, sessions.c.id == records.c.session_id)
        .where(
            records.c.state == state, records.c.settled_at < settled_before, sessions.c.last_turn_at < settled_before
        )
        .order_by(records.c.id)
        .limit(limit)
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
