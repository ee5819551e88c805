"""The outbox's disk is full, its file locked, its server restarted: the bot answers, and it recovers by itself."""

import asyncio
import resource
import sqlite3
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import httpx
from tests.chaos.harness import Report, Site, Visitor, judge, site
from tests.servers import postgres

VISITORS = 6
SLOWEST_SECONDS = 2.0  # the user's own limit for an answer


async def run(report: Report, *, seconds: float) -> None:
    """Each trouble for so long."""
    for name, trouble in {"full disk": _full, "locked file": _locked}.items():
        async with site() as place:
            await _through(report, place, name, partial(trouble, seconds=seconds))
    with postgres() as server:
        async with site(outbox_url=server.fresh()) as place:

            async def restart(_place: Site) -> None:
                await asyncio.to_thread(server.stop)
                await asyncio.sleep(seconds)
                await asyncio.to_thread(server.start)

            await _through(report, place, "PostgreSQL restarted", restart)


async def _through(report: Report, place: Site, name: str, trouble: Callable[[Site], Awaitable[None]]) -> None:
    visitors = [Visitor(f"visitor-{number}") for number in range(VISITORS)]
    over, slowest, unanswered = asyncio.Event(), 0.0, 0

    async def talk(visitor: Visitor) -> None:
        nonlocal slowest, unanswered
        async with httpx.AsyncClient(timeout=30) as http:
            while not over.is_set():
                began = time.monotonic()
                unanswered += not await visitor.turn(http, place.url())
                slowest = max(slowest, time.monotonic() - began)
                await asyncio.sleep(0.2)
            await asyncio.sleep(1)
            await visitor.turn(http, place.url())  # Rasa sends the missed turns again with the next one

    talking = [asyncio.create_task(talk(visitor)) for visitor in visitors]
    await asyncio.sleep(1)
    await trouble(place)
    await asyncio.sleep(1)
    over.set()
    await asyncio.gather(*talking)
    missed = (await place.health())["unrecorded"]
    report.say(f"{name}: {missed} calls could not be recorded at once, slowest answer {slowest:.2f} s")
    report.check("the bot was answered all the time", holds=not unanswered and slowest <= SLOWEST_SECONDS)
    report.check("everything is delivered afterwards", holds=await place.drained())
    await judge(report, place, visitors)


async def _locked(place: Site, seconds: float) -> None:
    connection = sqlite3.connect(place.folder / "outbox.db", timeout=10, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    await asyncio.sleep(seconds)
    connection.execute("ROLLBACK")
    connection.close()


async def _full(place: Site, seconds: float) -> None:
    """No file of the server may grow: to SQLite this is a disk without room."""
    process = place.servers[0].process
    pids = _with_children(process.pid) if process else []
    largest = max(path.stat().st_size for path in place.folder.glob("outbox.db*"))
    for pid in pids:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))
    await asyncio.sleep(seconds)
    for pid in pids:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def _with_children(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in _with_children(int(child)))]
