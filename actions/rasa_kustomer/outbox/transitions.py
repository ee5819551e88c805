"""State changes of records and conversations that are sent, for one and for many: begin, settle, take back.

SQLite gives the number of a purged record out again, another file numbers from 1, and after a lost lease somebody else
may have begun anew: what an answer says then is about something else. So each of these changes those records only
whose key and attempt are still the same, and whose session `owner` still holds.

Whatever changes several sessions locks them in the order of their ids, so that no two transactions wait for each other.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from operator import attrgetter

from rasa_kustomer.outbox.connection import Connection
from rasa_kustomer.outbox.database import Transactions, transaction
from rasa_kustomer.outbox.entries import Attempt, Lease, Outcome, Record
from rasa_kustomer.outbox.schema import DEAD, DELIVERED

_CURRENT = """
SELECT r.id, r.key, r.attempts FROM kustomer_record r JOIN kustomer_session s ON s.id = r.session_id
WHERE r.id IN :ids AND r.state = 'pending' AND s.leased_by = :owner ORDER BY s.id FOR UPDATE OF s"""
_BEGIN = "UPDATE kustomer_record SET unsure = true, attempts = attempts + 1 WHERE id = :id"
_BEGIN_IN_JOB = """
UPDATE kustomer_record SET unsure = true, attempts = attempts + 1, bulk_at = :now, bulk_job = NULL, sent_ms = :sent_ms
WHERE id = :id"""
SAME_SESSION = "id = :session_id AND key = :session_key AND leased_by = :owner"
"""The session that was leased, if it still is, and if the number is still its own."""
_BEGIN_CONVERSATION = f"UPDATE kustomer_session SET creating = true WHERE {SAME_SESSION}"
_BEGIN_CONVERSATION_IN_JOB = f"UPDATE kustomer_session SET creating = true, bulk_at = :now WHERE {SAME_SESSION}"
_SETTLE = """
UPDATE kustomer_record SET state = :state, kustomer_id = :kustomer_id, reason = :reason, settled_at = :now,
    unsure = false
WHERE id = :id"""
_OUT_OF_JOB = "UPDATE kustomer_record SET bulk_at = NULL, bulk_job = NULL WHERE id = :id"
LATEST = "CASE WHEN last_sent_ms > :sent_ms THEN last_sent_ms ELSE :sent_ms END"
"""A session's last `sentAt` with one more: an answer that comes late, after a lost lease, must not turn it back."""
_PROGRESS = f"UPDATE kustomer_session SET attempts = 0, last_sent_ms = {LATEST} WHERE id = :id"


def same_session(lease: Lease, owner: str) -> dict[str, object]:
    """Parameters of `SAME_SESSION`."""
    return {"session_id": lease.id, "session_key": lease.key, "owner": owner}


class Transitions(Transactions):
    """What the two ways of sending share."""

    @transaction
    def _begin(self, c: Connection, parts: Sequence[Attempt], *, in_job: bool) -> set[int]:
        """Note that records are about to be sent, so that a crash leaves a trace of the possible write.

        Returns:
            The sessions that are ours with all their records; of the others nothing may be sent.
        """
        current = _current(c, self.owner, (part.record for part in parts))
        lost = {part.session_id for part in parts if part.record.id not in current}
        ours = {part.session_id for part in parts} - lost
        begun = [part for part in parts if part.session_id in ours]
        now = self.now()
        c.change_each(
            _BEGIN_IN_JOB if in_job else _BEGIN,
            [{"id": part.record.id, "sent_ms": part.sent_ms, "now": now} for part in begun],
        )
        c.effects.append(partial(_count, begun))
        return ours

    @transaction
    def _begin_conversations(self, c: Connection, leases: Sequence[Lease], *, in_job: bool) -> set[int]:
        """As `_begin`, for the creation of the sessions' conversations."""
        sql = _BEGIN_CONVERSATION_IN_JOB if in_job else _BEGIN_CONVERSATION
        now = self.now()
        ordered = sorted(leases, key=attrgetter("id"))
        return {lease.id for lease in ordered if c.change(sql, now=now, **same_session(lease, self.owner))}

    @transaction
    def _settle(self, c: Connection, ended: Sequence[Outcome], *, in_job: bool) -> None:
        """Settle records: delivered, or dead with the reason. Those of a job leave it."""
        current = _current(c, self.owner, (one.part.record for one in ended))
        now, progress = self.now(), dict[int, int]()
        rows = [
            {
                "id": part.record.id,
                "state": DELIVERED if reason is None else DEAD,
                "kustomer_id": kustomer_id,
                "reason": reason,
                "now": now,
            }
            for part, kustomer_id, reason in ended
            if part.record.id in current
        ]
        for part, _, _ in ended:
            if part.record.id in current:
                progress[part.session_id] = max(part.sent_ms, progress.get(part.session_id, 0))
        c.change_each(_SETTLE, rows)
        if in_job:
            c.change_each(_OUT_OF_JOB, [{"id": row["id"]} for row in rows])
        c.change_each(_PROGRESS, [{"id": id_, "sent_ms": sent_ms} for id_, sent_ms in progress.items()])
        c.effects.append(self.settled.set)

    @transaction
    def _change(self, c: Connection, /, records: Iterable[Record], assignments: str, **values: object) -> None:
        """Set columns of the records whose attempt is still ours."""
        ids = list(_current(c, self.owner, records))
        c.change(f"UPDATE kustomer_record SET {assignments} WHERE id IN :ids", ids=ids, **values)


def _current(c: Connection, owner: str, records: Iterable[Record]) -> set[int]:
    """Those of the records whose attempt is still the latest one and ours; their sessions are locked."""
    by_id = {record.id: record for record in records}
    found = c.rows(_CURRENT, ids=list(by_id), owner=owner)
    return {
        row["id"] for row in found if (row["key"], row["attempts"]) == (by_id[row["id"]].key, by_id[row["id"]].attempts)
    }


def _count(begun: Iterable[Attempt]) -> None:
    for part in begun:
        part.record.attempts += 1


class Bulk(Transitions):
    """The outbox as bulk jobs need it.

    Every method is one transaction and raises `OutboxUnavailableError` when the database cannot be used just now.
    """

    async def begin(self, parts: Sequence[Attempt]) -> set[int]:
        """Note that records are about to be sent in one job; returns the sessions whose lease is still ours."""
        return await self._begin(parts, in_job=True)

    async def begin_conversations(self, leases: Sequence[Lease]) -> set[int]:
        """As `begin`, for the creation of the sessions' conversations."""
        return await self._begin_conversations(leases, in_job=True)

    async def posted(self, parts: Sequence[Attempt], job: str) -> None:
        """Keep the id of the job that the records are in, so that another process can ask for its results."""
        await self._change([part.record for part in parts], "bulk_job = :job", job=job)

    async def delivered(self, done: Sequence[Outcome]) -> None:
        """Settle records that Kustomer holds now."""
        await self._settle(done, in_job=True)

    async def unsent(self, parts: Sequence[Attempt]) -> None:
        """Take back `begin`: the job certainly was not accepted, and the records may be part of another."""
        await self._change(
            [part.record for part in parts], "unsure = false, bulk_at = NULL, bulk_job = NULL, sent_ms = NULL"
        )

    async def returned(self, parts: Sequence[Attempt], *, unsure: bool, reason: str | None = None) -> None:
        """Take records out of their job, to be sent one by one; `unsure` ones are looked up first."""
        single = "unsure = :unsure, bulk_at = NULL, bulk_job = NULL, reason = :reason"
        await self._change([part.record for part in parts], single, unsure=unsure, reason=reason)
