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
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from rasa_kustomer.delivery.outbox.schema import SchemaTooNewError, prepare

logger = logging.getLogger(__name__)

T = TypeVar("T")
MAX_WAITING = 1_000
BUSY_TIMEOUT_MS = 5_000
PAGE_BYTES = 1_024  # a turn touches four pages and the log takes them whole; only counts when the file is made
CHECKPOINT_SECONDS = 5.0
# WAL lets `outbox status` read while we write; NORMAL keeps every commit through the death of the process (only a
# power cut may cost the last moments) without one fsync per turn.
_PRAGMAS = ("synchronous=NORMAL", "foreign_keys=ON")
_DAMAGED = ("file is not a database", "malformed")


class OutboxUnavailableError(RuntimeError):
    """The outbox could not be written or read just now (full disk, read-only folder, locked file, queue full)."""


class _Job(Generic[T]):
    def __init__(self, work: Callable[[Connection], T], loop: asyncio.AbstractEventLoop, *, writes: bool) -> None:
        self.work, self.loop, self.writes = work, loop, writes
        self.future: asyncio.Future[T] = loop.create_future()
        self.result: T | None = None
        self.error: Exception | None = None

    def give_up(self) -> None:
        """The caller waits no longer; the work is done all the same when the thread comes to it."""
        if not self.future.done():
            self.future.set_exception(OutboxUnavailableError("the database did not answer in time"))

    def attempt(self, connection: Connection) -> None:
        self.result = self.work(connection)

    def resolve(self) -> None:
        if self.future.done():  # the caller gave up waiting
            return
        if self.error is None:
            self.future.set_result(self.result)  # type: ignore[arg-type]
        else:
            self.future.set_exception(self.error)


class Transactor:
    """Runs functions inside transactions of one SQLite database.

    Args:
        url: SQLAlchemy URL of the database; its folder is made on first use.
    """

    def __init__(self, url: str) -> None:
        self._url = make_url(url).set(drivername="sqlite")
        self._jobs: SimpleQueue[_Job[Any] | None] = SimpleQueue()  # None ends the thread
        self._thread: threading.Thread | None = None
        self._connection: Connection | None = None
        self.generation = 0  # changes whenever the database was opened anew
        self._checkpointed_at = time.monotonic()
        self._begin = "BEGIN"

    @property
    def path(self) -> Path | None:
        """File of the database; None when it lives in memory."""
        return _file_of(self._url)

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
        if self._jobs.qsize() >= MAX_WAITING:
            raise OutboxUnavailableError("too many transactions wait for the outbox: its disk is too slow or stuck")
        job = _Job(work, asyncio.get_running_loop(), writes=writes)
        self._jobs.put(job)
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="kustomer-outbox", daemon=True)
            self._thread.start()
        if patience_seconds is None:
            return await job.future
        timer = job.loop.call_later(patience_seconds, job.give_up)
        try:
            return await job.future
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
        for pragma in (*_PRAGMAS, "wal_autocheckpoint=0"):
            connection.execute(f"PRAGMA {pragma}")
        return connection

    async def close(self) -> None:
        """Finish what waits, close the connection and end the thread."""
        if self._thread is None:
            return
        self._jobs.put(None)
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join)
        self._thread = None

    def _serve(self) -> None:
        job = self._jobs.get()
        while job is not None:
            batch, job = self._drain(job)
            self._transact(batch)
            _resolve(batch)
            self._checkpoint()
            if job is batch[-1]:
                job = self._jobs.get()
        self._disconnect()

    def _drain(self, first: _Job[Any]) -> tuple[list[_Job[Any]], _Job[Any] | None]:
        """Everything that waits by now, and the last thing taken: the end sign, if it was among it."""
        batch, job = [first], first
        while not self._jobs.empty():
            following = self._jobs.get()
            if following is None:
                return batch, None
            batch.append(job := following)
        return batch, job

    def _transact(self, batch: list[_Job[Any]]) -> None:
        try:
            self._commit(batch)
        except Exception as error:  # noqa: BLE001 - whatever a job raises belongs to its caller, not to this thread
            if self._set_aside_if_damaged(error):
                self._transact(batch)
            elif len(batch) > 1 and not isinstance(_cause(error), (sqlite3.OperationalError, OSError)):
                for job in batch:  # one job's own mistake must not cost its neighbours their commit
                    self._transact([job])
            else:
                for job in batch:
                    job.error = _translate(error)

    def _commit(self, batch: list[_Job[Any]]) -> None:
        connection = self._connection or self._connect()
        self._begin = "BEGIN IMMEDIATE" if any(job.writes for job in batch) else "BEGIN"
        with connection.begin():
            for job in batch:
                job.attempt(connection)

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
        engine = _engine(self._url, lambda: self._begin)
        connection = engine.connect()
        try:
            with connection.begin():
                prepare(connection)
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
        if path is None or not any(sign in str(_cause(error)) for sign in _DAMAGED):
            return False
        self._disconnect()
        number = 1
        while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
            number += 1
        path.rename(aside)
        for suffix in ("-wal", "-shm"):
            log = path.with_name(path.name + suffix)
            if log.exists():  # it holds the latest turns
                log.rename(aside.with_name(aside.name + suffix))
        logger.error(
            "The outbox %s is damaged and was set aside as %s; a new one is used from now on. "
            "Turns that were waiting in it are in that file (docs: troubleshooting, damaged outbox).",
            path,
            aside.name,
        )
        return True


def _resolve(batch: list[_Job[Any]]) -> None:
    loops: dict[asyncio.AbstractEventLoop, list[_Job[Any]]] = {}
    for job in batch:
        loops.setdefault(job.loop, []).append(job)
    for loop, jobs in loops.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_resolve_all, jobs)


def _resolve_all(jobs: list[_Job[Any]]) -> None:
    for job in jobs:
        job.resolve()


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


def _use_log(connection: sqlite3.Connection) -> None:
    """Switch a new file to WAL; SQLite's busy timeout does not hold for this, and another process may be at it too."""
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1_000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _engine(url: URL, begin: Callable[[], str]) -> Engine:
    engine = create_engine(
        url, poolclass=StaticPool, connect_args={"check_same_thread": False, "isolation_level": None}
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        for pragma in (f"busy_timeout={BUSY_TIMEOUT_MS}", f"page_size={PAGE_BYTES}", *_PRAGMAS):
            connection.execute(f"PRAGMA {pragma}")
        _use_log(connection)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.connection.cursor().execute(begin())

    return engine
