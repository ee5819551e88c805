"""One thread that owns the SQLite connection and runs transactions one after the other.

The event loop never touches the disk: it hands over a function and awaits its result. Everything that waits when the
thread comes round shares one commit, so that parallel conversations cost little more than one (docs/adr/0002).
"""

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from rasa_kustomer.delivery.outbox import damage, tasks
from rasa_kustomer.delivery.outbox.schema import SchemaTooNewError, prepare
from rasa_kustomer.delivery.outbox.sqlite_engine import PRAGMAS, make_engine
from rasa_kustomer.delivery.outbox.tasks import Task
from rasa_kustomer.delivery.outbox.transactor import OutboxUnavailableError

logger = logging.getLogger(__name__)

T = TypeVar("T")
MAX_WAITING = 1_000
CHECKPOINT_SECONDS = 5.0


class SqliteTransactor:
    """Runs functions inside transactions of one SQLite database.

    Args:
        url: SQLAlchemy URL of the database; its folder is made on first use.
        now: Clock in epoch seconds.
    """

    def __init__(self, url: str, *, now: Callable[[], float] = time.time) -> None:
        self._url, self._now = make_url(url).set(drivername="sqlite"), now
        self._tasks: SimpleQueue[Task[Any] | None] = SimpleQueue()  # None ends the thread
        self._thread: threading.Thread | None = None
        self._connection: Connection | None = None
        self.generation = 0  # changes whenever the database was opened anew
        self._checkpointed_at = time.monotonic()
        self._begin = "BEGIN"

    @property
    def path(self) -> Path | None:
        """File of the database; None when it lives in memory."""
        return _file_of(self._url)

    @property
    def place(self) -> str:
        """The file's path, or "in memory"."""
        return str(self.path or "in memory")

    async def run(self, work: Callable[[Connection], T], *, patience_seconds: float | None = None) -> T:
        """Run `work` in a transaction, commit, and return its result.

        `work` may run twice, when a neighbour in the same commit failed; it must have no effect but on the database.

        Args:
            work: What to do with the connection.
            patience_seconds: Longest wait; after it the caller gets an error though the work may still be done.

        Raises:
            OutboxUnavailableError: Nothing was written. The cause is named.
        """
        return await self._submit(work, patience_seconds, writes=True)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """As `run`, for work that only reads: it takes no lock and holds up no writer."""
        return await self._submit(work, None, writes=False)

    async def _submit(self, work: Callable[[Connection], T], patience_seconds: float | None, *, writes: bool) -> T:
        if self._tasks.qsize() >= MAX_WAITING:
            raise OutboxUnavailableError("too many transactions wait for the outbox: its disk is too slow or stuck")
        task = Task(work, asyncio.get_running_loop(), writes=writes)
        self._tasks.put(task)
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="kustomer-outbox", daemon=True)
            self._thread.start()
        if patience_seconds is None:
            return await task.future
        timer = task.loop.call_later(patience_seconds, task.give_up)
        try:
            return await task.future
        finally:
            timer.cancel()

    def second_connection(self) -> sqlite3.Connection:
        """A connection for the event loop: same database, but it never waits for a lock.

        It leaves checkpoints to the thread, since they are the commits that wait for the disk.

        Raises:
            sqlite3.Error: The database cannot be opened, or has not been made yet.
        """
        if self._connection is None or self.path is None:
            raise sqlite3.OperationalError("not opened by the thread yet")
        connection = sqlite3.connect(
            f"{self.path.resolve().as_uri()}?mode=rw", uri=True, timeout=0, isolation_level=None
        )
        for pragma in (*PRAGMAS, "wal_autocheckpoint=0"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    async def close(self) -> None:
        """Finish what waits, close the connection and end the thread."""
        if self._thread is None:
            return
        self._tasks.put(None)
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join)
        self._thread = None

    def _serve(self) -> None:
        task = self._tasks.get()
        while task is not None:
            batch, task = self._drain(task)
            self._transact(batch)
            tasks.resolve(batch)
            self._checkpoint()
            if task is batch[-1]:
                task = self._tasks.get()
        self._disconnect()

    def _drain(self, first: Task[Any]) -> tuple[list[Task[Any]], Task[Any] | None]:
        """Everything that waits by now, and the last thing taken: the end sign, if it was among it."""
        batch, task = [first], first
        while not self._tasks.empty():
            following = self._tasks.get()
            if following is None:
                return batch, None
            batch.append(task := following)
        return batch, task

    def _transact(self, batch: list[Task[Any]]) -> None:
        try:
            self._commit(batch)
        except Exception as error:  # noqa: BLE001 - whatever a task raises belongs to its caller, not to this thread
            if self._set_aside_if_damaged(error):
                self._transact(batch)
            elif len(batch) > 1 and not isinstance(_cause(error), (sqlite3.OperationalError, OSError)):
                for task in batch:  # one task's own mistake must not cost its neighbours their commit
                    self._transact([task])
            else:
                for task in batch:
                    task.error = _translate(error)

    def _commit(self, batch: list[Task[Any]]) -> None:
        connection = self._connection or self._connect()
        self._begin = "BEGIN IMMEDIATE" if any(task.writes for task in batch) else "BEGIN"
        with connection.begin():
            for task in batch:
                task.attempt(connection)

    def _checkpoint(self) -> None:
        """Move the log into the database file now and then; the event loop's commits leave that to this thread."""
        if self._connection is None or time.monotonic() - self._checkpointed_at < CHECKPOINT_SECONDS:
            return
        self._checkpointed_at = time.monotonic()
        try:
            self._connection.connection.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)")
        except sqlite3.Error as error:
            logger.debug("The outbox's log was not moved just now: %s", type(error).__name__)

    def _connect(self) -> Connection:
        path = self.path
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        # Taking the write lock first leaves nothing to be upgraded, and so no deadlock.
        self._begin = "BEGIN IMMEDIATE"
        engine = make_engine(self._url, lambda: self._begin)
        connection = engine.connect()
        try:
            with connection.begin():
                prepare(connection, self._now())
        except BaseException:
            connection.close()
            engine.dispose()
            raise
        self._connection = connection
        self.generation += 1
        return connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            engine = self._connection.engine
            self._connection.close()
            engine.dispose()
            self._connection = None

    def _set_aside_if_damaged(self, error: Exception) -> bool:
        path = self.path
        if path is None or not damage.is_damage(_cause(error)):
            return False
        self._disconnect()
        damage.set_aside(path)
        return True


def _cause(error: Exception) -> BaseException:
    """The driver's own error, whether it came through SQLAlchemy or not."""
    return error.orig if isinstance(error, DBAPIError) and error.orig else error


def _translate(error: Exception) -> Exception:
    cause = _cause(error)
    if isinstance(cause, (sqlite3.Error, SchemaTooNewError)):
        return OutboxUnavailableError(str(cause))
    if isinstance(cause, OSError):
        return OutboxUnavailableError(cause.strerror or type(cause).__name__)
    return OutboxUnavailableError(type(error).__name__) if isinstance(error, SQLAlchemyError) else error


def _file_of(url: URL) -> Path | None:
    return Path(url.database) if url.database and url.database != ":memory:" else None
