"""How urgent a request is. That depends on who waits for it, and may change while it waits."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import IntEnum

LOOK_AGAIN_SECONDS = 0.25  # what waits may have become more urgent


class Priority(IntEnum):
    """What goes first; the most urgent is 0."""

    HANDOFF = 0
    ESCALATED = 1  # turns of a conversation that a human has
    LOOKUP = 2  # a session that starts
    MIRROR = 3
    CLEANUP = 4  # closing, comparing: whenever there is time


class WorkPriority:
    """Priority of one piece of work. Whatever makes its requests wait reads it again from time to time.

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
        """Raise it, since somebody waits for it now."""
        self._own = min(self._own, level)

    def join(self, other: "WorkPriority") -> None:
        """Serve other work too: from now on it is as urgent as the more urgent of the two."""
        self._others.append(other)

    def part(self, other: "WorkPriority") -> None:
        """No longer serve that work."""
        self._others.remove(other)


task_priority: ContextVar[WorkPriority] = ContextVar("kustomer_priority")
"""Priority of the running task; tasks that it starts inherit it."""


def current_priority() -> WorkPriority:
    """Priority of the current task; a look-up unless another one was set."""
    return task_priority.get(None) or WorkPriority(Priority.LOOKUP)


@dataclass(eq=False)
class _Waiter:
    priority: WorkPriority
    bell: "asyncio.Future[None] | None" = None


class PrioritySemaphore:
    """A semaphore that admits the most urgent first, and equals in order of arrival.

    Args:
        slots: For each priority, how many may be inside in all when one of it enters; more for the more urgent.
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
        """Wake the next one, to check whether it may enter."""
        if (waiter := self._next()) is not None and waiter.bell is not None and not waiter.bell.done():
            waiter.bell.set_result(None)
