"""Transactions of the actions: accept turns and handoffs. Idempotent by key, and short."""

import json
import sqlite3
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Insert, Update, bindparam, func, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import insert

from rasa_kustomer.delivery.outbox.entries import Kind, NewRecord, SessionKey, dump
from rasa_kustomer.delivery.outbox.schema import PENDING, records, sessions


class Row(NamedTuple):
    """What recording needs of a session's row."""

    id: int
    purged_ms: int
    identity: dict[str, Any]


class _Prepared:
    """A statement compiled once: building it anew took most of the time of recording a turn."""

    def __init__(self, statement: Insert | Update) -> None:
        compiled = statement.compile(dialect=sqlite.dialect(paramstyle="named"))
        self._sql = str(compiled)
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}

    def run(self, driver: sqlite3.Connection, **values: Any) -> sqlite3.Cursor:
        """Execute it once."""
        return driver.execute(self._sql, self._fixed | values)

    def run_all(self, driver: sqlite3.Connection, rows: Sequence[dict[str, Any]]) -> int:
        """Execute it for each row; returns how many rows of the table changed."""
        return driver.executemany(self._sql, [self._fixed | row for row in rows]).rowcount


_here = sessions.c.id == bindparam("session")
_new_session = insert(sessions).values(
    {name: bindparam(name) for name in ("key", "sender_id", "started_ms", "identity", "last_turn_at")}
    | {"creating": False, "escalated": False, "closed": False, "accepted": 0, "purged": 0, "purged_ms": 0}
    | {"last_sent_ms": 0, "not_before": 0.0, "attempts": 0, "leased_until": 0.0}
)
_OPEN = _Prepared(
    _new_session.on_conflict_do_update(
        index_elements=[sessions.c.key], set_={"identity": _new_session.excluded.identity}
    ).returning(sessions.c.id, sessions.c.purged_ms)
)
_ADD = _Prepared(
    insert(records)
    .values(
        {name: bindparam(name) for name in ("session_id", "key", "kind", "payload", "created_at")}
        | {"state": PENDING, "unsure": False, "attempts": 0, "not_before": 0.0}
    )
    .on_conflict_do_nothing(index_elements=[records.c.key])
)
_TOUCH = _Prepared(
    update(sessions)
    .where(_here)
    .values(
        accepted=sessions.c.accepted + bindparam("added"),
        last_turn_at=bindparam("now"),
        open_since=func.coalesce(sessions.c.open_since, bindparam("now")),
        closed=bindparam("closed_now"),
    )
)
_ESCALATE = _Prepared(update(sessions).where(_here).values(escalated=True, not_before=0.0))


def accept(
    driver: sqlite3.Connection,
    session: SessionKey,
    identity: dict[str, Any],
    new: Sequence[NewRecord],
    now: float,
    *,
    known: Row | None,
    escalate: bool,
) -> tuple[int, Row]:
    """Accept records of a session; those whose key is known already are left as they are.

    Args:
        driver: Connection with an open transaction.
        session: Its row is made on first use.
        identity: Replaces what was known of the person.
        new: In the order of delivery.
        now: Epoch seconds.
        known: The session's row, if it is remembered.
        escalate: The session goes to a human: it goes first, and is never closed by us again.

    Returns:
        How many records were new, and the session's row.
    """
    row = known
    if row is None or row.identity != identity:
        opened = _OPEN.run(
            driver,
            key=session.key,
            sender_id=session.sender_id,
            started_ms=session.started_ms,
            identity=dump(identity),
            last_turn_at=now,
        )
        [(row_id, purged_ms)] = opened.fetchall()
        row = Row(row_id, purged_ms, identity)
    if escalate:
        _ESCALATE.run(driver, session=row.id)
    fresh = [one for one in new if not one.at_ms or one.at_ms > row.purged_ms] if row.purged_ms else new
    added = _ADD.run_all(driver, [_values(row.id, one, now) for one in fresh]) if fresh else 0
    if added:
        closed = any(one.kind is Kind.CLOSE for one in fresh)
        _TOUCH.run(driver, session=row.id, added=added, now=now, closed_now=closed)
    return added, row


def _values(session_id: int, record: NewRecord, now: float) -> dict[str, Any]:
    return {
        "session_id": session_id,
        "key": record.key,
        "kind": record.kind.value,
        "payload": dump(record.payload),
        "created_at": now,
    }


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
