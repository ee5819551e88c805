"""Waiting for a place of our own says nothing about Kustomer, and the most urgent go first."""

import asyncio

import pytest

from kustomer_sandbox import Sandbox
from rasa_kustomer.kustomer.client import KustomerClient
from rasa_kustomer.kustomer.errors import RateLimited
from rasa_kustomer.kustomer.priority import Priority, PrioritySemaphore, WorkPriority, task_priority

SLOTS = {Priority.HANDOFF: 4, Priority.ESCALATED: 3, Priority.LOOKUP: 3, Priority.MIRROR: 2, Priority.CLEANUP: 2}


class Work:
    """Tasks that each hold a place until they are told to go."""

    def __init__(self) -> None:
        self.places = PrioritySemaphore(SLOTS)
        self.inside: list[str] = []
        self.doors: dict[str, asyncio.Event] = {}

    def begin(self, name: str, mine: WorkPriority) -> asyncio.Task[None]:
        self.doors[name] = asyncio.Event()

        async def hold() -> None:
            task_priority.set(mine)
            async with self.places.slot():
                self.inside.append(name)
                await self.doors[name].wait()

        return asyncio.create_task(hold())


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_backlog_leaves_places_to_the_more_urgent_who_go_first_when_one_is_free() -> None:
    work = Work()
    tasks = [work.begin(f"mirror {number}", WorkPriority(Priority.MIRROR)) for number in range(4)]
    tasks += [
        work.begin("look-up", WorkPriority(Priority.LOOKUP)),
        work.begin("look-up 2", WorkPriority(Priority.LOOKUP)),
    ]
    await settle()
    assert work.inside == ["mirror 0", "mirror 1", "look-up"]
    tasks.append(work.begin("handoff", WorkPriority(Priority.HANDOFF)))
    await settle()
    assert work.inside[-1] == "handoff"

    for name in ("mirror 0", "mirror 1"):
        work.doors[name].set()
    await settle()
    assert work.inside[4:] == ["look-up 2"], "two places were free, and one of them is not for the mirror"
    for door in work.doors.values():
        door.set()
    await asyncio.gather(*tasks)
    assert work.inside[5:] == ["mirror 2", "mirror 3"]


async def test_whoever_is_cancelled_while_waiting_leaves_no_gap() -> None:
    work = Work()
    tasks = [work.begin(str(number), WorkPriority(Priority.MIRROR)) for number in range(4)]
    await settle()
    tasks[2].cancel()
    work.doors["0"].set()
    await settle()

    assert work.inside == ["0", "1", "3"]
    for door in work.doors.values():
        door.set()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_many_slow_answers_at_once_are_waited_for_and_none_is_taken_for_an_outage(sandbox: Sandbox) -> None:
    sandbox.fail("GET /v1/customers/*", "latency:0.25", times=None)
    async with KustomerClient(sandbox.url, sandbox.api_key, timeout_seconds=0.6) as client:
        task_priority.set(WorkPriority(Priority.MIRROR))
        found = await asyncio.gather(*(client.find_customer("externalId", f"nobody-{one}") for one in range(60)))

    assert found == [None] * 60
    assert len(sandbox.requests) == 60, "none was repeated"


async def test_a_429_that_comes_while_a_request_waits_for_its_place_is_heeded(sandbox: Sandbox) -> None:
    async def spent(_request: object) -> None:
        raise RateLimited("", wait_seconds=100, organisation=True)

    async with KustomerClient(sandbox.url, sandbox.api_key, event_hooks={"sending": [spent]}) as client:
        with pytest.raises(RateLimited):
            await client.current_user()
    assert sandbox.requests == []
