"""Transactions of the courier: lease sessions, keep them, give them back."""

import os
import socket
from collections.abc import Collection
from typing import Any
from uuid import uuid4

from sqlalchemy import (
    ColumnElement,
    Connection,
    Float,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)

from rasa_kustomer.delivery.outbox.entries import HANDOFF_KINDS, Claim, Kind, load
from rasa_kustomer.delivery.outbox.progress import is_due, same_session
from rasa_kustomer.delivery.outbox.schema import EMPTIED, PENDING, records, sessions


def new_owner() -> str:
    """Name under which this process leases sessions: host, process id, and a part that no other life of it has."""
    return f"{socket.gethostname()}/{os.getpid()}/{uuid4().hex[:8]}"


def candidates(
    connection: Connection,
    now: float,
    *,
    limit: int,
    escalated: bool | None,
    handoff: bool | None,
    but_not: Collection[str],
    closing: bool | None = None,
) -> list[int]:
    """Rows of sessions that have due records and that nobody holds; handed-off ones first, then the longest waiting.

    Args:
        connection: With an open transaction.
        now: Epoch seconds.
        limit: How many at most.
        escalated: Only those a human has, or only the others; None for both.
        handoff: Only those of which a note or a ticket is due, or only the others; None for both.
        but_not: Keys of sessions that the caller has at hand, whatever became of their leases and numbers.
        closing: Only those that have nothing but their closing waiting, or only the others; None for both.
    """
    pending = (records.c.session_id == sessions.c.id, records.c.state == PENDING)
    due = exists().where(*pending, is_due(records.c.not_before, now))
    # During a rolling update a newer release may write what this one cannot read: such a session is left to the other.
    foreign = exists().where(*pending, records.c.kind.not_in([kind.value for kind in Kind]))
    query = (
        select(sessions.c.id)
        .where(
            sessions.c.open_since.is_not(None),
            is_due(sessions.c.not_before, now),
            _free(connection, now),
            due,
            ~foreign,
        )
        .order_by(sessions.c.escalated.desc(), sessions.c.open_since)
        .limit(limit)
    )
    if handoff is not None:
        kinds = records.c.kind.in_([kind.value for kind in HANDOFF_KINDS])
        waits = exists().where(*pending, kinds, is_due(records.c.not_before, now))
        query = query.where(sessions.c.escalated, waits) if handoff else query.where(or_(~sessions.c.escalated, ~waits))
    if escalated is not None:
        query = query.where(sessions.c.escalated.is_(escalated))
    if closing is not None:
        more = exists().where(*pending, records.c.kind != Kind.CLOSE.value)
        query = query.where(sessions.c.closed, ~more) if closing else query.where(or_(~sessions.c.closed, more))
    if but_not:
        query = query.where(sessions.c.key.not_in(but_not))
    return list(connection.execute(query).scalars())


def lease(connection: Connection, ids: list[int], owner: str, now: float, seconds: float) -> list[Claim]:
    """Take those of the sessions that are still free, for so many seconds."""
    query = select(sessions).where(sessions.c.id.in_(ids), _free(connection, now)).with_for_update(skip_locked=True)
    claims = {
        row.id: Claim(
            id=row.id,
            key=row.key,
            sender_id=row.sender_id,
            identity=_identity(row.identity),
            customer_id=row.customer_id,
            conversation_id=row.conversation_id,
            creating=row.creating,
            escalated=row.escalated,
            attempts=row.attempts,
            last_sent_ms=row.last_sent_ms,
            bulk_at=row.bulk_at,
        )
        for row in connection.execute(query)
    }
    until = _lease_clock(connection, now) + seconds
    connection.execute(update(sessions).where(sessions.c.id.in_(claims)).values(leased_by=owner, leased_until=until))
    return [claims[one] for one in ids if one in claims]


def _identity(text: str) -> dict[str, Any]:
    """Who it is; nobody, when that cannot be read: whatever else a row holds, it costs no other session."""
    known, nobody = load(text), load(EMPTIED)
    sound = {name for name, value in known.items() if isinstance(value, bool if name == "trusted" else str)}
    return {name: known[name] if name in sound else nobody[name] for name in nobody}


def _free(connection: Connection, now: float) -> ColumnElement[bool]:
    return or_(sessions.c.leased_by.is_(None), sessions.c.leased_until <= _lease_clock(connection, now))


def _lease_clock(connection: Connection, now: float) -> ColumnElement[float]:
    """Epoch seconds on the one clock that all owners of leases share."""
    if connection.dialect.name == "postgresql":  # the machines that use it need not agree on the time
        return cast(func.extract("epoch", func.clock_timestamp()), Float)
    return literal(now)


def extend(connection: Connection, owner: str, ids: Collection[int], now: float, seconds: float) -> None:
    """Heartbeat: keep those of the sessions that `owner` still holds, for so many seconds from now."""
    until = _lease_clock(connection, now) + seconds
    mine = and_(sessions.c.id.in_(ids), sessions.c.leased_by == owner)
    connection.execute(update(sessions).where(mine).values(leased_until=until))


def free_dead_owners(connection: Connection, owner: str) -> None:
    """Take back the leases of earlier processes of this host that are gone, without waiting for them to run out.

    On SQLite only, whose processes share a host. On PostgreSQL two containers may bear the same host name and process
    id and both be alive, so there leases run out.
    """
    if connection.dialect.name != "sqlite":
        return
    host, pid, _ = owner.rsplit("/", 2)
    for name in connection.execute(
        select(sessions.c.leased_by).where(sessions.c.leased_by.is_not(None)).distinct()
    ).scalars():
        other_host, other_pid, _ = name.rsplit("/", 2)
        if name != owner and other_host == host and (other_pid == pid or not _alive(int(other_pid))):
            connection.execute(update(sessions).where(sessions.c.leased_by == name).values(leased_by=None))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def release(
    connection: Connection, owner: str, claim: Claim, *, not_before: float | None = None, failed: bool = True
) -> None:
    """Give a session back; `not_before` (epoch seconds) lets all of it wait, and counts an attempt that failed.

    A session that was handed off since it was leased does not wait.
    """
    mine = same_session(owner, claim)
    connection.execute(select(sessions.c.id).where(mine).with_for_update())
    pending = exists().where(records.c.session_id == claim.id, records.c.state == PENDING)
    is_open = connection.execute(select(pending)).scalar()
    values: dict[str, object] = {"leased_by": None}
    if not is_open:
        values["open_since"] = None
    if not_before is not None:
        same = sessions.c.escalated == claim.escalated
        values |= {"not_before": case((same, not_before), else_=0.0), "attempts": sessions.c.attempts + int(failed)}
    connection.execute(update(sessions).where(mine).values(**values))
