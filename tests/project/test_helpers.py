"""What tests share is one thing in one place, and safe for tests that run beside each other."""

import ast
import asyncio
import socket
from pathlib import Path

import pytest
from tests import helpers
from tests.helpers import PORTS, Clock, SharedClock, free_port

TESTS = Path(__file__).parents[1]


def test_nothing_of_the_helpers_stands_a_second_time() -> None:
    """Clocks, free ports and the like; a class with another name may still differ where a suite needs it."""
    here = {node.name for node in definitions(Path(helpers.__file__))}
    assert {"Clock", "free_port", "no_sleep"} <= here
    others = [file for file in TESTS.rglob("*.py") if file != Path(helpers.__file__)]
    again = [f"{file.relative_to(TESTS)}: {node.name}" for file in others for node in definitions(file)]
    assert [one for one in again if one.split(": ")[1].lstrip("_") in here] == []


def definitions(file: Path) -> list[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    return [
        node
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def test_a_free_port_is_none_that_the_system_gives_to_somebody_else_meanwhile() -> None:
    """What asks for any port, as each served sandbox does, and what connects get theirs from another range."""
    range_file = Path("/proc/sys/net/ipv4/ip_local_port_range")
    lowest = int(range_file.read_text().split()[0]) if range_file.exists() else PORTS.stop
    if lowest < PORTS.stop:
        pytest.skip("here the system gives away nearly all ports")
    port = free_port()
    assert port in PORTS
    with socket.socket() as server:
        server.bind(("127.0.0.1", port))


async def test_by_a_clock_time_passes_when_it_is_moved_or_slept_by() -> None:
    clock = Clock(5.0)
    clock.now += 1
    await clock.sleep(2)
    assert (clock(), clock.slept) == (8.0, [2])


async def test_all_who_sleep_by_a_shared_clock_wake_when_their_time_has_come() -> None:
    clock, woken = SharedClock(100.0), list[int]()

    async def sleeper(seconds: int) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    tasks = [asyncio.create_task(sleeper(seconds)) for seconds in (3, 1, 9)]
    await asyncio.sleep(0)
    assert (clock.waiting, woken) == (3, [])

    clock.now += 2
    await tasks[1]
    assert (clock.waiting, woken) == (2, [1])

    clock.now += 1
    await tasks[0]
    tasks[2].cancel()
    await asyncio.gather(tasks[2], return_exceptions=True)
    assert (clock.waiting, woken) == (0, [1, 3])
