"""The outbox on PostgreSQL, which several machines can share: the same functions, run by SQLAlchemy and asyncpg."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from rasa_kustomer.delivery.outbox.schema import SchemaTooNewError, prepare
from rasa_kustomer.delivery.outbox.transactor import OutboxUnavailableError
from rasa_kustomer.delivery.outbox_address import driver_arguments

T = TypeVar("T")
POOL_SIZE = 4  # connections of one process; a transaction takes milliseconds, so more would only wait elsewhere
CONNECT_SECONDS = 5.0
DEADLINE_SECONDS = 10.0  # longest time of one transaction, with all waiting; after it the connection is given up
CLOSE_SECONDS = 2.0
IDLE_IN_TRANSACTION_MS = 30_000  # the server frees what a vanished machine held locked; the leases are for the rest
_APPLICATION = "rasa-kustomer"
# Classes of SQLSTATE whose messages speak of the server, users, tables and limits. Others may quote what was written.
_HARMLESS = ("08", "25", "28", "3D", "3F", "40", "42", "53", "55", "57", "58")


class PostgresTransactor:
    """Runs functions inside transactions of one PostgreSQL database.

    The connections are made on first use and belong to the event loop that runs then. After a failure the next call
    connects anew, so it goes on by itself when the server is back.

    Args:
        url: SQLAlchemy URL, postgresql+asyncpg://user:password@host/database; what follows a ? goes to asyncpg.
        now: Clock in epoch seconds.
    """

    def __init__(self, url: str, *, now: Callable[[], float] = time.time) -> None:
        address = make_url(url)
        remaining, self._arguments = driver_arguments(address.query)
        self._url, self._now = address.set(query=remaining), now
        self._engine: AsyncEngine | None = None
        self._prepared = False
        self._running: set[asyncio.Task[Any]] = set()

    @property
    def path(self) -> Path | None:
        """None: there is no file."""
        return None

    @property
    def place(self) -> str:
        """Host, port and database."""
        host = self._url.host or self._url.query.get("host") or "localhost"  # a socket's folder stands in the query
        return f"PostgreSQL {host}:{self._url.port or 5432}/{self._url.database or ''}"

    async def run(self, work: Callable[[Connection], T], *, patience_seconds: float | None = None) -> T:
        """Run `work` in a transaction, commit, and return its result.

        Args:
            work: What to do with the connection.
            patience_seconds: Longest wait; after it the caller gets an error though the work may have been done.

        Raises:
            OutboxUnavailableError: The server cannot be used just now. The cause is named, without password or content.
        """
        return await self._within(patience_seconds or DEADLINE_SECONDS, self._transact(work, reads=False))

    async def read(self, work: Callable[[Connection], T]) -> T:
        """As `run`, for work that only reads: all of it sees the same moment."""
        return await self._within(DEADLINE_SECONDS, self._transact(work, reads=True))

    async def close(self) -> None:
        """Finish running transactions and close the connections; the next call opens new ones."""
        if self._running:
            await asyncio.wait(self._running, timeout=CLOSE_SECONDS)
        engine, self._engine, self._prepared = self._engine, None, False
        if engine is not None:
            disposing = asyncio.ensure_future(engine.dispose())
            disposing.add_done_callback(self._forget)
            await asyncio.wait({disposing}, timeout=CLOSE_SECONDS)

    async def _within(self, seconds: float, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`, unless it takes longer than that.

        Waiting for it as a task of its own is what makes the time certain: a cancelled transaction still has to close
        its connection, which takes a while when the server is silent.
        """
        task = asyncio.ensure_future(work)
        self._running.add(task)
        task.add_done_callback(self._forget)
        try:
            await asyncio.wait({task}, timeout=seconds)
        finally:
            if not task.done():
                task.cancel()
        if task.cancelled() or not task.done():
            raise OutboxUnavailableError("the database did not answer in time")
        return task.result()

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # seen, so that asyncio does not complain when nobody waits any more

    async def _transact(self, work: Callable[[Connection], T], *, reads: bool) -> T:
        try:
            engine = await self._ready()
        except Exception as error:  # noqa: BLE001 - whatever keeps us from the database, and be it a word in the URL
            raise _unavailable(error) or OutboxUnavailableError(type(error).__name__) from None
        try:
            async with (_reading(engine) if reads else engine).begin() as connection:
                return await connection.run_sync(work)
        except Exception as error:  # noqa: BLE001 - translated; what is no failure of the database is raised as it is
            self._prepared = False  # it may be another database by now, restored or made anew
            raise _unavailable(error) or error from None  # the original holds what was written

    async def _ready(self) -> AsyncEngine:
        if self._engine is None:
            self._engine = _open(self._url, self._arguments)
        if not self._prepared:
            async with self._engine.begin() as connection:
                await connection.run_sync(prepare, self._now())
            self._prepared = True
        return self._engine


def _open(url: Any, arguments: dict[str, Any]) -> AsyncEngine:
    engine = create_async_engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=DEADLINE_SECONDS,
        isolation_level="READ COMMITTED",  # the statements are written for it, whatever the server's default
        hide_parameters=True,
        connect_args={
            "timeout": CONNECT_SECONDS,
            **arguments,
            "server_settings": {"application_name": _APPLICATION, **arguments.get("server_settings", {})},
        },
    )

    @event.listens_for(engine.sync_engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        # Not a server setting of the connection's start: poolers refuse those that they do not know.
        statement = f"SET idle_in_transaction_session_timeout = {IDLE_IN_TRANSACTION_MS}"
        connection.run_async(lambda driver: driver.execute(statement))

    @event.listens_for(engine.sync_engine, "checkout")
    def _check(connection: Any, _record: Any, _proxy: Any) -> None:
        # Costs nothing, where a ping costs three round trips. Connections that die unnoticed run into the deadline.
        if connection.driver_connection.is_closed():
            raise DisconnectionError

    return engine


def _reading(engine: AsyncEngine) -> AsyncEngine:
    return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)


def _unavailable(error: Exception) -> OutboxUnavailableError | None:
    """The driver's error for the caller: with the server's words only where they cannot hold what was to be written."""
    cause: BaseException = error.orig if isinstance(error, DBAPIError) and error.orig else error
    cause = cause.__cause__ or cause  # SQLAlchemy wraps the driver's error in one of its own
    if isinstance(cause, (asyncio.TimeoutError, TimeoutError)):
        return OutboxUnavailableError("the database did not answer in time")
    if isinstance(cause, SchemaTooNewError):
        return OutboxUnavailableError(str(cause))
    if isinstance(cause, OSError):
        return OutboxUnavailableError(cause.strerror or type(cause).__name__)
    state = getattr(cause, "sqlstate", None)
    if state is not None:
        words = f": {cause.args[0]}" if state.startswith(_HARMLESS) and cause.args else ""
        return OutboxUnavailableError(f"{type(cause).__name__} ({state}){words}")
    driver = type(cause).__module__.startswith("asyncpg")
    if driver or isinstance(cause, (SQLAlchemyError, EOFError, OverflowError, UnicodeError)):
        return OutboxUnavailableError(type(cause).__name__)
    return None
