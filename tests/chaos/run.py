"""`make chaos`: everything that may go wrong, with figures.

Exit code 0: all promises hold. 1: one does not. 3: those that could be tried hold, a server for the others is missing.

`--short` takes some minutes, leaves out what measures only and what searches at random, and is what CI runs;
`--only NAME` runs one part, of which `kill` takes `--kills`, `--servers` and `--outbox-url` as well.
"""

import argparse
import asyncio
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from tests.chaos import broker, damage, disk, drain, kill, lost_answers, outage, rate_limit, search, units
from tests.chaos.harness import Report
from tests.servers import ServerMissingError, postgres

Options = argparse.Namespace
Attempt = Callable[[Report, Options], Coroutine[Any, Any, None]]


async def _kill(report: Report, options: Options) -> None:
    kills = options.kills or (3 if options.short else 100)
    await kill.run(report, kills=kills, servers=options.servers, outbox_url=options.outbox_url)


async def _kill_on_postgres(report: Report, options: Options) -> None:
    with postgres() as server:
        kills = options.kills or (3 if options.short else 100)
        await kill.run(report, kills=kills, servers=2, outbox_url=server.fresh())


PARTS: dict[str, Attempt] = {
    "kill, SQLite": _kill,
    "kill, PostgreSQL and two servers": _kill_on_postgres,
    "lost answers": lambda report, options: lost_answers.run(report, times=24 if options.short else 200),
    "outage": lambda report, options: outage.run(report, seconds=8 if options.short else 30),
    "rate limit": lambda report, options: rate_limit.run(
        report, backlog=1_000 if options.short else 10_000, refusals=5 if options.short else 50
    ),
    "units": lambda report, options: units.run(report, conversations=100, pause_seconds=3 if options.short else 6),
    "drain": lambda report, options: drain.run(
        report, turns=6_000 if options.short else 100_000, rate_limit=400 if options.short else 2_000
    ),
    "damage": lambda report, options: damage.run(report, times=2 if options.short else 10),
    "broker": lambda report, options: broker.run(report, seconds=3 if options.short else 10),
    "search": lambda report, options: search.run(
        report, interleavings=100 if options.short else 5_000, others=100 if options.short else 1_000
    ),
    "disk": lambda report, options: disk.run(report, seconds=3 if options.short else 10),
}

HOLDS, BROKEN, UNTRIED = 0, 1, 3  # exit codes; 2 is that of wrong arguments
LONG = {"units", "drain", "search"}  # they need time to mean something; what is random is not for CI
# After a kill in the middle of a bulk job a minute of doubt passes in which next to nothing happens, so the short set
# runs the other parts meanwhile. `disk` measures answers and comes last, when the kills are over.
LANES = (
    ("kill, SQLite", "kill, PostgreSQL and two servers"),
    ("lost answers", "outage", "rate limit", "broker", "damage", "disk"),
)


def main() -> None:
    """Run the parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--only", help="parts whose name contains this")
    parser.add_argument("--kills", type=int, help="how many, instead of 3 (short) or 100")
    parser.add_argument("--servers", type=int, default=1, help="that share the outbox (default 1)")
    parser.add_argument("--outbox-url", help="instead of a new SQLite file; should be empty")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended too
    if options.short and not options.only:
        outcomes = asyncio.run(_in_lanes(sys.argv[1:]))
    else:
        outcomes = {name: _run(name, part, options) for name, part in PARTS.items() if (options.only or "") in name}
    raise SystemExit(_verdict(outcomes))


def _verdict(outcomes: Mapping[str, int]) -> int:
    """Say how it ended, in one line for each part that did not end well; the exit code."""
    untried = [name for name, outcome in outcomes.items() if outcome == UNTRIED]
    broken = [name for name, outcome in outcomes.items() if outcome not in {HOLDS, UNTRIED}]
    print()
    for name in broken:
        print(f"Broken: {name}")
    for name in untried:
        print(f"Not tried: {name}, since a server is missing (see above)")
    if not broken:
        print("All promises that were tried hold." if untried else "All promises hold.")
    return BROKEN if broken else UNTRIED if untried else HOLDS


def _run(name: str, part: Attempt, options: Options) -> int:
    print(f"\n{name}", flush=True)
    report, began = Report(name), time.monotonic()
    try:
        asyncio.run(part(report, options))
    except ServerMissingError as error:
        print(f"  not tried: {error}", flush=True)
        return UNTRIED
    print(f"  ({time.monotonic() - began:.0f} s)", flush=True)
    return BROKEN if report.broken else HOLDS


async def _in_lanes(arguments: list[str]) -> dict[str, int]:
    """Each part in a process of its own, whose output is shown when it has ended; their exit codes."""

    async def lane(names: tuple[str, ...]) -> list[tuple[str, int]]:
        return [(name, await _in_a_process(name, arguments)) for name in names]

    return dict(outcome for outcomes in await asyncio.gather(*map(lane, LANES)) for outcome in outcomes)


async def _in_a_process(name: str, arguments: list[str]) -> int:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __spec__.name, *arguments, "--only", name, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    print(output.decode().rpartition("\n\n")[0], flush=True)  # without its own last lines about all promises
    return BROKEN if process.returncode is None else process.returncode


if __name__ == "__main__":
    main()
