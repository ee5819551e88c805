"""The transactions on the bot's path, run right in the event loop while the database is free.

That takes about as long as waking another thread (docs/adr/0002 has the figures). Whatever is not plain, a lock held by
somebody else or an error, goes to the transactor's thread instead, so the loop never waits here.
"""

import sqlite3
from collections.abc import Callable
from typing import TypeVar

from rasa_kustomer.delivery.outbox.sqlite import SqliteTransactor

T = TypeVar("T")


class HotPath:
    """Runs short transactions without leaving the event loop.

    Args:
        transactor: Whose database it is; supplies a second connection to the same file.
    """

    def __init__(self, transactor: SqliteTransactor) -> None:
        self._transactor = transactor
        self._connection: sqlite3.Connection | None = None
        self._generation = 0

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Run `work` in a transaction and commit.

        Returns:
            Its result; None when it could not be done at once, and nothing was written.
        """
        try:
            connection = self._connect()
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return None
        try:
            result = work(connection)
            connection.execute("COMMIT")
        except Exception:  # noqa: BLE001 - the thread tries again, and tells the caller what is wrong
            self.close()  # rolls back
            return None
        return result

    def close(self) -> None:
        """Close the connection; the next transaction opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> sqlite3.Connection:
        if self._generation != self._transactor.generation:  # it has opened another file since
            self.close()
        if self._connection is None:
            self._connection = self._transactor.second_connection()
            self._generation = self._transactor.generation
        return self._connection
