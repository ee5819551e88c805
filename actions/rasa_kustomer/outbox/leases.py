"""Who works on a session: one process at a time, by a lease that expires unless it is prolonged."""

import os
import socket
from collections.abc import Collection
from uuid import uuid4

from rasa_kustomer.outbox.connection import Connection
from rasa_kustomer.outbox.database import Transactions, reading, transaction
from rasa_kustomer.outbox.entries import HANDOFF_KINDS, Kind, Lease, Record, known_identity, load
from rasa_kustomer.outbox.transitions import SAME_SESSION, same_session

LEASE_SECONDS = 15.0
RECORDS_PER_LEASE = 25
RECORDS_OF_A_BACKLOG = 100  # of a session that people have: as many as a bulk job takes
MAX_BACKOFF_SECONDS = 900.0  # longer than any delay we set; a later time means that the clock was set back
_KINDS = [kind.value for kind in Kind]
_HANDOFF_KINDS = [kind.value for kind in HANDOFF_KINDS]

_DUE = f"(not_before <= :now OR not_before > :now + {MAX_BACKOFF_SECONDS})"  # by a clock that may jump
_FREE = "(s.leased_by IS NULL OR s.leased_until <= lease_clock(:now))"
_PENDING = "SELECT 1 FROM kustomer_record WHERE session_id = s.id AND state = 'pending'"
_HANDOFF_WAITS = f"EXISTS ({_PENDING} AND kind IN :handoff_kinds AND {_DUE})"
_ONLY_ITS_CLOSING_WAITS = f"(s.closed AND NOT EXISTS ({_PENDING} AND kind <> 'close'))"
# During a rolling update a newer release may write what this one cannot read: such a session is left to the other.
_CANDIDATES = f"""
SELECT s.id FROM kustomer_session s
WHERE s.open_since IS NOT NULL AND {_DUE} AND {_FREE} AND EXISTS ({_PENDING} AND {_DUE})
    AND NOT EXISTS ({_PENDING} AND kind NOT IN :kinds) AND s.key NOT IN :but_not"""
_LEASE = f"SELECT * FROM kustomer_session s WHERE id IN :ids AND {_FREE} FOR UPDATE SKIP LOCKED"
_HOLD = """
UPDATE kustomer_session SET leased_by = :owner, leased_until = lease_clock(:now) + :seconds WHERE id IN :ids"""
_HELD = "SELECT id FROM kustomer_session WHERE id IN :ids AND leased_by = :owner ORDER BY id FOR UPDATE"
_DUE_RECORDS = f"""
SELECT id, key, kind, payload, unsure, attempts, bulk_at, bulk_job, sent_ms FROM kustomer_record
WHERE session_id = :session_id AND state = 'pending' AND {_DUE}
    AND EXISTS (SELECT 1 FROM kustomer_session WHERE {SAME_SESSION})"""
_HANDED_OFF = f"""
SELECT DISTINCT session_id FROM kustomer_record
WHERE session_id IN :ids AND state = 'pending' AND kind IN :handoff_kinds AND {_DUE}"""
_NEWEST_HANDOFF = """
SELECT max(r.id) AS id FROM kustomer_session s JOIN kustomer_record r ON r.session_id = s.id
WHERE s.escalated AND s.open_since IS NOT NULL AND r.state = 'pending' AND r.kind IN :handoff_kinds"""
_RELEASE = f"""
UPDATE kustomer_session AS s SET leased_by = NULL, open_since = CASE WHEN EXISTS ({_PENDING}) THEN open_since END"""
_WAIT = """, attempts = attempts + :failed,
    not_before = CASE WHEN escalated = :escalated THEN CAST(:until AS FLOAT) ELSE 0.0 END"""


def new_owner() -> str:
    """Name under which this process leases sessions: host, process id, and a random part."""
    return f"{socket.gethostname()}/{os.getpid()}/{uuid4().hex[:8]}"


class Leases(Transactions):
    """Leases sessions that have something to deliver, with the records that are due."""

    async def lease(
        self,
        limit: int,
        *,
        escalated: bool | None = None,
        handoff: bool | None = None,
        closing: bool | None = None,
        but_not: Collection[str] = (),
    ) -> list[Lease]:
        """Lease sessions that have something to deliver, with the first of their due records and those of a handoff.

        Args:
            limit: How many sessions at most.
            escalated: Only those a human has, or only the others; None for both.
            handoff: Only those of which a note or a ticket waits, or only the others; None for both.
            closing: Only those that have nothing but their closing waiting, or only the others; None for both.
            but_not: Keys of the sessions under way; after a stall this process's own leases may have expired.
        """
        wanted = [
            f"{'' if yes else 'NOT '}({condition})"
            for yes, condition in (
                (escalated, "s.escalated"),
                (handoff, f"s.escalated AND {_HANDOFF_WAITS}"),
                (closing, _ONLY_ITS_CLOSING_WAITS),
            )
            if yes is not None
        ]
        ids = await self._candidates(wanted, limit, list(but_not))
        return await self._lease(ids) if ids else []

    @reading
    def _candidates(self, c: Connection, wanted: list[str], limit: int, but_not: list[str]) -> list[int]:
        """Sessions that have due records and that nobody holds; handed-off ones first, then the longest waiting."""
        conditions = "".join(f" AND {one}" for one in wanted)
        return c.column(
            f"{_CANDIDATES}{conditions} ORDER BY s.escalated DESC, s.open_since LIMIT :limit",
            now=self.now(),
            kinds=_KINDS,
            handoff_kinds=_HANDOFF_KINDS,
            but_not=but_not,
            limit=limit,
        )

    @transaction
    def _lease(self, c: Connection, ids: list[int]) -> list[Lease]:
        """Take those of the sessions that are still free."""
        now = self.now()
        leases = {
            row["id"]: Lease(
                id=row["id"],
                key=row["key"],
                sender_id=row["sender_id"],
                identity=known_identity(row["identity"]),
                customer_id=row["customer_id"],
                conversation_id=row["conversation_id"],
                creating=bool(row["creating"]),
                escalated=bool(row["escalated"]),
                attempts=row["attempts"],
                last_sent_ms=row["last_sent_ms"],
                bulk_at=row["bulk_at"],
            )
            for row in c.rows(_LEASE, ids=ids, now=now)
        }
        c.change(_HOLD, ids=list(leases), owner=self.owner, now=now, seconds=LEASE_SECONDS)
        leased = [leases[one] for one in ids if one in leases]
        for lease in leased:
            lease.records = self._due(c, lease)
        return leased

    @reading
    def due(self, c: Connection, lease: Lease) -> list[Record]:
        """The due records of a leased session, read again."""
        return self._due(c, lease)

    def _due(self, c: Connection, lease: Lease) -> list[Record]:
        """The first of a session's due records in order, and those of its handoff, whatever precedes them."""
        most = RECORDS_OF_A_BACKLOG if lease.escalated else RECORDS_PER_LEASE
        values = {"now": self.now(), "most": most, **same_session(lease, self.owner)}
        rows = c.rows(f"{_DUE_RECORDS} ORDER BY id LIMIT :most", **values)
        if len(rows) == most and lease.escalated:
            later = f"{_DUE_RECORDS} AND id > :last AND kind IN :handoff_kinds ORDER BY id LIMIT :most"
            rows += c.rows(later, last=rows[-1]["id"], handoff_kinds=_HANDOFF_KINDS, **values)
        return [
            Record(
                row["id"],
                row["key"],
                Kind(row["kind"]),
                load(row["payload"]),
                bool(row["unsure"]),
                row["attempts"],
                bulk_at=row["bulk_at"],
                bulk_job=row["bulk_job"],
                sent_ms=row["sent_ms"],
            )
            for row in rows
        ]

    async def handed_off(self, ids: Collection[int]) -> set[int]:
        """Those of the sessions of which a note or a ticket is pending, whichever process recorded it."""
        return await self._handed_off(list(ids)) if ids else set()

    @reading
    def _handed_off(self, c: Connection, ids: list[int]) -> set[int]:
        return set(c.column(_HANDED_OFF, ids=ids, handoff_kinds=_HANDOFF_KINDS, now=self.now()))

    @reading
    def newest_handoff(self, c: Connection) -> int:
        """Number of the newest note or ticket that waits; 0 when none does."""
        return c.value(_NEWEST_HANDOFF, handoff_kinds=_HANDOFF_KINDS) or 0

    @transaction
    def heartbeat(self, c: Connection, ids: Collection[int]) -> None:
        """Prolong the leases of these sessions, as far as they are still ours; all others run out."""
        held = c.column(_HELD, ids=list(ids), owner=self.owner)
        c.change(_HOLD, ids=held, owner=self.owner, now=self.now(), seconds=LEASE_SECONDS)

    @transaction
    def free_dead_owners(self, c: Connection) -> None:
        """Free the leases of killed processes of this host, without waiting for them to run out.

        On SQLite only, whose processes share a host. On PostgreSQL two containers may bear the same host name and
        process id and both be alive, so there leases run out.
        """
        if not c.is_sqlite:
            return
        host, pid, _ = self.owner.rsplit("/", 2)
        for name in c.column("SELECT DISTINCT leased_by FROM kustomer_session WHERE leased_by IS NOT NULL"):
            other_host, other_pid, _ = name.rsplit("/", 2)
            if name != self.owner and other_host == host and (other_pid == pid or not _alive(int(other_pid))):
                c.change("UPDATE kustomer_session SET leased_by = NULL WHERE leased_by = :name", name=name)

    @transaction
    def release(self, c: Connection, lease: Lease, *, wait_seconds: float | None = None, failed: bool = True) -> None:
        """Release a session. One that was handed off since it was leased does not wait.

        Args:
            c: With an open transaction.
            lease: The session.
            wait_seconds: Do not lease it again before this time has passed.
            failed: Whether the wait counts as a failed attempt.
        """
        ours = same_session(lease, self.owner)
        c.row(f"SELECT id FROM kustomer_session WHERE {SAME_SESSION} FOR UPDATE", **ours)
        wait: dict[str, object] = {}
        if wait_seconds is not None:
            wait = {"failed": int(failed), "escalated": lease.escalated, "until": self.now() + wait_seconds}
        c.change(f"{_RELEASE}{_WAIT if wait else ''} WHERE {SAME_SESSION}", **ours, **wait)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
