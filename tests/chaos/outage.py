"""Kustomer answers 503 for a quarter of an hour (simulated clock), and for some seconds of real time."""

import asyncio
import tempfile
from pathlib import Path

from tests.chaos.harness import Report, Visitor, judge, site, talk
from tests.delivery.office import Office

from kustomer_sandbox import Sandbox

SIMULATED_SECONDS = 15 * 60.0
VISITORS = 20


async def run(report: Report, *, seconds: float) -> None:
    """The simulated outage, then a real one of so many seconds."""
    await _simulated(report)
    async with site() as place:
        visitors: list[Visitor] = []
        stop = asyncio.Event()
        talking = asyncio.create_task(talk(visitors, place.url, stop, pause_seconds=0.2))
        await asyncio.sleep(2)
        await place.fault("status:503")
        await asyncio.sleep(seconds)
        pending = (await place.health())["outbox"]["pending"]
        state = (await place.health())["breaker"]["state"]
        report.check(f"after {seconds:g} s of 503 the breaker is {state}", holds=state == "open")
        await place.heal()
        stop.set()
        await talking
        report.check(f"{pending:,} turns were waiting; all are delivered", holds=await place.drained())
        await judge(report, place, visitors)


async def _simulated(report: Report) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with Sandbox().serve() as sandbox:
            sandbox.rules.bulk_seconds = 0
            sandbox.rules.customer_limit = 10_000
            office = Office(sandbox, f"sqlite:///{Path(folder) / 'outbox.db'}")
            office.worker.start()
            sandbox.fail("*", "status:503", times=None)
            end, turn = office.clock.now + SIMULATED_SECONDS, 1
            while office.clock.now < end:
                for number in range(VISITORS):
                    await office.say(f"visitor-{number}", f"turn {turn}", start=turn)
                turn += 1
                for _ in range(60):
                    office.clock.now += 0.5
                    office.outbox.work_arrived.set()
                    await asyncio.sleep(0.001)
            tried = len(sandbox.requests)
            sandbox.heal()
            await office.until(lambda counts: counts.pending == 0)
            expected = [f"turn {number}" for number in range(1, turn)]
            right = sum(office.texts(f"visitor-{number}") == expected for number in range(VISITORS))
            await office.close()
    report.say(f"15 min of 503 on a simulated clock: {tried} requests were tried meanwhile")
    report.check(f"{right} of {VISITORS} conversations whole and in order afterwards", holds=right == VISITORS)
