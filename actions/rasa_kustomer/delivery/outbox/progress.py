"""Transactions of the courier on what it has at hand: read what is due, mark attempts, settle records, close."""

import json
from collections.abc import Collection
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, and_, case, exists, func, insert, or_, select, update

from rasa_kustomer.delivery.outbox.entries import HANDOFF_KINDS, Claim, Kind, Record
from rasa_kustomer.delivery.outbox.schema import DEAD, DELIVERED, PENDING, records, sessions

RECORDS_PER_CLAIM = 25
RECORDS_OF_A_BACKLOG = 100  # of a session that people have: as many as a bulk job takes
LONGEST_WAIT_SECONDS = (
    900.0  # more than anything is told to wait; what is later was written before the clock was set back
)


def is_due(not_before: Column[float], now: float) -> ColumnElement[bool]:
    """Whether a wait is over, by a clock (epoch seconds) that may jump."""
    return or_(not_before <= now, not_before > now + LONGEST_WAIT_SECONDS)


def due_records(connection: Connection, claim: Claim, now: float) -> list[Record]:
    """The first of a session's due records in order, and those of its handoff, however many turns wait before it."""
    due = (
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
        .where(records.c.session_id == claim.id, records.c.state == PENDING, is_due(records.c.not_before, now))
        .order_by(records.c.id)
    )
    most = RECORDS_OF_A_BACKLOG if claim.escalated else RECORDS_PER_CLAIM
    rows = list(connection.execute(due.limit(most)))
    if len(rows) == most and claim.escalated:
        later = (records.c.id > rows[-1].id, records.c.kind.in_([kind.value for kind in HANDOFF_KINDS]))
        rows += connection.execute(due.where(*later).limit(most))
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


def handed_off(connection: Connection, ids: Collection[int], now: float) -> set[int]:
    """Those of the sessions that have a due record of a handoff."""
    due = (*_waiting_handoffs(), is_due(records.c.not_before, now))
    query = select(records.c.session_id).where(records.c.session_id.in_(ids), *due).distinct()
    return set(connection.execute(query).scalars())


def newest_handoff(connection: Connection) -> int:
    """Number of the newest pending record of a handoff; 0 when there is none."""
    handed = (sessions.c.id == records.c.session_id, sessions.c.escalated, sessions.c.open_since.is_not(None))
    query = select(func.max(records.c.id)).select_from(sessions).join(records, and_(*handed))
    return connection.execute(query.where(*_waiting_handoffs())).scalar_one() or 0


def turns_before(connection: Connection, session_id: int, record_id: int) -> int:
    """How many pending turns a session has whose number is lower."""
    mine = (records.c.session_id == session_id, records.c.state == PENDING, records.c.kind == Kind.MESSAGE.value)
    query = select(func.count()).select_from(records).where(*mine, records.c.id < record_id)
    return int(connection.execute(query).scalar_one())


def _waiting_handoffs() -> tuple[ColumnElement[bool], ...]:
    return (records.c.state == PENDING, records.c.kind.in_([kind.value for kind in HANDOFF_KINDS]))


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
