"""The file of an SQLite outbox: opened, watched, and replaced when it is damaged.

Other processes may replace it at any moment, and people move it by hand. So before and after each transaction we look
whether the file at the path is the one that is open, and do the work once more where it is not.
"""

import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from rasa_kustomer.delivery.outbox import damage
from rasa_kustomer.delivery.outbox.damage import Identity
from rasa_kustomer.delivery.outbox.schema import check_version, prepare
from rasa_kustomer.delivery.outbox.sqlite_engine import connect, log_of, look, make_engine, use
from rasa_kustomer.delivery.outbox.transactor import Access, OutboxUnavailableError

logger = logging.getLogger(__name__)

MOST_REPLACEMENTS = 3
DAMAGED = (
    "the file is damaged. Nothing was changed: a running action server or worker sets it aside by itself when it comes"
    f" upon the damage. What to do then: {damage.GUIDE}"
)


class SqliteFile:
    """One database and our connection to it; belongs to one thread, but for `has` and `second_connection`.

    Args:
        path: None for a database in memory.
        access: What may be done with the file.
        now: Clock in epoch seconds.
    """

    def __init__(self, path: Path | None, access: Access, now: Callable[[], float]) -> None:
        self.path, self._access, self._now = path, access, now
        self._connection: Connection | None = None
        self._identity: Identity | None = None  # of the file that is open, or was to be opened
        self._logged = False  # whether that one had a log
        self._begin = "BEGIN"

    def has(self, identity: Identity | None) -> bool:
        """Whether this is the file that stands at the path now."""
        return self.path is None or (identity is not None and damage.identity(self.path) == identity)

    def second_connection(self) -> tuple[sqlite3.Connection, Identity]:
        """A connection for the event loop and the file that it is to: it never waits for a lock.

        It leaves checkpoints to the thread, since they are the commits that wait for the disk.

        Raises:
            sqlite3.Error: The database cannot be opened, or has not been made yet.
        """
        identity = self._identity
        if self._connection is None or self.path is None or identity is None or not self.has(identity):
            raise sqlite3.OperationalError("not opened by the thread yet")
        connection = connect(self.path, "rw", busy_timeout_ms=0)
        connection.execute("PRAGMA wal_autocheckpoint=0")
        return connection, identity

    def commit(self, work: Callable[[Connection], None], *, writes: bool) -> None:
        """Run `work` in a transaction of the file that stands at the path, a new one if that is damaged.

        It may run more than once, but counts once.

        Raises:
            Exception: What `work` or the driver raised; nothing was written.
        """
        try:
            self._commit(work, writes=writes)
        except Exception as error:
            cause = cause_of(error)
            damaged = self.path is not None and damage.is_damage(cause)
            if damaged and self._access is Access.SERVE:
                if not self._replace(work, writes=writes):
                    self._commit(work, writes=writes)
                return
            if isinstance(cause, sqlite3.Error):
                self.close()  # what is opened anew is prepared anew, whatever became of it
            if damaged:
                raise OutboxUnavailableError(DAMAGED) from None
            raise

    def checkpoint(self) -> None:
        """Move the log into the database file; the event loop's commits leave that to us."""
        if self._connection is None or self._access is Access.LOOK:
            return
        try:
            self._connection.connection.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)")
        except sqlite3.Error as error:
            logger.debug("The outbox's log was not moved just now: %s", type(error).__name__)

    def close(self) -> None:
        """Close the connection; the next transaction opens it again."""
        if self._connection is not None:
            engine = self._connection.engine
            self._connection.close()
            engine.dispose()
            self._connection = None

    def _replace(self, work: Callable[[Connection], None], *, writes: bool) -> bool:
        """Set the file aside, if it is still the one that showed damage, and shows it to a fresh connection too.

        Returns:
            Whether it proved sound, and the work is done.
        """
        path = self.path
        assert path is not None  # noqa: S101 - what is in memory is not damaged
        with damage.alone(path):
            same = self.has(self._identity)
            self.close()  # not before: the number of a file that is open is given to no other
            if not same:
                return False
            try:
                self._commit(work, writes=writes)
            except Exception as error:
                self.close()
                if not damage.is_damage(cause_of(error)):
                    raise
                damage.set_aside(path.resolve())
                return False
            return True

    def _commit(self, work: Callable[[Connection], None], *, writes: bool) -> None:
        for _ in range(MOST_REPLACEMENTS):
            if self._connection is not None and not self._is_current():
                self.close()
            connection = self._connection or self._connect()
            self._begin = "BEGIN IMMEDIATE" if writes else "BEGIN"
            with connection.begin():
                work(connection)
            if self._is_current():
                return
        raise OutboxUnavailableError("its file is replaced all the time")

    def _is_current(self) -> bool:
        if self.path is not None and self._access is Access.LOOK and log_of(self.path).exists() is not self._logged:
            return False
        return self.has(self._identity)

    def _connect(self) -> Connection:
        path = self.path
        if path is None:
            return self._open(lambda: use(None, "rwc"))
        self._identity = damage.identity(path)
        if self._access is Access.LOOK:
            self._logged = log_of(path).exists()
            return self._open(lambda: look(path))
        if self._access is Access.SERVE and self._identity is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            with damage.alone(path):
                if damage.identity(path) is None:
                    damage.keep_logs(path.resolve())
                    return self._open(lambda: use(path, "rwc"))
        return self._open(lambda: use(path, "rw"))

    def _open(self, open_: Callable[[], sqlite3.Connection]) -> Connection:
        # Taking the write lock first leaves nothing to be upgraded, and so no deadlock.
        self._begin = "BEGIN" if self._access is Access.LOOK else "BEGIN IMMEDIATE"
        engine = make_engine(open_, lambda: self._begin)
        try:
            connection = engine.connect()
            with connection.begin():
                if self._access is Access.SERVE:
                    prepare(connection, self._now())
                else:
                    check_version(connection)
            self._opened()
        except BaseException:
            engine.dispose()
            raise
        self._connection = connection
        return connection

    def _opened(self) -> None:
        """Be sure which file it is that was opened."""
        if self.path is None:
            return
        found = damage.identity(self.path)
        if self._identity not in {None, found}:
            raise OutboxUnavailableError("its file was replaced at this moment")
        self._identity = found


def cause_of(error: Exception) -> BaseException:
    """The driver's own error, whether it came through SQLAlchemy or not."""
    return error.orig if isinstance(error, DBAPIError) and error.orig else error
