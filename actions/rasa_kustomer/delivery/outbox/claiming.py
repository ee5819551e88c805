"""Transactions of the courier: lease sessions, mark attempts, settle records, give sessions back."""

import json
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
    insert,
    literal,
    or_,
    select,
    update,
)

from rasa_kustomer.delivery.outbox.entries import Claim, Kind, Record
from rasa_kustomer.delivery.outbox.schema import DEAD, DELIVERED, PENDING, records, sessions

RECORDS_PER_CLAIM = 25


def new_owner() -> str:
    """Name under which this process leases sessions: host, process id, and a part that no other life of it has."""
    return f"{socket.gethostname()}/{os.getpid()}/{uuid4().hex[:8]}"


def candidates(
    connection: Connection, now: float, *, limit: int, escalated: bool | None, but_not: Collection[int]
) -> list[int]:
    """Rows of sessions that have due records and that nobody holds; handed-off ones first, then the longest waiting.

    Args:
        connection: With an open transaction.
        now: Epoch seconds.
        limit: How many at most.
        escalated: Only those a human has, or only the others; None for both.
        but_not: Sessions that the caller has at hand, whatever became of their leases.
    """
    due = exists().where(records.c.session_id == sessions.c.id, records.c.state == PENDING, records.c.not_before <= now)
    query = (
        select(sessions.c.id)
        .where(sessions.c.open_since.is_not(None), sessions.c.not_before <= now, _free(connection, now), due)
        .order_by(sessions.c.escalated.desc(), sessions.c.open_since)
        .limit(limit)
    )
    if escalated is not None:
        query = query.where(sessions.c.escalated.is_(escalated))
    if but_not:
        query = query.where(sessions.c.id.not_in(but_not))
    return list(connection.execute(query).scalars())


def lease(connection: Connection, ids: list[int], owner: str, now: float, seconds: float) -> list[Claim]:
    """Take those of the sessions that are still free, for so many seconds."""
    query = select(sessions).where(sessions.c.id.in_(ids), _free(connection, now)).with_for_update(skip_locked=True)
    claims = {
        row.id: Claim(
            id=row.id,
            key=row.key,
            sender_id=row.sender_id,
            identity=json.loads(row.identity),
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


def _free(connection: Connection, now: float) -> ColumnElement[bool]:
    return or_(sessions.c.leased_by.is_(None), sessions.c.leased_until <= _lease_clock(connection, now))


def _lease_clock(connection: Connection, now: float) -> ColumnElement[float]:
    """Epoch seconds on the one clock that all owners of leases share."""
    if connection.dialect.name == "postgresql":  # the machines that use it need not agree on the time
        return cast(func.extract("epoch", func.clock_timestamp()), Float)
    return literal(now)


def due_records(connection: Connection, session_id: int, now: float) -> list[Record]:
    """A session's due records in order."""
    rows = connection.execute(
        select(
            records.c.id,
            records.c.key,
            records.c.kind,
            records.c.payload,
            records.c.unsure,
            records.c.attempts,
            records.c.bulk_at,
            records.c.bulk_job,
            records.c.sent_ms,
        )
        .where(records.c.session_id == session_id, records.c.state == PENDING, records.c.not_before <= now)
        .order_by(records.c.id)
        .limit(RECORDS_PER_CLAIM)
    )
    return [
        Record(
            r.id,
            r.key,
            Kind(r.kind),
            json.loads(r.payload),
            r.unsure,
            r.attempts,
            bulk_at=r.bulk_at,
            bulk_job=r.bulk_job,
            sent_ms=r.sent_ms,
        )
        for r in rows
    ]


def dead_turns(connection: Connection, session_id: int) -> int:
    """How many of a session's turns Kustomer will never show."""
    mine = (records.c.session_id == session_id, records.c.state == DEAD, records.c.kind == Kind.MESSAGE.value)
    return int(connection.execute(select(func.count()).select_from(records).where(*mine)).scalar_one())


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


def begin(connection: Connection, owner: str, session_id: int, record_id: int) -> bool:
    """Note that a record is about to be sent, so that a crash leaves a trace of the possible write.

    Returns:
        False when the session is leased to somebody else by now: do not send.
    """
    mine = exists().where(sessions.c.id == session_id, sessions.c.leased_by == owner)
    changed = connection.execute(
        update(records)
        .where(records.c.id == record_id, records.c.state == PENDING, mine)
        .values(unsure=True, attempts=records.c.attempts + 1)
    )
    return changed.rowcount == 1


def begin_conversation(connection: Connection, owner: str, session_id: int) -> bool:
    """As `begin`, for the creation of the session's conversation."""
    changed = connection.execute(
        update(sessions).where(sessions.c.id == session_id, sessions.c.leased_by == owner).values(creating=True)
    )
    return changed.rowcount == 1


def resolved(connection: Connection, claim: Claim) -> None:
    """Keep what is known of the session in Kustomer; an id of None makes the courier resolve it again."""
    connection.execute(
        update(sessions)
        .where(sessions.c.id == claim.id)
        .values(
            customer_id=claim.customer_id,
            conversation_id=claim.conversation_id,
            creating=claim.creating,
            bulk_at=claim.bulk_at,
        )
    )


def unsent(connection: Connection, record: Record) -> None:
    """The attempt certainly was not carried out: the next one needs no look-up for its sake."""
    connection.execute(update(records).where(records.c.id == record.id).values(unsure=record.unsure))


def settle(
    connection: Connection,
    record: Record,
    session_id: int,
    now: float,
    *,
    kustomer_id: str | None = None,
    sent_ms: int | None = None,
    dead_because: str | None = None,
) -> None:
    """End a record: delivered, or dead with the reason."""
    connection.execute(
        update(records)
        .where(records.c.id == record.id, records.c.state == PENDING)
        .values(
            state=DEAD if dead_because else DELIVERED,
            reason=dead_because,
            kustomer_id=kustomer_id,
            unsure=False,
            settled_at=now,
        )
    )
    progress: dict[str, Any] = {"attempts": 0} if sent_ms is None else {"attempts": 0, "last_sent_ms": latest(sent_ms)}
    connection.execute(update(sessions).where(sessions.c.id == session_id).values(**progress))


def latest(sent_ms: int | ColumnElement[int]) -> ColumnElement[int]:
    """A session's last `sentAt` with one more: an answer that comes late, after a lost lease, must not turn it back."""
    return case((sessions.c.last_sent_ms > sent_ms, sessions.c.last_sent_ms), else_=sent_ms)


def defer(connection: Connection, record: Record, *, until: float, reason: str) -> None:
    """Let one record wait while the rest of its session goes on."""
    connection.execute(update(records).where(records.c.id == record.id).values(not_before=until, reason=reason))


def release(
    connection: Connection, owner: str, session_id: int, *, not_before: float | None = None, failed: bool = True
) -> None:
    """Give a session back; `not_before` (epoch seconds) lets all of it wait, and counts an attempt that failed."""
    mine = and_(sessions.c.id == session_id, sessions.c.leased_by == owner)
    connection.execute(select(sessions.c.id).where(mine).with_for_update())
    pending = exists().where(records.c.session_id == session_id, records.c.state == PENDING)
    is_open = connection.execute(select(pending)).scalar()
    values: dict[str, object] = {"leased_by": None}
    if not is_open:
        values["open_since"] = None
    if not_before is not None:
        values |= {"not_before": not_before, "attempts": sessions.c.attempts + int(failed)}
    connection.execute(update(sessions).where(mine).values(**values))


def idle(connection: Connection, before: float, *, limit: int) -> list[tuple[int, str, float]]:
    """Sessions to close: mirrored, quiet since `before` (epoch seconds), never handed off, nothing pending.

    Returns:
        Row id, key and the time of the last accepted turn (epoch seconds) for each. That time and not the last sent
        one: a turn that was refused reopens a session too, and its second closing needs a key of its own.
    """
    rows = connection.execute(
        select(sessions.c.id, sessions.c.key, sessions.c.last_turn_at)
        .where(
            sessions.c.conversation_id.is_not(None),
            ~sessions.c.closed,
            ~sessions.c.escalated,
            sessions.c.open_since.is_(None),
            sessions.c.last_turn_at < before,
        )
        .limit(limit)
        .with_for_update(skip_locked=True)  # what another process closes just now is none of ours
    )
    return [(row.id, row.key, row.last_turn_at) for row in rows]


def close(connection: Connection, session_id: int, key: str, now: float) -> None:
    """Queue the closing of a session's conversation, and remember it until the next turn."""
    connection.execute(
        insert(records).values(session_id=session_id, key=key, kind=Kind.CLOSE.value, payload="{}", created_at=now)
    )
    connection.execute(
        update(sessions)
        .where(sessions.c.id == session_id)
        .values(closed=True, accepted=sessions.c.accepted + 1, open_since=now)
    )
