"""SIGKILL of action servers at random instants under load."""

import asyncio
import random

from tests.chaos.harness import Report, Visitor, judge, site, talk


async def run(report: Report, *, kills: int, servers: int = 1, outbox_url: str | None = None) -> None:
    """Kill so often, let everything be delivered, and compare."""
    async with site(outbox_url=outbox_url, servers=servers, rules={"bulk_seconds": 0.5}) as place:
        visitors: list[Visitor] = []
        stop = asyncio.Event()
        talking = asyncio.create_task(talk(visitors, lambda: place.url(random.randrange(servers)), stop))
        for number in range(kills):
            await asyncio.sleep(random.uniform(0.05, 1.5))
            victim = place.servers[number % servers]
            victim.kill()
            await victim.start()
        stop.set()
        await talking
        report.say(f"{kills} kills of {servers} server(s), {len(visitors)} visitors")
        if refused := place.refused():
            report.say(f"{refused} times the machine was too busy to record a turn within a second")
        report.check("everything is delivered in the end", holds=await place.drained())
        await judge(report, place, visitors)
