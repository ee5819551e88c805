"""The file of an SQLite outbox: opened, watched, and replaced when it is damaged.

Other processes may replace it at any moment, and people move it by hand. So before and after each transaction we check
that the file at the path is the one that is open, and repeat the work where it is not.
"""

import logging
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import TypeVar

from rasa_kustomer.outbox import damage
from rasa_kustomer.outbox.connection import Connection
from rasa_kustomer.outbox.errors import OutboxUnavailableError, SchemaTooNewError
from rasa_kustomer.outbox.schema import check_version, prepare

logger = logging.getLogger(__name__)

T = TypeVar("T")
MAX_REPLACEMENTS = 3
BUSY_TIMEOUT_MS = 5_000
PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600  # chats, names and addresses are for the bot's own user
PAGE_BYTES = 1_024  # a turn touches four pages and the log takes them whole; only counts when the file is made
# WAL lets `outbox status` read while we write; NORMAL keeps every commit through the death of the process (only a
# power cut may cost the last moments) without one fsync per turn. Checkpoints, which wait for the disk, are made beside
# a turn's commit. What is deleted is overwritten, whatever the local build of SQLite has as its default.
PRAGMAS = ("synchronous=NORMAL", "foreign_keys=ON", "secure_delete=ON", "wal_autocheckpoint=0")
DAMAGED = (
    "the file is damaged. Nothing was changed: a running action server or worker sets it aside by itself when it comes"
    f" upon the damage. What to do then: {damage.GUIDE}"
)


class Access(Enum):
    """What an outbox is opened for."""

    SERVE = "serve"  # to record or to deliver: it is made when there is none, and a damaged file is replaced
    CHANGE = "change"  # an operator's command changes what is there, and neither makes nor renames a file
    LOOK = "look"  # an operator's command only reads


class SqliteFile:
    """A file and one thread's connection to it.

    Args:
        path: Its folder is made on first use.
        access: What may be done with the file.
        now: Clock in epoch seconds.
    """

    def __init__(self, path: Path, access: Access, now: Callable[[], float]) -> None:
        self.path, self._access, self._now = path, access, now
        self._driver: sqlite3.Connection | None = None
        self._identity: damage.Identity | None = None  # of the file that is open, or was to be opened
        self._logged = False  # whether that one had a log

    def transact(self, work: Callable[[Connection], T], *, writes: bool, seconds: float | None = None) -> T:  # noqa: ARG002 - a file has no deadline but the busy timeout
        """Run `work` in a transaction of the file that stands at the path, a new one if that is damaged.

        It may run more than once, but counts once.

        Raises:
            OutboxUnavailableError: The file cannot be used just now; nothing was written.
        """
        try:
            return self._commit(work, writes=writes)
        except Exception as error:  # noqa: BLE001 - told apart below; whatever it is belongs to the caller
            try:
                return self._recover(error, work, writes=writes)
            except Exception as final:  # noqa: BLE001 - translated
                raise _translate(final) from None

    def checkpoint(self) -> None:
        """Move the log into the database file."""
        if self._driver is None or self._access is Access.LOOK:
            return
        try:
            self._driver.execute("PRAGMA wal_checkpoint(PASSIVE)").close()
        except sqlite3.Error as error:
            logger.debug("The outbox's log could not be checkpointed this time: %s", type(error).__name__)

    def close(self) -> None:
        """Close the connection; the next transaction opens it again."""
        if self._driver is not None:
            self._driver.close()
            self._driver = None

    def _recover(self, error: Exception, work: Callable[[Connection], T], *, writes: bool) -> T:
        damaged = damage.is_damage(error)
        if damaged and self._access is Access.SERVE:
            return self._replace(work, writes=writes)
        if isinstance(error, sqlite3.Error):
            self.close()  # what is opened anew is prepared anew, whatever became of it
        raise OutboxUnavailableError(DAMAGED) if damaged else error

    def _replace(self, work: Callable[[Connection], T], *, writes: bool) -> T:
        """Set the file aside, if it is still the one that showed damage, and shows it to a fresh connection too."""
        with damage.alone(self.path):
            same = self._is_there()
            self.close()  # not before: the number of a file that is open is given to no other
            if same:
                try:
                    return self._commit(work, writes=writes)  # it proved sound
                except Exception as error:
                    self.close()
                    if not damage.is_damage(error):
                        raise
                    damage.set_aside(self.path.resolve())
        return self._commit(work, writes=writes)

    def _commit(self, work: Callable[[Connection], T], *, writes: bool) -> T:
        for _ in range(MAX_REPLACEMENTS):
            if self._driver is not None and not self._is_current():
                self.close()
            result = _transact(self._driver or self._connect(), work, writes=writes)
            if self._is_current():
                return result
        raise OutboxUnavailableError("its file keeps being replaced")

    def _is_there(self) -> bool:
        return self._identity is not None and damage.identity(self.path) == self._identity

    def _is_current(self) -> bool:
        if self._access is Access.LOOK and log_of(self.path).exists() is not self._logged:
            return False
        return self._is_there()

    def _connect(self) -> sqlite3.Connection:
        path = self.path
        self._identity = damage.identity(path)
        if self._access is Access.LOOK:
            self._logged = log_of(path).exists()
            # Without a log nobody writes just now, and SQLite is told so: it would make a log of its own else.
            return self._open("ro" if self._logged else "ro&immutable=1")
        if self._access is Access.SERVE and self._identity is None:
            path.parent.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
            with damage.alone(path):
                if damage.identity(path) is None:
                    damage.keep_logs(path.resolve())
                    os.close(os.open(path, os.O_CREAT | os.O_WRONLY, PRIVATE_FILE))  # SQLite's logs follow it
        return self._open("rw")

    def _open(self, mode: str) -> sqlite3.Connection:
        driver = connect(self.path, mode)
        try:
            if self._access is not Access.LOOK:
                driver.execute(f"PRAGMA page_size={PAGE_BYTES}")
                _use_log(driver)
            if self._access is Access.SERVE:  # taking the write lock first leaves nothing to be upgraded: no deadlock
                _transact(driver, lambda connection: prepare(connection, self._now()), writes=True)
            else:
                _transact(driver, check_version, writes=self._access is Access.CHANGE)
            self._opened()
        except BaseException:
            driver.close()
            raise
        self._driver = driver
        return driver

    def _opened(self) -> None:
        """Make sure which file was opened."""
        found = damage.identity(self.path)
        if self._identity not in {None, found}:
            raise OutboxUnavailableError("its file has just been replaced")
        self._identity = found


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """A connection to a file; begins no transaction by itself.

    Args:
        path: The file.
        mode: SQLite's: `rwc` makes the file, `rw` and `ro` do not.
    """
    name = f"{path.resolve().as_uri()}?mode={mode}"
    driver = sqlite3.connect(
        name, uri=True, timeout=BUSY_TIMEOUT_MS / 1_000, check_same_thread=False, isolation_level=None
    )
    driver.row_factory = sqlite3.Row
    try:
        for pragma in PRAGMAS:
            driver.execute(f"PRAGMA {pragma}")
    except BaseException:
        driver.close()
        raise
    return driver


def log_of(path: Path) -> Path:
    """The file's write-ahead log, where there is one."""
    return path.with_name(path.name + "-wal")


def _transact(driver: sqlite3.Connection, work: Callable[[Connection], T], *, writes: bool) -> T:
    driver.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
    try:
        result = work(Connection(driver, is_sqlite=True))
        driver.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            driver.execute("ROLLBACK")
        raise
    return result


def _use_log(driver: sqlite3.Connection) -> None:
    """Switch a new file to WAL; SQLite's busy timeout does not apply to this, and another process may do it too."""
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1_000
    while True:
        try:
            driver.execute("PRAGMA journal_mode=WAL").close()
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _translate(error: Exception) -> Exception:
    """The error for the caller: not the driver's own, and without the content that was to be written."""
    if isinstance(error, (sqlite3.InterfaceError, sqlite3.ProgrammingError, OverflowError, UnicodeError)):
        return OutboxUnavailableError(type(error).__name__)  # what sqlite3 says of values
    if isinstance(error, (sqlite3.Error, SchemaTooNewError)):
        return OutboxUnavailableError(str(error))
    if isinstance(error, OSError):
        return OutboxUnavailableError(error.strerror or type(error).__name__)
    return error
