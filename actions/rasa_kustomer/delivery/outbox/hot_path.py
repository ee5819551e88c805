"""The one transaction on the bot's path, run right in the event loop while the database is free.

That takes about as long as waking another thread (docs/adr/0002 has the figures). Whatever is not plain (a lock held
by somebody else, a new session, an error) goes to the transactor's thread instead, so the loop never waits here.
"""

import sqlite3
from collections.abc import Sequence

from rasa_kustomer.delivery.outbox.entries import NewRecord
from rasa_kustomer.delivery.outbox.recording import INSERT, TOUCH, record_rows
from rasa_kustomer.delivery.outbox.transactor import Transactor


class HotPath:
    """Records turns of a known session without leaving the event loop.

    Args:
        transactor: Whose database it is; supplies a second connection to the same file.
    """

    def __init__(self, transactor: Transactor) -> None:
        self._transactor = transactor
        self._connection: sqlite3.Connection | None = None

    def record(self, session_id: int, new: Sequence[NewRecord], now: float) -> int | None:
        """Accept records of a session whose row is known.

        Returns:
            How many were new; None when it could not be done at once, and nothing was written.
        """
        try:
            connection = self._connection or self._open()
            connection.execute("BEGIN IMMEDIATE")
        except (sqlite3.Error, OSError):
            self.close()
            return None
        try:
            cursor = connection.executemany(*INSERT.for_driver(record_rows(session_id, new, now)))
            added = cursor.rowcount
            if added:
                connection.executemany(*TOUCH.for_driver([{"session": session_id, "added": added, "now": now}]))
            connection.execute("COMMIT")
        except sqlite3.Error:
            self.close()  # rolls back; the thread tries again and names the error
            return None
        return added

    def close(self) -> None:
        """Close the connection; the next call opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        self._connection = self._transactor.second_connection()
        return self._connection
