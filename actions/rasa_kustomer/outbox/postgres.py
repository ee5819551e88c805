"""The outbox on PostgreSQL, which several machines can share: one connection per thread, through psycopg."""

import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import psycopg
from psycopg.rows import dict_row

from rasa_kustomer.log import Once
from rasa_kustomer.outbox.connection import Connection
from rasa_kustomer.outbox.errors import OutboxUnavailableError, SchemaTooNewError
from rasa_kustomer.outbox.schema import prepare
from rasa_kustomer.outbox_address import server_of

say_once = Once(logging.getLogger(__name__))

T = TypeVar("T")
POOL_SIZE = 4  # connections of one process; a transaction takes milliseconds, so more would only wait elsewhere
STATEMENT_SECONDS = 10.0  # longest time of one statement, with all waiting
IDLE_IN_TRANSACTION_MS = 30_000  # the server frees what a vanished machine held locked; the leases are for the rest
TIMES = {  # of a server that went away without a word
    "connect_timeout": 5,
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}
_BEGIN = (
    "BEGIN ISOLATION LEVEL {level}; SET LOCAL statement_timeout = {milliseconds};"
    f" SET LOCAL idle_in_transaction_session_timeout = {IDLE_IN_TRANSACTION_MS}"
)
# Classes of SQLSTATE whose messages speak of the server, users, tables and limits. Others may quote what was written.
_HARMLESS = ("08", "25", "28", "3D", "3F", "40", "42", "53", "55", "57", "58")


class PostgresServer:
    """What the connections of one process share.

    Args:
        url: postgresql://user:password@host/database; what follows a ? goes to libpq.
        now: Clock in epoch seconds.

    Attributes:
        arguments: Of `psycopg.connect`.
        location: Host, port and database, for an operator and without a password.
        prepared: The tables are known to be there.
    """

    def __init__(self, url: str, now: Callable[[], float]) -> None:
        address = server_of(url)
        if address.instead:
            say_once(f"KUSTOMER_OUTBOX_URL: {address.instead}")
        self.arguments: dict[str, Any] = {"application_name": "rasa-kustomer", **TIMES, **address.arguments}
        self.now, self.prepared = now, False
        host, port = (self.arguments.get(name) for name in ("host", "port"))
        self.location = f"PostgreSQL {host or 'localhost'}:{port or 5432}/{self.arguments.get('dbname', '')}"


class PostgresLink:
    """One thread's connection: made on first use, and made anew after each failure.

    Args:
        server: Where to.
    """

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._driver: psycopg.Connection[Any] | None = None
        self._busy = False

    def transact(self, work: Callable[[Connection], T], *, writes: bool, seconds: float | None) -> T:
        """Run `work` in a transaction and commit.

        Raises:
            OutboxUnavailableError: The server cannot be used just now. The cause is named, without password or content.
        """
        self._busy = True
        try:
            self._begin(writes=writes, seconds=seconds or STATEMENT_SECONDS)
            return self._commit(work)
        except Exception as error:  # noqa: BLE001 - translated; what is no failure of the database is raised as it is
            if isinstance(error, (psycopg.Error, OSError, SchemaTooNewError)):
                self._server.prepared = False  # it may be another database by now, restored or made anew
                self._drop()
            raise _unavailable(error) or error from None  # the original holds what was written
        finally:
            self._busy = False

    def close(self) -> None:
        """Close the connection; a thread that waits for the server is told that it is gone."""
        self._server.prepared = False  # when it is opened again, it may be another database
        if self._driver is None or not self._busy:
            self._drop()
            return
        with suppress(OSError, psycopg.Error):
            wire = socket.socket(fileno=self._driver.fileno())
            try:
                wire.shutdown(socket.SHUT_RDWR)
            finally:
                wire.detach()  # the thread closes it

    def _begin(self, *, writes: bool, seconds: float) -> None:
        if not self._server.prepared:
            self._start("READ COMMITTED", seconds)
            self._commit(lambda connection: prepare(connection, self._server.now()))
            self._server.prepared = True
        self._start("READ COMMITTED" if writes else "REPEATABLE READ, READ ONLY", seconds)

    def _start(self, level: str, seconds: float) -> None:
        begin = _BEGIN.format(level=level, milliseconds=int(seconds * 1_000))
        if self._driver is not None:
            try:
                self._driver.execute(begin, prepare=False)
            except psycopg.OperationalError:  # it died while nobody used it, and nothing was begun
                self._drop()
        if self._driver is None:
            self._driver = psycopg.connect(**self._server.arguments, autocommit=True, row_factory=dict_row)
            self._driver.execute(begin, prepare=False)

    def _commit(self, work: Callable[[Connection], T]) -> T:
        assert self._driver is not None  # noqa: S101 - `_begin` made it
        try:
            result = work(Connection(self._driver, is_sqlite=False))
            self._driver.execute("COMMIT", prepare=False)
        except BaseException:
            with suppress(psycopg.Error):
                self._driver.execute("ROLLBACK", prepare=False)
            raise
        return result

    def _drop(self) -> None:
        if self._driver is not None:
            with suppress(psycopg.Error):
                self._driver.close()
            self._driver = None


def _unavailable(error: Exception) -> OutboxUnavailableError | None:
    """The driver's error for the caller: with the server's words only where they cannot hold what was to be written."""
    if isinstance(error, psycopg.errors.QueryCanceled):
        return OutboxUnavailableError("the database did not answer in time")
    if isinstance(error, (SchemaTooNewError, OutboxUnavailableError)):
        return OutboxUnavailableError(str(error))
    if isinstance(error, psycopg.Error):
        return OutboxUnavailableError(_words(error))
    if isinstance(error, (OSError, OverflowError, UnicodeError)):
        return OutboxUnavailableError(getattr(error, "strerror", None) or type(error).__name__)
    return None


def _words(error: psycopg.Error) -> str:
    state, name = error.sqlstate, type(error).__name__
    if state is not None:
        return f"{name} ({state})" + (f": {error.diag.message_primary}" if state.startswith(_HARMLESS) else "")
    # Without a state the server has not spoken: the connection is gone, or a value could not be sent to any.
    return str(error) if type(error) is psycopg.OperationalError else name
