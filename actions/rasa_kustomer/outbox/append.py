"""Accepts messages and handoffs: idempotent by key, and short, since a bot waits for it."""

from collections.abc import Sequence
from typing import Any

from rasa_kustomer.conversation.keys import sender_part
from rasa_kustomer.outbox.connection import Connection
from rasa_kustomer.outbox.entries import IdentityUpdate, Kind, NewRecord, Recorded, SessionKey, dump
from rasa_kustomer.outbox.errors import PastUnknownError
from rasa_kustomer.outbox.schema import BORN_MS, CLOCK_MARGIN_MS

_NOW = 2**62

# What is older than this copy of the outbox may be in Kustomer already. A copy that cannot tell its age trusts nothing.
_OLD = f"coalesce(:judged_ms < {BORN_MS}, true)"
_FIND = "SELECT id, purged_ms, identity FROM kustomer_session WHERE key = :key"
_ENTER = f"""
INSERT INTO kustomer_session (key, sender_id, started_ms, identity, last_turn_at, creating,
    escalated, closed, accepted, purged, purged_ms, last_sent_ms, not_before, attempts, leased_until)
VALUES (:key, :sender_id, :started_ms, :identity, :now, {_OLD}, false, false, 0, 0, 0, 0, 0.0, 0, 0.0)
ON CONFLICT (key) DO UPDATE SET identity = """
_RETURNING = " RETURNING id, purged_ms, identity"
_OPEN = f"{_ENTER}excluded.identity{_RETURNING}"
_MEET = f"{_ENTER}kustomer_session.identity{_RETURNING}"
_ADD = f"""
INSERT INTO kustomer_record (session_id, key, kind, payload, created_at, state, unsure, attempts, not_before)
VALUES (:session_id, :key, :kind, :payload, :now, 'pending', {_OLD}, 0, 0.0) ON CONFLICT (key) DO NOTHING"""
_TOUCH = """
UPDATE kustomer_session SET accepted = accepted + :added, last_turn_at = :now, closed = :closed,
    open_since = coalesce(open_since, :now)
WHERE id = :session_id"""
_KNOWN = """
SELECT EXISTS (SELECT 1 FROM kustomer_record WHERE key = :message)
    OR EXISTS (SELECT 1 FROM kustomer_session WHERE key = :key AND purged_ms >= :at_ms) AS known"""
_LATEST = """
SELECT key FROM kustomer_record WHERE session_id = :session_id AND kind = 'message' ORDER BY id DESC LIMIT 1"""
_ESCALATE = "UPDATE kustomer_session SET escalated = true, not_before = 0.0 WHERE id = :session_id"


def append(
    c: Connection,
    session: SessionKey,
    identity: dict[str, Any],
    new: Sequence[NewRecord],
    now: float,
    *,
    after: Recorded | None,
    escalate: bool,
    update: IdentityUpdate,
) -> int:
    """Accept records of a session (`Outbox.record`); those whose key is known already are left as they are.

    A session or message that is older than this copy of the outbox is marked, so that it is looked up first.
    Rasa's clock may be ahead of ours: a message that seems to be in the future shows by how much.
    """
    ahead_ms = CLOCK_MARGIN_MS + max(0, max((one.at_ms for one in new), default=0) - int(now * 1000))
    opening = {
        "judged_ms": session.started_ms - ahead_ms,
        "key": session.key,
        "sender_id": sender_part(session.sender_id),  # a text that every database takes
        "started_ms": session.started_ms,
        "identity": dump(identity),
        "now": now,
    }
    if after is not None and not c.value(_KNOWN, **after._asdict()):
        raise PastUnknownError
    # Elsewhere than on SQLite others write at the same time. Opening the session first locks its row, so that its
    # records are numbered in the order in which they become visible, and no two transactions wait for each other.
    found = c.row(_FIND, key=session.key) if c.is_sqlite else None
    if found is None or (update is IdentityUpdate.ALWAYS and found["identity"] != opening["identity"]):
        [found] = c.rows(_OPEN if update is IdentityUpdate.ALWAYS else _MEET, **opening)
    if escalate:
        c.change(_ESCALATE, session_id=found["id"])
    purged_ms = found["purged_ms"]
    fresh = [one for one in new if not one.at_ms or one.at_ms > purged_ms] if purged_ms else new
    added = c.change_each(_ADD, [_values(found["id"], one, now, _age(one, session) - ahead_ms) for one in fresh])
    if added:
        closed = any(one.kind is Kind.CLOSE for one in fresh)
        c.change(_TOUCH, session_id=found["id"], added=added, now=now, closed=closed)
    if update is IdentityUpdate.UNLESS_BEHIND and found["identity"] != opening["identity"]:
        reached = [one.key for one in new if one.kind is Kind.MESSAGE] or [after.message if after else ""]
        if added or c.value(_LATEST, session_id=found["id"]) == reached[-1]:
            c.rows(_OPEN, **opening)
    return added


def _age(record: NewRecord, session: SessionKey) -> int:
    """The time by which a record counts as older; what an action asks for is new, a note is as old as its session."""
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
        "now": now,
    }
