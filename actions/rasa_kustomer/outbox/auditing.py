"""For `rasa-kustomer reconcile` and the event stream: what was delivered, and requeueing what is missing."""

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rasa_kustomer.conversation.keys import sender_part
from rasa_kustomer.outbox.connection import Connection
from rasa_kustomer.outbox.database import Transactions, reading, transaction
from rasa_kustomer.outbox.entries import Kind

PAGE = 1_000
NOT_FOUND = "it was not found in Kustomer"

_COMPARED = "FROM kustomer_record WHERE kind IN ('message', 'note') AND "  # what Kustomer lists one by one
_DELIVERED = f"""
SELECT id, session_id, key, kind, kustomer_id {_COMPARED} id > :after AND state = 'delivered' AND settled_at >= :since
ORDER BY id LIMIT :limit"""
_DEAD = f"SELECT count(*) {_COMPARED} state = 'dead' AND settled_at >= :since"
_PENDING = f"SELECT count(*) {_COMPARED} state = 'pending'"
_SESSIONS = "SELECT id, key, purged FROM kustomer_session WHERE sender_id = :sender"
_RECORDS = """
SELECT r.session_id, r.key, r.kind, r.payload FROM kustomer_record r JOIN kustomer_session s ON s.id = r.session_id
WHERE s.sender_id = :sender ORDER BY r.id"""
_PLACE = """
SELECT key, conversation_id, customer_id, leased_by IS NOT NULL AND leased_until > :now AS leased
FROM kustomer_session WHERE id = :id"""
_FREE = """
SELECT closed FROM kustomer_session WHERE id = :id AND (leased_by IS NULL OR leased_until <= :now)
FOR UPDATE SKIP LOCKED"""
_WAIT_AGAIN = """
UPDATE kustomer_record SET state = 'pending', unsure = true, not_before = 0.0, settled_at = NULL, kustomer_id = NULL,
    bulk_at = NULL, bulk_job = NULL, reason = :reason
WHERE session_id = :session_id AND state = 'delivered' AND """
_PLAN = """
UPDATE kustomer_record SET sent_ms = :sent_ms WHERE id = :id AND session_id = :session_id AND state = 'pending'"""
_ITS_CLOSING = """
id = (SELECT max(id) FROM kustomer_record WHERE session_id = :session_id AND kind = 'close' AND id > :first)"""
_REOPEN = "UPDATE kustomer_session SET open_since = coalesce(open_since, :now) WHERE id = :id"


class Delivered(NamedTuple):
    """A record that Kustomer should hold.

    Attributes:
        kustomer_id: Its id there; None when it is not known.
    """

    id: int
    session_id: int
    key: str
    kind: Kind
    kustomer_id: str | None


class KnownSession(NamedTuple):
    """What is known of a session.

    Attributes:
        purged: Whether records of it were deleted since.
        record_keys: Keys of its records.
        said: What the customer said in it.
    """

    key: str
    purged: bool
    record_keys: frozenset[str]
    said: tuple[str, ...]


class Place(NamedTuple):
    """Where a session is.

    Attributes:
        key: externalId of its conversation.
        conversation_id: None while it is being looked up or made anew.
        customer_id: Whose it is, as far as that is known.
        leased: A worker is delivering it.
    """

    key: str
    conversation_id: str | None
    customer_id: str | None
    leased: bool


class Others(NamedTuple):
    """Messages and notes that are not delivered."""

    dead: int
    pending: int


class Auditing(Transactions):
    """The outbox as `rasa-kustomer reconcile` needs it.

    Every method is one transaction and raises `OutboxUnavailableError` when the database cannot be used just now.
    """

    @reading
    def delivered(self, c: Connection, since: float, *, after: int = 0, limit: int = PAGE) -> list[Delivered]:
        """Messages and notes settled as delivered since a moment (epoch seconds), by id, with ids above `after`."""
        rows = c.rows(_DELIVERED, since=since, after=after, limit=limit)
        return [
            Delivered(row["id"], row["session_id"], row["key"], Kind(row["kind"]), row["kustomer_id"]) for row in rows
        ]

    @reading
    def others(self, c: Connection, since: float) -> Others:
        """How many messages and notes died since a moment (epoch seconds), and how many wait now."""
        return Others(int(c.value(_DEAD, since=since)), int(c.value(_PENDING)))

    @reading
    def known_sessions(self, c: Connection, sender_id: str) -> list[KnownSession]:
        """All sessions of a sender, with what is left of their records."""
        sender = sender_part(sender_id)
        found = c.rows(_SESSIONS, sender=sender)
        kept: dict[int, list[tuple[str, str, str]]] = {row["id"]: [] for row in found}
        for row in c.rows(_RECORDS, sender=sender):
            kept[row["session_id"]].append((row["key"], row["kind"], row["payload"]))
        return [
            KnownSession(
                row["key"],
                bool(row["purged"]),
                frozenset(key for key, _, _ in kept[row["id"]]),
                tuple(_said(payload) for _, kind, payload in kept[row["id"]] if kind == Kind.MESSAGE.value),
            )
            for row in found
        ]

    @reading
    def place(self, c: Connection, session_id: int) -> Place:
        """Where a session is just now."""
        [row] = c.rows(_PLACE, id=session_id, now=self.now())
        return Place(row["key"], row["conversation_id"], row["customer_id"], bool(row["leased"]))

    @transaction
    def put_back(self, c: Connection, session_id: int, sent_ms: Mapping[int, int | None]) -> int:
        """Requeue delivered records of a session, to be looked up and, if need be, sent.

        The closing of a session that is closed is repeated after them, since a customer's words reopen it.

        Args:
            c: With an open transaction.
            session_id: Whose records.
            sent_ms: The `sentAt` that each is to have, epoch milliseconds, by id; None keeps what it has.

        Returns:
            How many were requeued; 0 when a worker has the session.
        """
        now = self.now()
        free = c.row(_FREE, id=session_id, now=now)
        if free is None:
            return 0
        put_back = c.change(f"{_WAIT_AGAIN}id IN :ids", session_id=session_id, ids=list(sent_ms), reason=NOT_FOUND)
        planned = {id_: moment for id_, moment in sent_ms.items() if moment is not None}
        c.change_each(
            _PLAN, [{"id": id_, "sent_ms": moment, "session_id": session_id} for id_, moment in planned.items()]
        )
        if free["closed"]:
            c.change(f"{_WAIT_AGAIN}{_ITS_CLOSING}", session_id=session_id, first=min(sent_ms), reason=None)
        c.change(_REOPEN, id=session_id, now=now)
        return put_back


def _said(payload: str) -> str:
    content = json.loads(payload)
    return str(content["text"]) if content["direction"] == "in" else ""


def by_session(found: Sequence[Delivered]) -> dict[int, list[Delivered]]:
    """Records by session, each in the order of the records."""
    grouped: dict[int, list[Delivered]] = {}
    for one in found:
        grouped.setdefault(one.session_id, []).append(one)
    return grouped
