"""Transactions of the actions: accept turns and handoffs. Idempotent by key, and short."""

import json
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

from sqlalchemy import (
    BigInteger,
    Connection,
    Insert,
    Select,
    Update,
    bindparam,
    exists,
    func,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from rasa_kustomer.conversation.keys import sender_part
from rasa_kustomer.delivery.outbox.entries import Kind, NewRecord, PastUnknownError, Recorded, Renew, SessionKey, dump
from rasa_kustomer.delivery.outbox.schema import CLOCK_MARGIN_MS, PENDING, born_ms, records, sessions

_NOW = 2**62

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


# What is older than this copy of the outbox may be in Kustomer already. A copy that cannot tell its age trusts nothing.
_OLD = func.coalesce(bindparam("judged_ms", type_=BigInteger) < born_ms, True)


def _open_session(dialect: Any, *, renew: bool) -> Insert:
    new = dialect.insert(sessions).values(
        {name: bindparam(name) for name in ("key", "sender_id", "started_ms", "identity", "last_turn_at")}
        | {"creating": _OLD, "escalated": False, "closed": False, "accepted": 0, "purged": 0, "purged_ms": 0}
        | {"last_sent_ms": 0, "not_before": 0.0, "attempts": 0, "leased_until": 0.0}
    )
    person = new.excluded.identity if renew else sessions.c.identity
    opened = new.on_conflict_do_update(index_elements=[sessions.c.key], set_={"identity": person})
    return opened.returning(sessions.c.id, sessions.c.purged_ms, sessions.c.identity)  # type: ignore[no-any-return]


def _add_record(dialect: Any) -> Insert:
    new = dialect.insert(records).values(
        {name: bindparam(name) for name in ("session_id", "key", "kind", "payload", "created_at")}
        | {"state": PENDING, "unsure": _OLD, "attempts": 0, "not_before": 0.0}
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
_FIND = _Statement(
    lambda _: select(sessions.c.id, sessions.c.purged_ms, sessions.c.identity).where(sessions.c.key == bindparam("key"))
)
_KNOWN = _Statement(
    lambda _: select(
        or_(
            exists().where(records.c.key == bindparam("message")),
            exists().where(sessions.c.key == bindparam("key"), sessions.c.purged_ms >= bindparam("at_ms")),
        )
    )
)
_LATEST = _Statement(
    lambda _: (
        select(records.c.key)
        .where(records.c.session_id == bindparam("session"), records.c.kind == Kind.MESSAGE.value)
        .order_by(records.c.id.desc())
        .limit(1)
    )
)
_ESCALATE = _Statement(lambda _: _this_session.values(escalated=True, not_before=0.0))


def accept(
    on: Database,
    session: SessionKey,
    identity: dict[str, Any],
    new: Sequence[NewRecord],
    now: float,
    *,
    after: Recorded | None,
    escalate: bool,
    renew: Renew,
) -> int:
    """Accept records of a session; those whose key is known already are left as they are.

    A session or a turn that is older than this copy of the outbox is marked, so that it is looked up in Kustomer first.
    Rasa's clock may be ahead of ours: a turn that seems to come from the future shows by how much.

    Args:
        on: Where, in an open transaction.
        session: Its row is made on first use.
        identity: The person, by the caller's account.
        new: In the order of delivery.
        now: Epoch seconds.
        after: What the caller takes for recorded already.
        escalate: The session goes to a human: it goes first, and is never closed by us again.
        renew: When the identity replaces what was known of the person.

    Returns:
        How many records were new.

    Raises:
        PastUnknownError: `after` is not here.
    """
    ahead_ms = CLOCK_MARGIN_MS + max(0, max((one.at_ms for one in new), default=0) - int(now * 1000))
    opening = {
        "judged_ms": session.started_ms - ahead_ms,
        "key": session.key,
        "sender_id": sender_part(session.sender_id),  # a text that every database takes
        "started_ms": session.started_ms,
        "identity": dump(identity),
        "last_turn_at": now,
    }
    if after is not None and not _KNOWN.run(on, **after._asdict()).fetchone()[0]:
        raise PastUnknownError
    # Elsewhere than on SQLite others write at the same time. Opening the session first locks its row, so that its
    # records are numbered in the order in which they become visible, and no two transactions wait for each other.
    found = _FIND.run(on, key=session.key).fetchone() if isinstance(on, sqlite3.Connection) else None
    if found is None or (renew is Renew.ALWAYS and found[2] != opening["identity"]):
        [found] = (_OPEN if renew is Renew.ALWAYS else _ENTER).run(on, **opening).fetchall()
    row_id, purged_ms, person = found
    if escalate:
        _ESCALATE.run(on, session=row_id)
    fresh = [one for one in new if not one.at_ms or one.at_ms > purged_ms] if purged_ms else new
    rows = [_values(row_id, one, now, _age(one, session) - ahead_ms) for one in fresh]
    added = _ADD.run_all(on, rows) if rows else 0
    if added:
        closed = any(one.kind is Kind.CLOSE for one in fresh)
        _TOUCH.run(on, session=row_id, added=added, now=now, closed_now=closed)
    if renew is Renew.UNLESS_BEHIND and person != opening["identity"]:
        reached = [one.key for one in new if one.kind is Kind.MESSAGE] or [after.message if after else ""]
        latest = _LATEST.run(on, session=row_id).fetchone()
        if added or (latest is not None and latest[0] == reached[-1]):
            _OPEN.run(on, **opening)
    return added


def _age(record: NewRecord, session: SessionKey) -> int:
    """By which moment a record is judged; what an action asks for is asked now, and a note has its session's name."""
    if record.kind is Kind.MESSAGE:
        return record.at_ms or session.started_ms
    return session.started_ms if record.kind is Kind.NOTE else _NOW


def _values(session_id: int, record: NewRecord, now: float, judged_ms: int) -> dict[str, Any]:
    return {
        "judged_ms": judged_ms,
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
        .where(sessions.c.sender_id == sender_part(sender_id), sessions.c.escalated == true())
        .order_by(sessions.c.started_ms.desc())
        .limit(limit)
    )
    return [
        {"key": row.key, "conversation_id": row.conversation_id, "identity": json.loads(row.identity)} for row in rows
    ]


def not_looked_up(connection: Connection, sender_id: str, limit: int = 3) -> list[str]:
    """Keys of the sender's latest sessions that may have a conversation which is not known here."""
    query = select(sessions.c.key).where(
        sessions.c.sender_id == sender_part(sender_id), sessions.c.creating, ~sessions.c.escalated
    )
    return list(connection.execute(query.order_by(sessions.c.started_ms.desc()).limit(limit)).scalars())
