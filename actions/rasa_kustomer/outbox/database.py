"""Where transactions run: in threads, so that the event loop never waits for a disk or a server (docs/adr/0012).

SQLite has one thread that writes and one that reads, so that no turn waits for a long count. PostgreSQL has several,
each with a connection of its own.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial, wraps
from pathlib import Path
from threading import local
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from rasa_kustomer.outbox.connection import Connection
from rasa_kustomer.outbox.errors import OutboxUnavailableError, OutcomeUnknownError
from rasa_kustomer.outbox.sqlite import Access, SqliteFile

T = TypeVar("T")
P = ParamSpec("P")
MAX_WAITING = 1_000
CHECKPOINT_SECONDS = 5.0
CLOSE_SECONDS = 2.0  # of a server; a file is always closed in the end
Work = Callable[[Connection], T]


class Link(Protocol):
    """One thread's connection; `SqliteFile` and `PostgresLink` are the two."""

    def transact(self, work: Work[T], *, writes: bool, seconds: float | None) -> T:
        """Run `work` in a transaction, maybe more than once, and commit.

        Raises:
            OutboxUnavailableError: The database cannot be used just now. The cause is named, without content.
        """

    def close(self) -> None:
        """Close the connection, also one that is in use."""


class _Threads:
    """The threads of a database from when it is opened to when it is closed, and their connections.

    Args:
        numbers: How many threads each pool has.
        make: Makes a thread's connection.

    Attributes:
        pools: Who writes, and who reads; the same on PostgreSQL.
        links: What is to be closed.
    """

    def __init__(self, numbers: Sequence[int], make: Callable[[], Link]) -> None:
        self.pools = [ThreadPoolExecutor(number, "kustomer-outbox") for number in numbers]
        self.links: list[Link] = []
        self._make, self._own = make, local()

    def link(self) -> Link:
        """The connection of the thread that asks."""
        if not hasattr(self._own, "link"):
            self._own.link = self._make()
            self.links.append(self._own.link)
        link: Link = self._own.link
        return link


class Database:
    """Runs transactions of one database.

    Args:
        url: `sqlite:///file`, or `postgresql://user:password@host/database`.
        access: What it is opened for, where it is a file.
        now: Clock in epoch seconds.
    """

    def __init__(self, url: str, access: Access = Access.SERVE, *, now: Callable[[], float] = time.time) -> None:
        self.path: Path | None = None
        self._make: Callable[[], Link]
        if url.startswith("postgresql"):
            from rasa_kustomer.outbox.postgres import (  # noqa: PLC0415 - its driver is an extra of its own
                POOL_SIZE,
                STATEMENT_SECONDS,
                PostgresLink,
                PostgresServer,
            )

            server = PostgresServer(url, now)
            self.location, self._numbers = server.location, [POOL_SIZE]
            self._longest: float | None = STATEMENT_SECONDS + 1
            self._make = partial(PostgresLink, server)
        else:
            self.path = Path(url.partition(":///")[2])
            self.location, self._numbers, self._longest = str(self.path), [1, 1], None
            self._make = partial(SqliteFile, self.path, access, now)
        self._threads: _Threads | None = None
        self._waiting = 0
        self._checkpointed_at = time.monotonic()

    async def run(self, work: Work[T], *, reads: bool = False, seconds: float | None = None) -> T:
        """Run `work` in a transaction, commit, and return its result.

        Args:
            work: What to do; must have no effect but on the database and in `effects`, since it may run again.
            reads: It only reads: all of it sees the same moment, and it holds up no writer.
            seconds: Longest wait; what has not begun by then never begins.

        Raises:
            OutcomeUnknownError: It had begun, and may have been committed.
            OutboxUnavailableError: Nothing was written. The cause is named.
        """
        if self._waiting >= MAX_WAITING:
            raise OutboxUnavailableError("too many transactions are waiting: the database is slow or stuck")
        begun: Future[None] = Future()
        threads = self._threads = self._threads or _Threads(self._numbers, self._make)
        running = asyncio.get_running_loop().run_in_executor(
            threads.pools[-1 if reads else 0], _transact, threads, work, begun, not reads, seconds
        )
        self._waiting += 1
        running.add_done_callback(self._finished)
        await asyncio.wait({running}, timeout=seconds or self._longest)
        error: Exception | None = None
        if not running.done():
            error = OutboxUnavailableError("the database did not answer in time")
        else:
            error = running.exception()  # type: ignore[assignment]
        if isinstance(error, OutboxUnavailableError) and not begun.cancel():
            raise OutcomeUnknownError(str(error)) from None
        if error is not None:
            raise error
        result, effects = running.result()
        for effect in effects:
            effect()
        self._checkpoint()
        return result

    async def close(self) -> None:
        """Finish what runs and close the database; a transaction that comes meanwhile or later opens it again."""
        loop = asyncio.get_running_loop()
        threads, self._threads = self._threads, None
        if threads is None:
            return
        ending = {loop.run_in_executor(None, pool.shutdown) for pool in threads.pools}
        await asyncio.wait(ending, timeout=None if self.path is not None else CLOSE_SECONDS)
        for link in threads.links:
            link.close()

    def _finished(self, running: "asyncio.Future[Any]") -> None:
        self._waiting -= 1
        if not running.cancelled():
            running.exception()  # seen, so that asyncio does not complain when nobody waits any more

    def _checkpoint(self) -> None:
        """Checkpoint every few seconds, outside the thread that writes: it waits for the disk, and no turn should."""
        threads = self._threads
        if self.path is not None and time.monotonic() - self._checkpointed_at >= CHECKPOINT_SECONDS and threads:
            self._checkpointed_at = time.monotonic()
            threads.pools[-1].submit(_checkpoint, threads)


def _transact(
    threads: _Threads, work: Work[T], begun: Future[None], writes: bool, seconds: float | None
) -> tuple[T, list[Callable[[], object]]]:
    """In a thread of its own."""

    def attempt(connection: Connection) -> tuple[T, list[Callable[[], object]]]:
        if not begun.running() and not begun.set_running_or_notify_cancel():
            raise OutboxUnavailableError("its caller has given up waiting")
        return work(connection), connection.effects

    return threads.link().transact(attempt, writes=writes, seconds=seconds)


def _checkpoint(threads: _Threads) -> None:
    with suppress(OutboxUnavailableError):
        _transact(threads, lambda _: None, Future(), False, None)  # opens it where nothing was read yet
        link = threads.link()
        if isinstance(link, SqliteFile):
            link.checkpoint()


class Transactions:
    """An object whose methods are transactions.

    Args:
        database: Where they run.
        now: Clock in epoch seconds.
        owner: Name under which this process leases sessions.
        work_arrived: Set when there is something to deliver.
        settled: Set when records were settled.
    """

    def __init__(
        self,
        database: Database,
        now: Callable[[], float],
        owner: str,
        work_arrived: asyncio.Event,
        settled: asyncio.Event,
    ) -> None:
        self.database, self.now, self.owner = database, now, owner
        self.work_arrived, self.settled = work_arrived, settled


Self_ = TypeVar("Self_", bound=Transactions)


def transaction(
    method: Callable[Concatenate[Self_, Connection, P], T],
) -> Callable[Concatenate[Self_, P], Coroutine[Any, Any, T]]:
    """Make a method one transaction: it is called without the connection, and awaited."""

    @wraps(method)
    async def run(self: Self_, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.database.run(lambda connection: method(self, connection, *args, **kwargs))

    return run


def reading(
    method: Callable[Concatenate[Self_, Connection, P], T],
) -> Callable[Concatenate[Self_, P], Coroutine[Any, Any, T]]:
    """As `transaction`, for a method that only reads."""

    @wraps(method)
    async def run(self: Self_, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.database.run(lambda connection: method(self, connection, *args, **kwargs), reads=True)

    return run
