"""Periodic work on sessions: close those that are idle, and correct those that were left marked as open.

Each transaction is short, since turns wait while it writes. After an unexpected error rows are processed one by one, so
that a row that cannot be processed holds up no other.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from rasa_kustomer.failures import describe_error
from rasa_kustomer.outbox.connection import Connection
from rasa_kustomer.outbox.database import Transactions, reading, transaction
from rasa_kustomer.outbox.errors import OutboxUnavailableError

logger = logging.getLogger(__name__)

Ids = list[int]
Surprised = Callable[[str], Any]

CLOSED_AT_ONCE = 100
REMOVED_AT_ONCE = 1_000
FAILURES_TO_GIVE_UP = 3  # of rows in a row: it is the database then, and no row

_WAITS = "EXISTS (SELECT 1 FROM kustomer_record WHERE session_id = s.id AND state = 'pending')"
AT_REST = f"s.open_since IS NULL AND s.accepted > 0 AND NOT {_WAITS}"  # as the indexes of such sessions have it
_CLOSABLE = f"""
FROM kustomer_session s WHERE {AT_REST} AND s.closed = false AND s.escalated = false
    AND s.conversation_id IS NOT NULL AND s.last_turn_at < :before"""
_IDLE = f"SELECT s.id {_CLOSABLE} AND s.id NOT IN :but_not ORDER BY s.last_turn_at LIMIT {CLOSED_AT_ONCE}"
# What another process closes just now is none of ours.
_TO_CLOSE = f"SELECT s.id, s.key, s.last_turn_at {_CLOSABLE} AND s.id IN :ids FOR UPDATE SKIP LOCKED"
_ADD_CLOSING = """
INSERT INTO kustomer_record (session_id, key, kind, payload, state, unsure, attempts, not_before, created_at)
VALUES (:session_id, :key, 'close', '{}', 'pending', false, 0, 0.0, :now)"""
_COUNT_CLOSING = "UPDATE kustomer_session SET accepted = accepted + 1, open_since = :now WHERE id IN :ids"
_LEFT_OPEN = f"""
SELECT s.id FROM kustomer_session s
WHERE s.open_since IS NOT NULL AND NOT (s.leased_by IS NOT NULL AND s.leased_until > :now) AND NOT {_WAITS}
LIMIT {REMOVED_AT_ONCE} FOR UPDATE SKIP LOCKED"""
_LET_GO = f"UPDATE kustomer_session AS s SET open_since = NULL WHERE id IN :ids AND NOT {_WAITS}"


class Tidying(Transactions):
    """The periodic work; several processes may do it at once.

    Every method is a few transactions and raises `OutboxUnavailableError` when the database cannot be used just now.
    """

    @transaction
    def let_go(self, c: Connection) -> None:
        """Correct sessions that are marked as open since a process died between their last record and release."""
        if ids := c.column(_LEFT_OPEN, now=self.now()):
            c.change(_LET_GO, ids=ids)

    async def close_idle(self, minutes: float, *, surprised: Surprised = logger.warning) -> int:
        """Queue the closing of one batch of conversations that were quiet for `minutes` and never handed off.

        Args:
            minutes: How long they were quiet.
            surprised: Called with the place in the code that failed for a row, which is then skipped.

        Returns:
            How many were queued (0: done).
        """
        before = self.now() - minutes * 60
        return await self._batch(_IDLE, {"before": before}, lambda ids: self._close(ids, before), surprised)

    @transaction
    def _close(self, c: Connection, ids: Ids, before: float) -> int:
        """Queue the closing of the sessions' conversations, and remember it until their next turns.

        Its key has the time of the last accepted turn, not of the last sent one: a turn that was refused reopens a
        session too, and its second closing needs a key of its own.
        """
        c.effects.append(self.work_arrived.set)
        found, now = c.rows(_TO_CLOSE, ids=ids, before=before), self.now()
        keys = {row["id"]: f"{row['key']}:close:{int(row['last_turn_at'] * 1000)}" for row in found}
        known = set(c.column("SELECT key FROM kustomer_record WHERE key IN :keys", keys=list(keys.values())))
        new = [{"session_id": id_, "key": key, "now": now} for id_, key in keys.items() if key not in known]
        c.change_each(_ADD_CLOSING, new)
        c.change(_COUNT_CLOSING, ids=[one["session_id"] for one in new], now=now)
        c.change("UPDATE kustomer_session SET closed = true WHERE id IN :ids", ids=list(keys))
        return len(found)

    @reading
    def _find(self, c: Connection, sql: str, values: dict[str, Any]) -> Ids:
        return c.column(sql, **values)

    async def _batch(
        self, find: str, values: dict[str, Any], work: Callable[[Ids], Awaitable[int]], surprised: Surprised
    ) -> int:
        """Process the first rows for which something can be done; returns how many."""
        failed: Ids = []
        while ids := await self._find(find, {**values, "but_not": failed}):
            if done := await _deal_with(ids, work, surprised):
                return done
            failed += ids
        return 0


async def _deal_with(ids: Ids, work: Callable[[Ids], Awaitable[int]], surprised: Surprised) -> int:
    try:
        return await work(ids)
    except Exception:  # noqa: BLE001 - told below, row by row
        done = failed = 0
    for one in ids:
        try:
            done += await work([one])
            failed = 0
        except Exception as error:
            failed += 1
            if isinstance(error, OutboxUnavailableError) and failed >= FAILURES_TO_GIVE_UP:
                raise
            surprised(f"A row of the outbox was skipped because tidying it failed: {describe_error(error)}")
    return done
