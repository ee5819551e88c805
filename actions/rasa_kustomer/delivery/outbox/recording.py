"""Transactions of the actions: accept turns and handoffs. Idempotent by key, and short."""

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Insert, Update, bindparam, func, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert

from rasa_kustomer.delivery.outbox.entries import NewRecord, SessionKey, dump
from rasa_kustomer.delivery.outbox.schema import PENDING, records, sessions

_FIELDS = ("session_id", "key", "kind", "payload", "created_at")
_INSERT = (
    insert(records)
    .values(
        {name: bindparam(name) for name in _FIELDS}
        | {"state": PENDING, "unsure": False, "attempts": 0, "not_before": 0.0}
    )
    .on_conflict_do_nothing(index_elements=[records.c.key])
)
_TOUCH = (
    update(sessions)
    .where(sessions.c.id == bindparam("session"))
    .values(
        accepted=sessions.c.accepted + bindparam("added"),
        last_turn_at=bindparam("now"),
        open_since=func.coalesce(sessions.c.open_since, bindparam("now")),
        closed=False,
    )
)


class Prepared:
    """A statement compiled once for SQLite: building it anew took most of the time of recording a turn."""

    def __init__(self, statement: Insert | Update) -> None:
        compiled: Any = statement.compile(dialect=sqlite.dialect())
        self._sql = str(compiled)
        self._names: list[str] = list(compiled.positiontup)
        self._fixed: dict[str, Any] = dict(compiled.params)

    def for_driver(self, rows: Sequence[dict[str, Any]]) -> tuple[str, list[tuple[Any, ...]]]:
        """Statement and parameters for the driver's `executemany`."""
        return self._sql, [
            tuple(row[name] if name in row else self._fixed[name] for name in self._names) for row in rows
        ]


INSERT, TOUCH = Prepared(_INSERT), Prepared(_TOUCH)


def open_session(connection: Connection, session: SessionKey, identity: dict[str, Any], now: float) -> tuple[int, int]:
    """Find or make the session's row and keep its latest identity.

    Returns:
        The row's id, and the time in epoch ms up to which its turns were recorded and since purged.
    """
    found = connection.execute(
        select(sessions.c.id, sessions.c.purged_ms, sessions.c.identity).where(sessions.c.key == session.key)
    ).one_or_none()
    text = dump(identity)
    if found is None:
        row = connection.execute(
            insert(sessions)
            .values(
                key=session.key,
                sender_id=session.sender_id,
                started_ms=session.started_ms,
                identity=text,
                last_turn_at=now,
            )
            .returning(sessions.c.id)
        )
        return int(row.scalar_one()), 0
    if found.identity != text:
        connection.execute(update(sessions).where(sessions.c.id == found.id).values(identity=text))
    return int(found.id), int(found.purged_ms)


def add(connection: Connection, session_id: int, new: Sequence[NewRecord], now: float) -> int:
    """Accept records; those whose key is known already are left as they are.

    Returns:
        How many were new.
    """
    added = connection.exec_driver_sql(*INSERT.for_driver(record_rows(session_id, new, now))).rowcount
    if added:
        connection.exec_driver_sql(*TOUCH.for_driver([{"session": session_id, "added": added, "now": now}]))
    return added


def record_rows(session_id: int, new: Sequence[NewRecord], now: float) -> list[dict[str, Any]]:
    """Parameters of `INSERT` for new records."""
    return [
        {
            "session_id": session_id,
            "key": record.key,
            "kind": record.kind.value,
            "payload": dump(record.payload),
            "created_at": now,
        }
        for record in new
    ]


def latest_session(connection: Connection, sender_id: str, before_ms: int | None) -> SessionKey | None:
    """The sender's latest known session, optionally among those started before a moment (epoch ms)."""
    query = select(sessions.c.key, sessions.c.sender_id, sessions.c.started_ms).where(sessions.c.sender_id == sender_id)
    if before_ms is not None:
        query = query.where(sessions.c.started_ms < before_ms)
    row = connection.execute(query.order_by(sessions.c.started_ms.desc()).limit(1)).one_or_none()
    return None if row is None else SessionKey(row.key, row.sender_id, row.started_ms)


def session_state(connection: Connection, key: str) -> dict[str, Any] | None:
    """What is known of a session: customer and conversation ids, whether it was escalated or closed."""
    row = connection.execute(
        select(
            sessions.c.id,
            sessions.c.customer_id,
            sessions.c.conversation_id,
            sessions.c.escalated,
            sessions.c.closed,
            sessions.c.identity,
        ).where(sessions.c.key == key)
    ).one_or_none()
    return None if row is None else {**row._mapping, "identity": json.loads(row.identity)}  # noqa: SLF001 - SQLAlchemy's public name


def escalate(connection: Connection, session_id: int) -> None:
    """Mark the session as handed to a human: it goes first, and is never closed by us again."""
    connection.execute(update(sessions).where(sessions.c.id == session_id).values(escalated=True, not_before=0.0))


def record_state(connection: Connection, key: str) -> str | None:
    """State of the record with the key; None when there is none."""
    state: str | None = connection.execute(select(records.c.state).where(records.c.key == key)).scalar_one_or_none()
    return state


def tickets(connection: Connection, sender_id: str, limit: int = 10) -> list[dict[str, Any]]:
    """The sender's latest sessions that were handed to a human."""
    rows = connection.execute(
        select(sessions.c.key, sessions.c.conversation_id)
        .where(sessions.c.sender_id == sender_id, sessions.c.escalated)
        .order_by(sessions.c.started_ms.desc())
        .limit(limit)
    )
    return [{"key": row.key, "conversation_id": row.conversation_id} for row in rows]
