"""Transactions of the courier on what it has at hand: read what is due, mark attempts, settle records."""

import json
from collections.abc import Collection
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, and_, case, exists, func, or_, select, update

from rasa_kustomer.delivery.outbox.entries import HANDOFF_KINDS, Claim, Kind, Record, dump, load
from rasa_kustomer.delivery.outbox.schema import DEAD, DELIVERED, PENDING, records, sessions

RECORDS_PER_CLAIM = 25
RECORDS_OF_A_BACKLOG = 100  # of a session that people have: as many as a bulk job takes
LONGEST_WAIT_SECONDS = (
    900.0  # more than anything is told to wait; what is later was written before the clock was set back
)


def is_due(not_before: Column[float], now: float) -> ColumnElement[bool]:
    """Whether a wait is over, by a clock (epoch seconds) that may jump."""
    return or_(not_before <= now, not_before > now + LONGEST_WAIT_SECONDS)


def same_session(owner: str, claim: Claim) -> ColumnElement[bool]:
    """The session that was leased, if it still is, and if the number is still its own."""
    return and_(sessions.c.id == claim.id, sessions.c.key == claim.key, sessions.c.leased_by == owner)


def same_attempt(owner: str, record: Record) -> ColumnElement[bool]:
    """The record as it was begun by `owner`.

    SQLite gives the number of a purged record out again, another file numbers from 1, and after a lost lease somebody
    else may have begun anew: what an answer says then is about something else, and changes nothing.
    """
    return and_(
        records.c.id == record.id,
        records.c.key == record.key,
        records.c.attempts == record.attempts,
        records.c.state == PENDING,
        exists().where(sessions.c.id == records.c.session_id, sessions.c.leased_by == owner),
    )


def due_records(connection: Connection, owner: str, claim: Claim, now: float) -> list[Record]:
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
        .where(
            records.c.session_id == claim.id,
            records.c.state == PENDING,
            is_due(records.c.not_before, now),
            exists().where(same_session(owner, claim)),
        )
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
            load(r.payload),
            r.unsure,
            r.attempts,
            bulk_at=r.bulk_at,
            bulk_job=r.bulk_job,
            sent_ms=r.sent_ms,
        )
        for r in rows
    ]


def dead_turns(connection: Connection, key: str) -> int:
    """How many of a session's turns Kustomer will never show."""
    session = select(sessions.c.id).where(sessions.c.key == key).scalar_subquery()
    mine = (records.c.session_id == session, records.c.state == DEAD, records.c.kind == Kind.MESSAGE.value)
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


def begin(connection: Connection, owner: str, claim: Claim, record: Record) -> bool:
    """Note that a record is about to be sent, so that a crash leaves a trace of the possible write.

    Returns:
        False when the session is leased to somebody else by now, or the record is not what it was: do not send.
    """
    changed = connection.execute(
        update(records)
        .where(same_attempt(owner, record), exists().where(same_session(owner, claim)))
        .values(unsure=True, attempts=records.c.attempts + 1)
    )
    return changed.rowcount == 1


def begin_conversation(connection: Connection, owner: str, claim: Claim) -> bool:
    """As `begin`, for the creation of the session's conversation."""
    changed = connection.execute(update(sessions).where(same_session(owner, claim)).values(creating=True))
    return changed.rowcount == 1


def resolved(connection: Connection, owner: str, claim: Claim) -> None:
    """Keep what is known of the session in Kustomer; an id of None makes the courier resolve it again.

    A session that was found with people stays with them: a ticket that waits raises theirs and takes nothing from them.
    """
    connection.execute(
        update(sessions)
        .where(same_session(owner, claim))
        .values(
            customer_id=claim.customer_id,
            conversation_id=claim.conversation_id,
            creating=claim.creating,
            bulk_at=claim.bulk_at,
            **({"escalated": True} if claim.escalated else {}),
        )
    )
    if claim.people:
        _raise_only(connection, claim.id)


def _raise_only(connection: Connection, session_id: int) -> None:
    waiting = (
        records.c.session_id == session_id,
        records.c.state == PENDING,
        records.c.kind == Kind.TICKET.value,
    )
    for row in connection.execute(select(records.c.id, records.c.payload).where(*waiting)).all():
        payload = dump(json.loads(row.payload) | {"repeated": True})
        connection.execute(update(records).where(records.c.id == row.id).values(payload=payload))


def unsent(connection: Connection, owner: str, record: Record) -> None:
    """The attempt certainly was not carried out: the next one needs no look-up for its sake."""
    connection.execute(update(records).where(same_attempt(owner, record)).values(unsure=record.unsure))


def settle(
    connection: Connection,
    owner: str,
    claim: Claim,
    record: Record,
    now: float,
    *,
    kustomer_id: str | None = None,
    sent_ms: int | None = None,
    dead_because: str | None = None,
) -> None:
    """End a record: delivered, or dead with the reason."""
    settled = connection.execute(
        update(records)
        .where(same_attempt(owner, record))
        .values(
            state=DEAD if dead_because else DELIVERED,
            reason=dead_because,
            kustomer_id=kustomer_id,
            unsure=False,
            settled_at=now,
        )
    )
    if not settled.rowcount:
        return
    progress: dict[str, Any] = {"attempts": 0} if sent_ms is None else {"attempts": 0, "last_sent_ms": latest(sent_ms)}
    connection.execute(update(sessions).where(same_session(owner, claim)).values(**progress))


def latest(sent_ms: int | ColumnElement[int]) -> ColumnElement[int]:
    """A session's last `sentAt` with one more: an answer that comes late, after a lost lease, must not turn it back."""
    return case((sessions.c.last_sent_ms > sent_ms, sessions.c.last_sent_ms), else_=sent_ms)


def defer(connection: Connection, owner: str, record: Record, *, until: float, reason: str) -> None:
    """Let one record wait while the rest of its session goes on."""
    connection.execute(update(records).where(same_attempt(owner, record)).values(not_before=until, reason=reason))
