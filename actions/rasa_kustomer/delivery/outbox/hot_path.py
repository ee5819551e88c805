"""The transactions on the bot's path, run right in the event loop while the database is free.

That takes about as long as waking another thread (docs/adr/0002 has the figures). Whatever is not plain, a lock held by
somebody else, an error or another file, goes to the thread instead, so the loop never waits here.
"""

import sqlite3
from collections.abc import Callable
from typing import TypeVar

from rasa_kustomer.delivery.outbox.sqlite_file import SqliteFile

T = TypeVar("T")


class NotAtOnceError(Exception):
    """It could not be done without waiting; what was written, if anything, is in a file that is used no more."""


class HotPath:
    """Runs short transactions without leaving the event loop.

    Args:
        file: Supplies a second connection to it, once the thread has opened it.
    """

    def __init__(self, file: SqliteFile) -> None:
        self._file = file
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Run `work` in a transaction and commit.

        Raises:
            NotAtOnceError: The thread is to do it.
        """
        try:
            connection = self._connect()
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:  # as a rule somebody else has the lock
            raise NotAtOnceError from None
        except (sqlite3.Error, OSError):
            self.close()
            raise NotAtOnceError from None
        try:
            result = work(connection)
            connection.execute("COMMIT")
        except Exception:  # noqa: BLE001 - the thread tries again, and tells the caller what is wrong
            self.close()  # rolls back
            raise NotAtOnceError from None
        if not self._file.has(self._identity):  # it was renamed meanwhile
            self.close()
            raise NotAtOnceError
        return result

    def close(self) -> None:
        """Close the connection; the next transaction opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> sqlite3.Connection:
        if not self._file.has(self._identity):
            self.close()
        if self._connection is None:
            self._connection, self._identity = self._file.second_connection()
        return self._connection
