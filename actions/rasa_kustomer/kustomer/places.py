"""Room for so much at a time, the most urgent first."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from rasa_kustomer.kustomer.urgency import Lane, Urgency, current_urgency

LOOK_AGAIN_SECONDS = 0.25  # what waits may have become more urgent


class _Waiter:
    def __init__(self, mine: Urgency) -> None:
        self.urgency = mine
        self.bell: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """Let it look whether it may enter."""
        if self.bell is not None and not self.bell.done():
            self.bell.set_result(None)


class Places:
    """A semaphore with lanes.

    Args:
        most: By lane how many there may be in all when one of it enters; the more urgent, the more.
    """

    def __init__(self, most: Mapping[Lane, float]) -> None:
        self._most, self._taken = most, 0
        self._waiting: list[_Waiter] = []

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """A place for the work of this task; waits until there is one."""
        await self._enter(_Waiter(current_urgency()))
        try:
            yield
        finally:
            self._taken -= 1
            self._ring_next()

    async def _enter(self, waiter: _Waiter) -> None:
        self._waiting.append(waiter)
        try:
            while not self._is_next(waiter):
                waiter.bell = asyncio.get_running_loop().create_future()
                timer = asyncio.get_running_loop().call_later(LOOK_AGAIN_SECONDS, waiter.ring)
                try:
                    await waiter.bell
                finally:
                    timer.cancel()
            self._taken += 1
        finally:
            self._waiting.remove(waiter)
            self._ring_next()

    def _is_next(self, waiter: _Waiter) -> bool:
        return self._next() is waiter and self._taken < self._most[waiter.urgency.lane]

    def _next(self) -> _Waiter | None:
        return min(self._waiting, key=lambda one: one.urgency.lane, default=None)  # of equals the first

    def _ring_next(self) -> None:
        if (waiter := self._next()) is not None:
            waiter.ring()
