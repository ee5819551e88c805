"""Periodic work: remove what was settled long ago, and forget whom it was about (KUSTOMER_RETENTION_DAYS)."""

import asyncio
import json
import logging
import sqlite3
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

from rasa_kustomer.outbox.connection import Connection
from rasa_kustomer.outbox.database import reading, transaction
from rasa_kustomer.outbox.entries import dump
from rasa_kustomer.outbox.schema import DEAD, DELIVERED, EMPTIED
from rasa_kustomer.outbox.tidying import AT_REST, REMOVED_AT_ONCE, Ids, Surprised, Tidying

logger = logging.getLogger(__name__)

LOG_SECONDS = 2.0
WIPED = "its text was deleted, it is too old (KUSTOMER_RETENTION_DAYS, or rasa-kustomer outbox purge)"

# Records of sessions that had a turn since are kept, so that a server which reads their tracker again knows them.
_SETTLED = """
FROM kustomer_record r JOIN kustomer_session s ON s.id = r.session_id
WHERE r.state = :state AND r.settled_at < :before AND s.last_turn_at < :before"""
_PURGEABLE = f"SELECT r.id {_SETTLED} AND r.id NOT IN :but_not ORDER BY r.id LIMIT {REMOVED_AT_ONCE}"
_TO_PURGE = f"""
SELECT r.id, r.session_id, r.payload {_SETTLED} AND r.id IN :ids FOR UPDATE OF r SKIP LOCKED"""
_COUNT_PURGED = """
UPDATE kustomer_session SET purged = purged + :count,
    purged_ms = CASE WHEN purged_ms > :newest THEN purged_ms ELSE :newest END
WHERE id = :id"""
# A session without any other record is not met by `_forget` afterwards.
_COUNT_DEAD = """
UPDATE kustomer_session SET accepted = accepted - :count,
    identity = CASE WHEN accepted = :count THEN :emptied ELSE identity END,
    purged_ms = CASE WHEN purged_ms > :newest THEN purged_ms ELSE :newest END
WHERE id = :id"""
_FORGETTABLE = f"{AT_REST} AND s.identity <> '{EMPTIED}' AND s.last_turn_at < :before"
_NAMED = f"""
SELECT s.id FROM kustomer_session s WHERE {_FORGETTABLE} AND s.id NOT IN :but_not
ORDER BY s.last_turn_at LIMIT {REMOVED_AT_ONCE}"""
_FORGET = f"UPDATE kustomer_session AS s SET identity = :emptied WHERE s.id IN :ids AND {_FORGETTABLE}"
_TEXTS = f"""
SELECT r.id {_SETTLED} AND s.open_since IS NULL AND (r.reason IS NULL OR r.reason <> :wiped)
    AND r.id NOT IN :but_not ORDER BY r.id LIMIT {REMOVED_AT_ONCE}"""
_TO_WIPE = "SELECT id, payload FROM kustomer_record WHERE id IN :ids AND state = 'dead'"
_WIPE = "UPDATE kustomer_record SET payload = :payload, reason = :wiped WHERE id = :id AND state = 'dead'"


class Removed(NamedTuple):
    """What one batch removed.

    Attributes:
        records: Delivered records that were deleted.
        sessions: Sessions whose identity was removed.
        texts: Dead records that lost their texts.
    """

    records: int = 0
    sessions: int = 0
    texts: int = 0


class Retention(Tidying):
    """The periodic removal; several processes may do it at once."""

    @reading
    def count_purgeable(self, c: Connection, *, older_than_seconds: float, dead: bool = False) -> int:
        """How many records `purge` would delete in all."""
        return int(c.value(f"SELECT count(*) {_SETTLED}", **self._settled(older_than_seconds, dead=dead)))

    async def purge(
        self, *, older_than_seconds: float, dead: bool = False, surprised: Surprised = logger.warning
    ) -> int:
        """Delete one batch of settled records older than a time; returns how many (0: done)."""
        values = self._settled(older_than_seconds, dead=dead)
        return await self._batch(_PURGEABLE, values, lambda ids: self._purge(ids, values), surprised)

    def _settled(self, older_than_seconds: float, *, dead: bool) -> dict[str, Any]:
        return {"state": DEAD if dead else DELIVERED, "before": self.now() - older_than_seconds}

    @transaction
    def _purge(self, c: Connection, ids: Ids, values: dict[str, Any]) -> int:
        """Delete those of the records that may still be deleted, once also when two do it at the same time."""
        chosen = c.rows(_TO_PURGE, ids=ids, **values)
        moments = defaultdict[int, list[int]](list)
        for row in chosen:
            moments[row["session_id"]].append(_at_ms(row["payload"]))
        c.change_each(
            _COUNT_DEAD if values["state"] == DEAD else _COUNT_PURGED,
            [
                {"id": session_id, "count": len(theirs), "newest": max(theirs), "emptied": EMPTIED}
                for session_id, theirs in sorted(moments.items())
            ],
        )
        c.change("DELETE FROM kustomer_record WHERE id IN :ids", ids=[row["id"] for row in chosen])
        return len(chosen)

    async def retire(self, *, older_than_seconds: float, surprised: Surprised = logger.warning) -> Removed:
        """Remove one batch of all that is older than a time: delivered records, then who it was and what died.

        What a session has waiting stays with all that its delivery needs; "was recorded already", the ticket's
        reference and the counts stay too. At the end nothing of what went can be read from the files.

        Returns:
            How much went; nothing: done.
        """
        if deleted := await self.purge(older_than_seconds=older_than_seconds, surprised=surprised):
            return Removed(records=deleted)
        values = self._settled(older_than_seconds, dead=True)
        before = values["before"]
        forgotten = await self._batch(_NAMED, {"before": before}, lambda ids: self._forget(ids, before), surprised)
        wiped = await self._batch(_TEXTS, {**values, "wiped": WIPED}, self._wipe, surprised)
        if not forgotten and not wiped and self.database.path is not None:
            await asyncio.to_thread(_empty_log, self.database.path)
        return Removed(sessions=forgotten, texts=wiped)

    @transaction
    def _forget(self, c: Connection, ids: Ids, before: float) -> int:
        """Remove who it was, of those of the sessions that are still at rest."""
        return c.change(_FORGET, ids=ids, before=before, emptied=EMPTIED)

    @transaction
    def _wipe(self, c: Connection, ids: Ids) -> int:
        """The rows stay, to show what was refused, and so that messages are known when they come again."""
        found = c.rows(_TO_WIPE, ids=ids)
        times = {row["id"]: dump({"at_ms": _at_ms(row["payload"])}) for row in found}
        c.change_each(_WIPE, [{"id": id_, "payload": time, "wiped": WIPED} for id_, time in times.items()])
        return len(found)


def _at_ms(payload: str) -> int:
    """When a record's message was said; 0 for what has no time, or cannot be read."""
    try:
        return int(json.loads(payload).get("at_ms") or 0)
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return 0


def _empty_log(path: Path) -> None:
    """Move what was written into the file, where deleted things are overwritten, and empty the log that still has them.

    While others read, some of it stays until the next time.
    """
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=LOG_SECONDS)
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
        finally:
            connection.close()
    except sqlite3.Error as error:
        logger.debug("The outbox's log could not be emptied this time: %s", type(error).__name__)
