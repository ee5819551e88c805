"""What one commit costs on the bot's path; the figures behind docs/adr/0012.

Usage: python benchmarks/adr_sqlite.py [ROUNDS]. Prints the median and the 95th percentile in microseconds.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import uuid4

from rasa_kustomer.outbox import Kind, NewRecord, Outbox, SessionKey

ROUNDS = 3_000
SESSION = SessionKey("rasa:ann:1", "ann", 1)


async def executor_hop() -> None:
    """A function that does nothing, in another thread: what leaving the event loop costs at least."""
    await asyncio.get_running_loop().run_in_executor(None, int)


def one_row(outbox: Outbox) -> Callable[[], Awaitable[None]]:
    """One row, committed by the outbox's thread."""

    async def run() -> None:
        insert = "INSERT INTO kustomer_meta (name, value) VALUES (:name, 'x')"
        await outbox.database.run(lambda c: c.change(insert, name=uuid4().hex))

    return run


def one_turn(outbox: Outbox) -> Callable[[], Awaitable[None]]:
    """A turn of two messages, as an action records it."""

    async def run() -> None:
        content = {"direction": "in", "text": "hello", "at_ms": 2, "channel": "chat"}
        await outbox.record(SESSION, {}, [NewRecord(uuid4().hex, Kind.MESSAGE, content, 2) for _ in range(2)])

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
        outbox = Outbox(f"sqlite:///{Path(folder) / 'outbox.db'}")
        ways = {
            "a hop to an executor's thread, no work": executor_hop,
            "Database.run, one row": one_row(outbox),
            "Outbox.record, two messages": one_turn(outbox),
        }
        print(f"{'microseconds':40} {'median':>8} {'p95':>8}")
        for name, call in ways.items():
            taken = await microseconds(call, rounds)
            print(f"{name:40} {statistics.median(taken):8.0f} {statistics.quantiles(taken, n=20)[-1]:8.0f}")
        await outbox.close()


if __name__ == "__main__":
    asyncio.run(main())
