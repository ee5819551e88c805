"""What one commit costs on the bot's path, three ways; the figures behind docs/adr/0002.

Usage: python benchmarks/adr_sqlite.py [ROUNDS]. Prints the median and the 95th percentile in microseconds.
"""

import asyncio
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import uuid4

from sqlalchemy import Connection, text

from rasa_kustomer.delivery.outbox.hot_path import HotPath
from rasa_kustomer.delivery.outbox.sqlite import SqliteTransactor

ROUNDS = 3_000
INSERT = "INSERT INTO kustomer_meta (name, value) VALUES ('{}', 'x')"


async def executor_hop() -> None:
    """A function that does nothing, in another thread: what any asynchronous driver pays at least."""
    await asyncio.get_running_loop().run_in_executor(None, int)


def by_thread(transactor: SqliteTransactor) -> Callable[[], Awaitable[None]]:
    """One row, committed by the outbox's thread."""

    def work(connection: Connection) -> None:
        connection.execute(text(INSERT.format(uuid4().hex)))

    async def run() -> None:
        await transactor.run(work)

    return run


def in_the_loop(hot_path: HotPath) -> Callable[[], Awaitable[None]]:
    """One row, committed in the event loop."""

    def work(driver: sqlite3.Connection) -> bool:
        driver.execute(INSERT.format(uuid4().hex))
        return True

    async def run() -> None:
        if hot_path.run(work) is None:
            raise RuntimeError("the hot path was not taken")

    return run


async def microseconds(call: Callable[[], Awaitable[None]], rounds: int) -> list[float]:
    """How long each call took, after a tenth of the rounds to warm up."""
    for _ in range(rounds // 10):
        await call()
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        await call()
        taken.append((time.perf_counter() - began) * 1e6)
    return taken


async def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with tempfile.TemporaryDirectory() as folder:
        transactor = SqliteTransactor(f"sqlite:///{Path(folder) / 'outbox.db'}")
        hot_path = HotPath(transactor.file)
        ways = {
            "a hop to an executor's thread, no work": executor_hop,
            "Transactor.run, one row": by_thread(transactor),
            "HotPath.run, one row": in_the_loop(hot_path),
        }
        print(f"{'microseconds':40} {'median':>8} {'p95':>8}")
        for name, call in ways.items():
            taken = await microseconds(call, rounds)
            print(f"{name:40} {statistics.median(taken):8.0f} {statistics.quantiles(taken, n=20)[-1]:8.0f}")
        hot_path.close()
        await transactor.close()


if __name__ == "__main__":
    asyncio.run(main())
