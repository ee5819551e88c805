"""What an earlier copy of the outbox may have sent: marked records, and what was found in Kustomer.

`append` and `births.restored` mark them: unsure although never begun.
"""

import json
from collections.abc import Mapping
from typing import NamedTuple

from rasa_kustomer.outbox.connection import Connection
from rasa_kustomer.outbox.database import Transactions, reading, transaction
from rasa_kustomer.outbox.entries import Lease
from rasa_kustomer.outbox.transitions import LATEST, SAME_SESSION, same_session

_MARKED = "session_id = :session_id AND state = 'pending' AND unsure AND attempts = 0 AND bulk_at IS NULL"
_TURNS = f"SELECT id, key, payload FROM kustomer_record WHERE {_MARKED} AND kind = 'message' ORDER BY id"
_THIS = "WHERE id = :id AND session_id = :session_id AND state = 'pending'"
_FOUND = f"""
UPDATE kustomer_record SET state = 'delivered', settled_at = :now, unsure = false, reason = NULL,
    kustomer_id = :kustomer_id {_THIS}"""
_NOT_THERE = f"UPDATE kustomer_record SET unsure = false, sent_ms = :sent_ms {_THIS}"
_NOT_SEEN = f"UPDATE kustomer_record SET attempts = 1, sent_ms = :sent_ms {_THIS}"
_NOTHING_THERE = f"""
UPDATE kustomer_record SET unsure = false
WHERE {_MARKED} AND EXISTS (SELECT 1 FROM kustomer_session WHERE {SAME_SESSION})"""


class Turn(NamedTuple):
    """A marked message and the time that it was said, epoch milliseconds."""

    id: int
    key: str
    at_ms: int


class Found(NamedTuple):
    """A message in Kustomer: its id there, and its `sentAt` (epoch milliseconds; 0 when unknown)."""

    kustomer_id: str
    sent_ms: int


class Recalling(Transactions):
    """The outbox as looking up of old sessions needs it.

    Every method is one transaction and raises `OutboxUnavailableError` when the database cannot be used just now.
    """

    @reading
    def turns(self, c: Connection, lease: Lease) -> list[Turn]:
        """All marked messages of a session, in order."""
        rows = c.rows(_TURNS, session_id=lease.id)
        return [Turn(row["id"], row["key"], json.loads(row["payload"])["at_ms"]) for row in rows]

    @transaction
    def compared(
        self,
        c: Connection,
        lease: Lease,
        found: Mapping[int, Found],
        missing: Mapping[int, int | None],
        *,
        all_seen: bool,
    ) -> bool:
        """Settle the marked messages that Kustomer has, and remove the marks of the others.

        Args:
            c: With an open transaction.
            lease: The leased session; its `last_sent_ms` follows.
            found: By record id.
            missing: By record id the `sentAt` that puts it between those that were found; None for what comes after.
            all_seen: All of the conversation was read; else the missing ones are looked up one by one.

        Returns:
            False when the lease was lost; then nothing was written.
        """
        latest = max((lease.last_sent_ms, *(one.sent_ms for one in found.values())))
        c.effects += [lambda: setattr(lease, "last_sent_ms", latest), self.settled.set]
        ours = same_session(lease, self.owner)
        if c.row(f"SELECT id FROM kustomer_session WHERE {SAME_SESSION} FOR UPDATE", **ours) is None:
            return False
        done = {"session_id": lease.id, "now": self.now()}
        c.change_each(_FOUND, [{"id": id_, "kustomer_id": one.kustomer_id, **done} for id_, one in found.items()])
        c.change(f"UPDATE kustomer_session SET last_sent_ms = {LATEST} WHERE id = :id", id=lease.id, sent_ms=latest)
        rows = [{"id": id_, "sent_ms": sent_ms, "session_id": lease.id} for id_, sent_ms in missing.items()]
        c.change_each(_NOT_THERE if all_seen else _NOT_SEEN, rows)
        return True

    @transaction
    def nothing_there(self, c: Connection, lease: Lease) -> None:
        """Remove all marks of a session: Kustomer has no conversation of it."""
        c.change(_NOTHING_THERE, **same_session(lease, self.owner))
