"""A backlog goes out as fast as the granted budget allows, in flat memory."""

import asyncio
import math
import time
from collections import Counter

from tests.chaos.harness import Report, balance, site

from rasa_kustomer.outbox import Kind, NewRecord, Outbox, SessionKey
from servers import resident_mb  # benchmarks/

SHARE = 0.5
TURNS = 20  # of a session
MAX_GROWTH_MB = 60.0
LEAST_USE = 0.9
ANONYMOUS = {"external_id": None, "email": None, "phone": None, "name": None, "trusted": False}


def fill(url: str, turns: int) -> None:
    """Record a backlog, without a server."""

    async def record() -> None:
        outbox = Outbox(url)
        for number in range(turns // TURNS):
            key = SessionKey(f"rasa:backlog-{number}:1000", f"backlog-{number}", 1000)
            new = [
                NewRecord(
                    f"{key.key}:{turn}",
                    Kind.MESSAGE,
                    {"direction": "out" if turn % 2 else "in", "text": f"turn {turn}", "at_ms": 1000 + turn,
                     "channel": "chat", "action": None},
                    1000 + turn,
                )
                for turn in range(TURNS)
            ]  # fmt: skip
            await outbox.record(key, ANONYMOUS, new)
        await outbox.close()

    asyncio.run(record())


async def run(report: Report, *, turns: int, rate_limit: int) -> None:
    """Drain so many turns with so many requests a minute for the whole organisation."""
    async with site(rate_limit=rate_limit, prepare=lambda url: fill(url, turns)) as place:
        process = place.servers[0].process
        pid = process.pid if process else 0
        began, at_start = time.monotonic(), resident_mb(pid)
        highest = at_start
        while (waiting := (await place.health())["outbox"].get("pending", 1)) and time.monotonic() - began < 1800:
            highest = max(highest, resident_mb(pid))
            await asyncio.sleep(1)
        minutes = (time.monotonic() - began) / 60
        used = (await place.units()).total()
        granted = rate_limit * SHARE * minutes
        most = (
            rate_limit * SHARE * math.ceil(minutes)
        )  # Kustomer counts by whole windows, the first from its first unit
        report.check(f"{turns:,} turns delivered in {minutes:.1f} min", holds=not waiting)
        report.say(f"{turns / minutes:,.0f} turns a minute, {used:,} units, {turns / max(used, 1):.0f} turns each")
        promise = f"{used / granted:.0%} of the granted budget used ({granted:,.0f} units; at least {LEAST_USE:.0%})"
        report.check(promise, holds=used >= LEAST_USE * granted)
        report.check(f"never more than the share of the windows ({most:,.0f} units)", holds=used <= most)
        growth = highest - at_start
        report.check(f"memory {at_start:.0f} MB, at most {growth:+.0f} MB", holds=growth <= MAX_GROWTH_MB)
        held = await place.held()
        rows = Counter(row["externalId"] for row in held["messages"])
        once = len(rows) == rows.total() == turns
        report.check(f"{rows.total():,} messages in Kustomer, {len(rows):,} of them different", holds=once)
        balance(report, place)
