"""The outbox as its operator sees it: counts, listing, retry, and by inheritance the periodic work."""

from typing import Any

from rasa_kustomer.outbox import tally
from rasa_kustomer.outbox.connection import Connection, Row
from rasa_kustomer.outbox.database import reading, transaction
from rasa_kustomer.outbox.entries import Counts, load
from rasa_kustomer.outbox.retention import WIPED, Retention

# A process that died between a session's last record and its release left `open_since` behind: look for yourself.
_OLDEST = """
SELECT s.open_since FROM kustomer_session s
WHERE s.open_since IS NOT NULL
    AND EXISTS (SELECT 1 FROM kustomer_record WHERE session_id = s.id AND state = 'pending')
ORDER BY s.open_since LIMIT 1"""
_COLUMNS = """r.id, r.key, r.kind, r.state, r.attempts, r.reason, r.kustomer_id, r.created_at, r.settled_at, r.payload,
    s.key AS session, s.conversation_id"""
_FROM = "FROM kustomer_record r JOIN kustomer_session s ON s.id = r.session_id WHERE r.id > :after"
_CHOSEN = "state = 'dead' AND coalesce(reason <> :wiped, true)"
_TO_RETRY = """
SELECT s.id FROM kustomer_session s WHERE s.id IN :ids OR s.not_before > 0
    OR EXISTS (SELECT 1 FROM kustomer_record WHERE session_id = s.id AND state = 'pending' AND not_before > 0)
ORDER BY s.id FOR UPDATE"""
_REVIVE = "UPDATE kustomer_record SET state = 'pending', not_before = 0.0, unsure = true, settled_at = NULL WHERE "
_REOPEN = "UPDATE kustomer_session SET open_since = coalesce(open_since, :now) WHERE id IN :ids"


def counts(c: Connection) -> Counts:
    """How many records were accepted, and where they are now; costs what is pending and dead, whatever the age."""
    kept = tally.installed(c)  # not where a release 0.1 wrote the outbox, and we may only look
    accepted, delivered = (tally.read if kept else tally.exact)(c)
    pending = int(c.value("SELECT count(*) FROM kustomer_record WHERE state = 'pending'"))
    dead = int(c.value("SELECT count(*) FROM kustomer_record WHERE state = 'dead'"))
    return Counts(accepted, delivered, pending, dead, oldest_pending_at=c.value(_OLDEST))


class OutboxAdmin(Retention):
    """The outbox as its operator sees it, and its periodic work.

    Every method raises `OutboxUnavailableError` when the database cannot be used just now.
    """

    @transaction
    def recount(self, c: Connection) -> bool:
        """Count row by row, and correct the sums; returns whether they were right."""
        right = tally.read(c) == tally.exact(c)
        tally.recount(c)
        return right

    @reading
    def entries(
        self,
        c: Connection,
        *,
        state: str | None = None,
        session: str | None = None,
        kind: str | None = None,
        limit: int = 50,
        after: int = 0,
    ) -> list[dict[str, Any]]:
        """Records as dictionaries, oldest first, with ids above `after`."""
        where, values = _selection(state, session, kind)
        rows = c.rows(f"SELECT {_COLUMNS} {where} ORDER BY r.id LIMIT :limit", after=after, limit=limit, **values)
        return [_as_dict(row) for row in rows]

    @reading
    def count(self, c: Connection, *, state: str | None = None, session: str | None = None) -> int:
        """How many records `entries` would find without a limit."""
        where, values = _selection(state, session, None)
        return int(c.value(f"SELECT count(*) {where}", after=0, **values))

    @reading
    def entry(self, c: Connection, record_id: int) -> dict[str, Any] | None:
        """One record as a dictionary."""
        row = c.row(f"SELECT {_COLUMNS} {_FROM} AND r.id = :id", after=0, id=record_id)
        return None if row is None else _as_dict(row)

    @transaction
    def retry(self, c: Connection, ids: list[int] | None = None) -> int:
        """Requeue dead records (all, or some), except those without texts, and end all delays.

        Returns:
            How many dead records were requeued.
        """
        c.effects.append(self.work_arrived.set)
        values: dict[str, Any] = {"wiped": WIPED} | ({} if ids is None else {"chosen": ids})
        chosen = _CHOSEN if ids is None else f"{_CHOSEN} AND id IN :chosen"
        touched = c.column(f"SELECT DISTINCT session_id FROM kustomer_record WHERE {chosen}", **values)
        c.column(_TO_RETRY, ids=touched)
        revived = c.change(f"{_REVIVE}{chosen}", **values)
        c.change("UPDATE kustomer_record SET not_before = 0.0 WHERE state = 'pending' AND not_before > 0")
        c.change("UPDATE kustomer_session SET not_before = 0.0 WHERE not_before > 0")
        c.change(_REOPEN, now=self.now(), ids=touched)
        return revived


def _selection(state: str | None, session: str | None, kind: str | None) -> tuple[str, dict[str, str]]:
    """FROM and WHERE of the records that are looked for, and its parameters."""
    parts, values = [_FROM], dict[str, str]()
    for column, value in (("state", state), ("kind", kind)):
        if value is not None:
            parts.append(f"AND r.{column} = :{column}")
            values[column] = value
    if session is not None:
        parts.append("AND s.key LIKE :session ESCAPE '/'")
        escaped = session.replace("/", "//").replace("%", "/%").replace("_", "/_")
        values["session"] = f"%{escaped}%"
    return " ".join(parts), values


def _as_dict(row: Row) -> dict[str, Any]:
    return {**dict(row), "payload": load(row["payload"])}
