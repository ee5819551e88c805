"""The outbox's file breaks while two action servers use it: it is set aside once, and whoever goes on loses nothing."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import httpx
from tests.chaos.harness import Report, Site, Visitor, judge, site
from tests.delivery.breaking import INDEX_OF_WAITING, break_first_page, break_page_of

VISITORS = 20
SECONDS_BEFORE, SECONDS_AFTER = 3.0, 4.0


def _index(path: Path) -> None:
    break_page_of(path, INDEX_OF_WAITING)


WAYS: tuple[Callable[[Path], None], ...] = (break_first_page, _index)


async def run(report: Report, *, times: int) -> None:
    """Break so many files, each of other servers."""
    for number in range(times):
        async with site(servers=2) as place:
            await _break(report, place, WAYS[number % len(WAYS)])


async def _break(report: Report, place: Site, way: Callable[[Path], None]) -> None:
    visitors = [Visitor(f"visitor-{number}") for number in range(VISITORS)]
    over, unanswered = asyncio.Event(), 0

    async def talk(visitor: Visitor) -> None:
        nonlocal unanswered
        async with httpx.AsyncClient(timeout=30) as http:
            while not over.is_set():
                unanswered += not await visitor.turn(http, place.url(random.randrange(2)))
                await asyncio.sleep(random.uniform(0.1, 0.4))
            unanswered += not await visitor.turn(http, place.url())  # Rasa sends what was missed with the next turn

    talking = [asyncio.create_task(talk(visitor)) for visitor in visitors]
    await asyncio.sleep(SECONDS_BEFORE)
    await asyncio.to_thread(way, place.folder / "outbox.db")
    await asyncio.sleep(SECONDS_AFTER)
    over.set()
    await asyncio.gather(*talking)
    aside = [file.name for file in place.folder.glob("outbox.db.damaged*") if not file.name.endswith(("-wal", "-shm"))]
    report.say(f"{way.__name__.strip('_')}: files set aside {aside}")
    report.check("the bot was answered all the time", holds=not unanswered)
    # None when a checkpoint wrote the page anew before anybody read it.
    report.check("at most one file is set aside", holds=len(aside) <= 1)
    report.check("everything is delivered afterwards", holds=await place.drained())
    await judge(report, place, visitors)
