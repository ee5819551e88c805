"""`make chaos`: everything that may go wrong, with figures. Exit code 1 when a promise does not hold.

`--short` takes some minutes, leaves out what measures only, and is what CI runs; `--only NAME` runs one part.
"""

import argparse
import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

from tests.chaos import disk, drain, kill, lost_answers, outage, rate_limit, units
from tests.chaos.harness import Report
from tests.servers import postgres

Part = Callable[[Report, bool], Coroutine[Any, Any, None]]


async def _kill_on_postgres(report: Report, short: bool) -> None:
    with postgres() as server:
        await kill.run(report, kills=3 if short else 100, servers=2, outbox_url=server.fresh())


PARTS: dict[str, Part] = {
    "kill, SQLite": lambda report, short: kill.run(report, kills=3 if short else 100),
    "kill, PostgreSQL and two servers": _kill_on_postgres,
    "lost answers": lambda report, short: lost_answers.run(report, times=24 if short else 200),
    "outage": lambda report, short: outage.run(report, seconds=8 if short else 30),
    "rate limit": lambda report, short: rate_limit.run(report, backlog=10_000, refusals=5 if short else 50),
    "units": lambda report, short: units.run(report, conversations=100, pause_seconds=3 if short else 6),
    "drain": lambda report, short: drain.run(
        report, turns=6_000 if short else 100_000, rate_limit=400 if short else 2_000
    ),
    "disk": lambda report, short: disk.run(report, seconds=3 if short else 10),
}

LONG = {"units", "drain"}  # they need time to mean something


def main() -> None:
    """Run the parts, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--only", help="parts whose name contains this")
    options = parser.parse_args()
    broken = []
    for name, part in PARTS.items():
        if (options.only and options.only not in name) or (options.short and not options.only and name in LONG):
            continue
        print(f"\n{name}", flush=True)
        report, began = Report(name), time.monotonic()
        asyncio.run(part(report, options.short))
        print(f"  ({time.monotonic() - began:.0f} s)", flush=True)
        broken += [f"{name}: {promise}" for promise in report.broken]
    print("\nAll promises hold." if not broken else "\nBroken:\n  " + "\n  ".join(broken))
    raise SystemExit(bool(broken))


if __name__ == "__main__":
    main()
