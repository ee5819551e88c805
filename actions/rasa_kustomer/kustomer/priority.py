"""How urgent a request is: whoever waits for it decides, and may change their mind while it waits."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import IntEnum

LOOK_AGAIN_SECONDS = 0.25  # what waits may have become more urgent


class Priority(IntEnum):
    """Who sends, the most urgent first."""

    HANDOFF = 0
    ESCALATED = 1  # turns of a conversation that a human has
    LOOKUP = 2  # a session that starts
    MIRROR = 3
    CLEANUP = 4  # closing, comparing: whenever there is time


class WorkPriority:
    """Priority of one piece of work. Whatever makes its requests wait asks again from time to time.

    Args:
        level: Its own priority.
    """

    def __init__(self, level: Priority) -> None:
        self._own = level
        self._others: list[WorkPriority] = []

    @property
    def level(self) -> Priority:
        """Its priority now."""
        return min((self._own, *(other.level for other in self._others)))

    def raise_to(self, level: Priority) -> None:
        """Somebody began to wait for it."""
        self._own = min(self._own, level)

    def join(self, other: "WorkPriority") -> None:
        """It is done for other work too, and is as urgent as the more urgent of the two from now on."""
        self._others.append(other)

    def part(self, other: "WorkPriority") -> None:
        """It is not done for that work any more."""
        self._others.remove(other)


task_priority: ContextVar[WorkPriority] = ContextVar("kustomer_priority")
"""Of the task that runs; a task that it starts has the same."""


def current_priority() -> WorkPriority:
    """Priority of what this task does; a bot's look-up unless something else was said."""
    return task_priority.get(None) or WorkPriority(Priority.LOOKUP)


@dataclass(eq=False)
class _Waiter:
    priority: WorkPriority
    bell: "asyncio.Future[None] | None" = None


class PrioritySemaphore:
    """A semaphore that lets the most urgent in first, and of equals the first.

    Args:
        slots: By priority how many there may be inside in all when one of it enters; the more urgent, the more.
    """

    def __init__(self, slots: Mapping[Priority, int]) -> None:
        self._slots, self._taken = slots, 0
        self._waiting: list[_Waiter] = []

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """A slot for the work of this task; waits until there is one."""
        await self._enter(_Waiter(current_priority()))
        try:
            yield
        finally:
            self._taken -= 1
            self._ring_next()

    async def _enter(self, waiter: _Waiter) -> None:
        self._waiting.append(waiter)
        try:
            while self._next() is not waiter or self._taken >= self._slots[waiter.priority.level]:
                waiter.bell = asyncio.get_running_loop().create_future()
                await asyncio.wait([waiter.bell], timeout=LOOK_AGAIN_SECONDS)
            self._taken += 1
        finally:
            self._waiting.remove(waiter)
            self._ring_next()

    def _next(self) -> _Waiter | None:
        return min(self._waiting, key=lambda waiter: waiter.priority.level, default=None)

    def _ring_next(self) -> None:
        """Let the next one look whether it may enter."""
        if (waiter := self._next()) is not None and waiter.bell is not None and not waiter.bell.done():
            waiter.bell.set_result(None)
