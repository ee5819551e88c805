"""A handoff overtakes a backlog, and after a 429 nothing is sent before the reset."""

import asyncio
import tempfile
import time
from pathlib import Path

import httpx
from tests.chaos.drain import fill
from tests.chaos.harness import Report, Visitor, balance, site
from tests.delivery.office import Office
from tests.helpers import SharedClock

from kustomer_sandbox import Sandbox

WINDOW_SECONDS = 60.0


async def run(report: Report, *, backlog: int, refusals: int) -> None:
    """Both, one after the other."""
    await _no_request_before_the_reset(report, refusals)
    async with site(rate_limit=1_000, prepare=lambda url: fill(url, backlog)) as place:
        while (await place.health())["outbox"]["pending"] == backlog:
            await asyncio.sleep(0.1)
        visitor, began = Visitor("in-a-hurry"), time.monotonic()
        async with httpx.AsyncClient(timeout=30) as http:
            await visitor.turn(http, place.url())
            said = await visitor.hand_off(http, place.url())
        while not (ticket := (await place.held())["notes"]):
            if time.monotonic() - began > WINDOW_SECONDS:
                break
            await asyncio.sleep(0.25)
        seconds = time.monotonic() - began
        left = (await place.health())["outbox"]["pending"]
        report.say(f"the bot said: {said}; {left:,} of {backlog:,} turns were still waiting")
        report.check(f"handoff confirmed after {seconds:.1f} s", holds=bool(ticket) and seconds < WINDOW_SECONDS)
        balance(report, place)


async def _no_request_before_the_reset(report: Report, refusals: int) -> None:
    """By the sandbox's own log: what it had after a refusal, and before the time that it named."""
    with tempfile.TemporaryDirectory() as folder:
        clock = SharedClock()
        async with Sandbox(now=clock).serve() as sandbox:
            office = Office(sandbox, f"sqlite:///{Path(folder) / 'outbox.db'}", clock=clock)
            office.worker.start()
            for number in range(refusals):
                sandbox.fail("*", "429:org", times=1, skip=number % 5)
                await office.say(f"visitor-{number}", "hello", "hi", "help")
                await office.until(lambda _: office.rate_limiter.blocked_seconds > 0)
                # The refused session waits by itself; that everybody does shows with somebody else's turns.
                await office.say(f"meanwhile-{number}", "hello")
                await office.until(lambda counts: counts.pending == 0)
            await office.close()
            log = sandbox.requests
    # No pause is longer than a window; the reset is told in whole seconds and may lie behind its end.
    told = [
        (number, min(one.blocked_until, one.at + WINDOW_SECONDS))
        for number, one in enumerate(log)
        if one.blocked_until is not None
    ]
    early = sum(later.at < until for number, until in told for later in log[number + 1 :])
    waited = [log[number + 1].at - log[number].at for number, _ in told if number + 1 < len(log)]
    report.say(
        f"{len(told)} refusals with a reset, waits of {min(waited):.0f} to {max(waited):.0f} s (simulated clock)"
    )
    report.check(f"requests before the reset: {early}", holds=early == 0 and len(told) == refusals)
