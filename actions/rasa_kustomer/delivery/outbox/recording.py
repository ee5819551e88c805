"""Transactions of the actions: accept turns and handoffs. Idempotent by key, and short."""

import json
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import Connection, Insert, Select, Update, bindparam, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from rasa_kustomer.conversation.keys import sender_part
from rasa_kustomer.delivery.outbox.entries import Kind, NewRecord, Renew, SessionKey, dump
from rasa_kustomer.delivery.outbox.schema import PENDING, records, sessions


class Row(NamedTuple):
    """What may be remembered of a session's row; `purged_ms` may not, as any process may purge."""

    id: int
    identity: dict[str, Any]


Database: TypeAlias = sqlite3.Connection | Connection
"""Where a statement runs: SQLite's own connection, or SQLAlchemy's for any other database."""


def database_of(connection: Connection) -> Database:
    """What to record on, within the transaction of a connection."""
    if connection.dialect.name != "sqlite":
        return connection
    driver: Any = connection.connection.driver_connection
    return driver  # type: ignore[no-any-return]


class _Statement:
    """A statement for each database, compiled once for SQLite: building it took most of the time of recording a turn.

    Args:
        make: Makes it from a dialect's module, since `INSERT ... ON CONFLICT` is written with the dialect's own means.
    """

    def __init__(self, make: Callable[[Any], Insert | Update | Select[Any]]) -> None:
        compiled = make(sqlite).compile(dialect=sqlite.dialect(paramstyle="named"))
        self._sql = str(compiled)
        self._fixed = {name: value for name, value in compiled.params.items() if value is not None}
        self._core: Any = make(postgresql)

    def run(self, on: Database, **values: Any) -> Any:
        """Execute it once; returns the cursor."""
        if isinstance(on, sqlite3.Connection):
            return on.execute(self._sql, self._fixed | values)
        return on.execute(self._core, values)

    def run_all(self, on: Database, rows: Sequence[dict[str, Any]]) -> int:
        """Insert the rows in their order; returns how many were new."""
        if isinstance(on, sqlite3.Connection):
            return on.executemany(self._sql, [self._fixed | row for row in rows]).rowcount
        return len(on.execute(self._core.returning(records.c.id), rows).all())


def _open_session(dialect: Any, *, renew: bool) -> Insert:
    new = dialect.insert(sessions).values(
        {name: bindparam(name) for name in ("key", "sender_id", "started_ms", "identity", "last_turn_at")}
        | {"creating": False, "escalated": False, "closed": False, "accepted": 0, "purged": 0, "purged_ms": 0}
        | {"last_sent_ms": 0, "not_before": 0.0, "attempts": 0, "leased_until": 0.0}
    )
    person = new.excluded.identity if renew else sessions.c.identity
    opened = new.on_conflict_do_update(index_elements=[sessions.c.key], set_={"identity": person})
    return opened.returning(sessions.c.id, sessions.c.purged_ms, sessions.c.identity)  # type: ignore[no-any-return]


def _add_record(dialect: Any) -> Insert:
    new = dialect.insert(records).values(
        {name: bindparam(name) for name in ("session_id", "key", "kind", "payload", "created_at")}
        | {"state": PENDING, "unsure": False, "attempts": 0, "not_before": 0.0}
    )
    return new.on_conflict_do_nothing(index_elements=[records.c.key])  # type: ignore[no-any-return]


def _touch_session(_dialect: Any) -> Update:
    return _this_session.values(
        accepted=sessions.c.accepted + bindparam("added"),
        last_turn_at=bindparam("now"),
        open_since=func.coalesce(sessions.c.open_since, bindparam("now")),
        closed=bindparam("closed_now"),
    )


_this_session = update(sessions).where(sessions.c.id == bindparam("session"))
_OPEN = _Statement(partial(_open_session, renew=True))
_ENTER = _Statement(partial(_open_session, renew=False))
_ADD = _Statement(_add_record)
_TOUCH = _Statement(_touch_session)
_PURGED = _Statement(lambda _: select(sessions.c.purged_ms).where(sessions.c.id == bindparam("session")))
_ESCALATE = _Statement(lambda _: _this_session.values(escalated=True, not_before=0.0))


def accept(
    on: Database,
    session: SessionKey,
    identity: dict[str, Any],
    new: Sequence[NewRecord],
    now: float,
    *,
    known: Row | None,
    escalate: bool,
    renew: Renew,
) -> tuple[int, Row]:
    """Accept records of a session; those whose key is known already are left as they are.

    Args:
        on: Where, in an open transaction.
        session: Its row is made on first use.
        identity: The person, by the caller's account.
        new: In the order of delivery.
        now: Epoch seconds.
        known: The session's row, if it is remembered.
        escalate: The session goes to a human: it goes first, and is never closed by us again.
        renew: When the identity replaces what was known of the person.

    Returns:
        How many records were new, and the session's row.
    """
    opening = {
        "key": session.key,
        "sender_id": sender_part(session.sender_id),  # a text that every database takes
        "started_ms": session.started_ms,
        "identity": dump(identity),
        "last_turn_at": now,
    }
    # Elsewhere than on SQLite others write at the same time. Opening the session first locks its row, so that its
    # records are numbered in the order in which they become visible, and no two transactions wait for each other.
    row = known if isinstance(on, sqlite3.Connection) and renew is Renew.ALWAYS else None
    same = row is not None and row.identity == identity
    found = _PURGED.run(on, session=row.id).fetchone() if row is not None and same else None
    if row is None or found is None:
        opened = (_OPEN if renew is Renew.ALWAYS else _ENTER).run(on, **opening)
        [(row_id, purged_ms, person)] = opened.fetchall()
        row = Row(row_id, json.loads(person))
    else:
        (purged_ms,) = found
    if escalate:
        _ESCALATE.run(on, session=row.id)
    fresh = [one for one in new if not one.at_ms or one.at_ms > purged_ms] if purged_ms else new
    added = _ADD.run_all(on, [_values(row.id, one, now) for one in fresh]) if fresh else 0
    if added:
        closed = any(one.kind is Kind.CLOSE for one in fresh)
        _TOUCH.run(on, session=row.id, added=added, now=now, closed_now=closed)
        if renew is Renew.WITH_NEW_TURNS and row.identity != identity:
            _OPEN.run(on, **opening)
            row = Row(row.id, identity)
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
    mine = sessions.c.sender_id == sender_part(sender_id)
    query = select(sessions.c.key, sessions.c.sender_id, sessions.c.started_ms).where(mine)
    if before_ms is not None:
        query = query.where(sessions.c.started_ms < before_ms)
    row = connection.execute(query.order_by(sessions.c.started_ms.desc()).limit(1)).one_or_none()
    return None if row is None else SessionKey(row.key, row.sender_id, row.started_ms)


def conversations(connection: Connection, sender_id: str, started_ms: int) -> list[tuple[str, dict[str, Any]]]:
    """Key and identity of each person's conversation in a Rasa session; whoever spoke last comes last."""
    rows = connection.execute(
        select(sessions.c.key, sessions.c.identity)
        .where(sessions.c.sender_id == sender_part(sender_id), sessions.c.started_ms == started_ms)
        .order_by(sessions.c.last_turn_at, sessions.c.id)
    )
    return [(row.key, json.loads(row.identity)) for row in rows]


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
        select(sessions.c.key, sessions.c.conversation_id, sessions.c.identity)
        .where(sessions.c.sender_id == sender_part(sender_id), sessions.c.escalated)
        .order_by(sessions.c.started_ms.desc())
        .limit(limit)
    )
    return [
        {"key": row.key, "conversation_id": row.conversation_id, "identity": json.loads(row.identity)} for row in rows
    ]
