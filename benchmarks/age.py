"""`python benchmarks/age.py`: what is asked often of an outbox, young and a million sessions old, in milliseconds.

Each question is timed in the database itself; `record` is a turn as the bot waits for it.
"""

import argparse
import asyncio
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from rasa_kustomer.outbox import Kind, NewRecord, Outbox, SessionKey
from rasa_kustomer.outbox.schema import EMPTIED

Question = Callable[[], Awaitable[Any]]
ROUNDS = 50
SESSIONS = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
    "INSERT INTO kustomer_session (key, sender_id, started_ms, identity, conversation_id, creating, escalated, closed,"
    " accepted, purged, purged_ms, last_turn_at, last_sent_ms, not_before, attempts, leased_until)"
    " SELECT 'old' || i, 'sender' || (i % 1000), i, ?, 'k', 0, 0, 1, 2, 0, 0, 1000.0 + i, 0, 0.0, 0, 0.0 FROM n"
)
DELIVERED = (
    "INSERT INTO kustomer_record (session_id, key, kind, payload, state, unsure, attempts, not_before, created_at,"
    " settled_at) SELECT id, 'r' || id || '-' || i, 'message', '{\"at_ms\": 1}', 'delivered', 0, 1, 0, 0, 1000.0"
    " FROM kustomer_session, (SELECT 1 AS i UNION SELECT 2) WHERE key LIKE 'old%'"
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=1_000_000, help="sessions of the old outbox")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        young = asyncio.run(_measure(Path(folder) / "young.db", 1_000))
        old = asyncio.run(_measure(Path(folder) / "old.db", options.sessions))
    table = Table("median of 50, ms", "1,000 sessions", f"{options.sessions:,} sessions")
    for name, figure in young.items():
        table.add_row(name, f"{figure:.2f}", f"{old[name]:.2f}")
    Console().print(table)


async def _measure(path: Path, sessions: int) -> dict[str, float]:
    outbox = Outbox(f"sqlite:///{path}")
    await outbox.counts()
    await outbox.close()
    with sqlite3.connect(path) as database:
        database.execute(SESSIONS, (sessions, EMPTIED))
        database.execute(DELIVERED)
    database.close()
    numbers = iter(range(10**9))

    async def record() -> Any:
        number = next(numbers)
        session = SessionKey("rasa:ann:1", "ann", 1)
        turn = {"direction": "in", "text": "hello", "at_ms": number + 1, "channel": "chat"}
        return await outbox.record(session, {}, [NewRecord(f"turn-{number}", Kind.MESSAGE, turn, number + 1)])

    questions: dict[str, Question] = {
        "record a turn": record,
        "counts (health, outbox status)": outbox.counts,
        "what to lease": lambda: outbox.lease(8, escalated=True),
        "what is idle": lambda: outbox.maintenance.close_idle(60),
        "a sender's latest session": lambda: outbox.latest_session("sender7"),
        "a sender's tickets": lambda: outbox.tickets("sender7"),
    }
    found = {}
    for name, ask in questions.items():
        await ask()
        times = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            await ask()
            times.append((time.perf_counter() - began) * 1_000)
        found[name] = statistics.median(times)
    await outbox.close()
    return found


if __name__ == "__main__":
    main()
