"""How the SQLite file is opened."""

import sqlite3
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.pool import StaticPool

BUSY_TIMEOUT_MS = 5_000
PAGE_BYTES = 1_024  # a turn touches four pages and the log takes them whole; only counts when the file is made
# WAL lets `outbox status` read while we write; NORMAL keeps every commit through the death of the process (only a
# power cut may cost the last moments) without one fsync per turn.
# What is deleted is overwritten, whatever the local build of SQLite has as its default.
PRAGMAS = ("synchronous=NORMAL", "foreign_keys=ON", "secure_delete=ON")


def make_engine(url: URL, begin: Callable[[], str]) -> Engine:
    """An engine with one connection, which begins its transactions with what `begin` says."""
    engine = create_engine(
        url, poolclass=StaticPool, connect_args={"check_same_thread": False, "isolation_level": None}
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        for pragma in (f"busy_timeout={BUSY_TIMEOUT_MS}", f"page_size={PAGE_BYTES}", *PRAGMAS):
            connection.execute(f"PRAGMA {pragma}")
        _use_log(connection)

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
