"""One thread that owns the SQLite connection and runs transactions one after the other.

The event loop never touches the disk: it hands over a function and awaits its result. Everything that waits when the
thread comes round shares one commit, so that parallel conversations cost little more than one (docs/adr/0002).
"""

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import SQLAlchemyError

from rasa_kustomer.delivery.outbox import tasks
from rasa_kustomer.delivery.outbox.schema import SchemaTooNewError
from rasa_kustomer.delivery.outbox.sqlite_file import SqliteFile, cause_of
from rasa_kustomer.delivery.outbox.tasks import Task
from rasa_kustomer.delivery.outbox.transactor import Access, OutboxUnavailableError

T = TypeVar("T")
MAX_WAITING = 1_000
CHECKPOINT_SECONDS = 5.0
_OF_ALL = (sqlite3.OperationalError, OSError, OutboxUnavailableError)  # of the database, and of no task alone


class SqliteTransactor:
    """Runs functions inside transactions of one SQLite database.

    Args:
        url: SQLAlchemy URL of the database; its folder is made on first use.
        access: What may be done with the file.
        now: Clock in epoch seconds.
    """

    def __init__(self, url: str, access: Access = Access.SERVE, *, now: Callable[[], float] = time.time) -> None:
        self.file = SqliteFile(_file_of(make_url(url)), access, now)
        self._tasks: SimpleQueue[Task[Any] | None] = SimpleQueue()  # None ends the thread
        self._thread: threading.Thread | None = None
        self._checkpointed_at = time.monotonic()

    @property
    def path(self) -> Path | None:
        """File of the database; None when it lives in memory."""
        return self.file.path

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
        self.file.close()

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
        def work(connection: Connection) -> None:
            for task in batch:
                task.attempt(connection)

        try:
            self.file.commit(work, writes=any(task.writes for task in batch))
        except Exception as error:  # noqa: BLE001 - whatever a task raises belongs to its caller, not to this thread
            if len(batch) > 1 and not isinstance(cause_of(error), _OF_ALL):
                for task in batch:  # one task's own mistake must not cost its neighbours their commit
                    self._transact([task])
            else:
                for task in batch:
                    task.error = _translate(error)

    def _checkpoint(self) -> None:
        """Now and then."""
        if time.monotonic() - self._checkpointed_at >= CHECKPOINT_SECONDS:
            self._checkpointed_at = time.monotonic()
            self.file.checkpoint()


def _translate(error: Exception) -> Exception:
    """The error for the caller: no driver's own, and none that quotes what was to be written."""
    cause = cause_of(error)
    if isinstance(cause, OutboxUnavailableError):
        return cause
    if isinstance(cause, (sqlite3.Error, SchemaTooNewError)):
        return OutboxUnavailableError(str(cause))
    if isinstance(cause, OSError):
        return OutboxUnavailableError(cause.strerror or type(cause).__name__)
    refused = (SQLAlchemyError, OverflowError, UnicodeError)  # the last two: what sqlite3 says of values
    return OutboxUnavailableError(type(error).__name__) if isinstance(error, refused) else error


def _file_of(url: URL) -> Path | None:
    return Path(url.database) if url.database and url.database != ":memory:" else None
