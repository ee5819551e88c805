"""How the SQLite file is opened."""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import StaticPool

BUSY_TIMEOUT_MS = 5_000
PAGE_BYTES = 1_024  # a turn touches four pages and the log takes them whole; only counts when the file is made
# WAL lets `outbox status` read while we write; NORMAL keeps every commit through the death of the process (only a
# power cut may cost the last moments) without one fsync per turn.
# What is deleted is overwritten, whatever the local build of SQLite has as its default.
PRAGMAS = ("synchronous=NORMAL", "foreign_keys=ON", "secure_delete=ON")


def connect(path: Path | None, mode: str, *, busy_timeout_ms: int = BUSY_TIMEOUT_MS) -> sqlite3.Connection:
    """A connection to a file, or to a database in memory.

    Args:
        path: None for memory.
        mode: SQLite's: `rwc` makes the file, `rw` and `ro` do not.
        busy_timeout_ms: How long to wait for somebody else's lock.
    """
    name = ":memory:" if path is None else f"{path.resolve().as_uri()}?mode={mode}"
    connection = sqlite3.connect(
        name, uri=True, timeout=busy_timeout_ms / 1_000, check_same_thread=False, isolation_level=None
    )
    try:
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def look(path: Path) -> sqlite3.Connection:
    """A connection that only reads, and neither makes nor changes a file.

    Without a log nobody writes just now, and SQLite is told so: it would make a log of its own else.
    """
    return connect(path, "ro" if log_of(path).exists() else "ro&immutable=1")


def log_of(path: Path) -> Path:
    """The file's write-ahead log, where there is one."""
    return path.with_name(path.name + "-wal")


def use(path: Path | None, mode: str) -> sqlite3.Connection:
    """A connection that reads and writes, in WAL mode."""
    connection = connect(path, mode)
    try:
        connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
        _use_log(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def make_engine(open_: Callable[[], sqlite3.Connection], begin: Callable[[], str]) -> Engine:
    """An engine with one connection, which begins its transactions with what `begin` says."""
    engine = create_engine("sqlite://", creator=open_, poolclass=StaticPool)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.connection.cursor().execute(begin())

    return engine


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
