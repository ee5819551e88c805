"""Time that passes when there is nothing else to do, and one thing at a time: the same run every time, on any machine.

Everything that takes time outside the event loop (a request, a transaction) goes through one lane, first come first
served. So the order of all that happens follows from the code alone. While somebody is in the lane the clock stands
still; when nobody is, and nothing can be done, it jumps to the next timer. Nothing here knows the product.
"""

import asyncio
import gc
import heapq
import math
import random
import selectors
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from types import FunctionType
from typing import Any, TypeVar

import httpx
import pytest
import time_machine

T = TypeVar("T")
LOOK_SECONDS = 1.0  # real ones, for what comes from another thread or over a socket; it wakes the loop by itself


@dataclass(eq=False)
class _Turn:
    held: Callable[[], bool]


class StandstillError(AssertionError):
    """Nobody is at work, and nobody waits for a time: it would never end."""


class World:
    """One event loop, its clock and its lane.

    Args:
        began: Where the clock begins, epoch seconds.

    Attributes:
        seconds: How far the clock is.
    """

    def __init__(self, began: float) -> None:
        self.seconds = 0.0
        self.loop = _Loop(self)
        self._began = began
        self._traveller = time_machine.travel(began, tick=False)
        self._clock: Any = None
        self._lane = asyncio.Lock()
        self._inside: _Turn | None = None
        self._in_threads = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run to the end, with a clock that stands still for the whole process meanwhile."""
        self._clock = self._traveller.start()
        try:
            return self.loop.run_until_complete(work)
        finally:
            self._finish()
            self._traveller.stop()

    def pass_over(self, seconds: float) -> None:
        """Let the clock jump; what was to be done meanwhile is done now."""
        self.seconds = math.ceil((self.seconds + seconds) * 1_000 - 1e-6) / 1_000  # whole steps: no float lags behind
        self._clock.move_to(self._began + self.seconds)

    def pass_to(self, step: float) -> None:
        """Let the clock jump to the next multiple of so many seconds; what took a little longer or shorter is level."""
        self.pass_over(step - self.seconds % step)

    async def in_lane(self, work: Callable[[], Awaitable[T]], held: Callable[[], bool] = lambda: False) -> T:
        """Do it when nobody else is at it.

        Args:
            work: What takes time outside the loop.
            held: Whether it waits for the clock itself by now; then it steps aside.
        """
        await self._lane.acquire()
        self._inside = turn = _Turn(held)
        try:
            return await work()
        finally:
            if self._inside is turn:
                self._leave()

    def _leave(self) -> None:
        self._inside = None
        self._lane.release()

    @property
    def at_work(self) -> bool:
        """Whether something comes by itself."""
        return self._in_threads > 0 or self._inside is not None

    def step_aside(self) -> bool:
        """Whether the one in the lane waits for the clock; the next one may go then."""
        if self._inside is None or not self._inside.held():
            return False
        self._leave()
        return True

    def in_thread(self, future: "asyncio.Future[Any]") -> None:
        """Count something that another thread does."""
        self._in_threads += 1
        future.add_done_callback(self._thread_done)

    def _thread_done(self, _future: "asyncio.Future[Any]") -> None:
        self._in_threads -= 1

    def _finish(self) -> None:
        self.loop.run_until_complete(_end_all())
        self._in_threads += 1  # of the executor, which are ended by one more
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()


async def _end_all() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class _Timer(asyncio.TimerHandle):
    """Of two for the same moment the one that was set first goes first, however many others there are."""

    number: int

    def __lt__(self, other: "_Timer") -> bool:  # type: ignore[override]  # there are only these
        return (self.when(), self.number) < (other.when(), other.number)


class _Loop(asyncio.SelectorEventLoop):
    """What comes from outside, over a socket or from a thread, is taken only when there is nothing else to do.

    So it does not depend on how fast that was, between which two steps of the others it comes.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._from_threads: deque[Callable[[], object]] = deque()
        self._numbers = count()
        super().__init__(_Selector(world))

    def time(self) -> float:
        return self._world.seconds

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, context: Any = None) -> Any:  # type: ignore[override]  # as below
        timer = _Timer(when, callback, args, self, context)
        timer.number = next(self._numbers)
        heapq.heappush(self._scheduled, timer)  # type: ignore[attr-defined]  # asyncio's own would not keep the order
        timer._scheduled = True  # type: ignore[attr-defined]  # as there
        return timer

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> "asyncio.Future[Any]":  # type: ignore[override]  # typeshed has two type variables more
        future = super().run_in_executor(executor, func, *args)
        self._world.in_thread(future)
        return future

    def call_soon_threadsafe(self, callback: Callable[..., object], *args: Any, **context: Any) -> Any:  # type: ignore[override]  # as above
        self._from_threads.append(partial(self.call_soon, callback, *args, **context))
        return super().call_soon_threadsafe(_nothing)  # wakes the loop

    def take_from_threads(self) -> bool:
        """Do next what threads have handed over; whether there was anything."""
        handed_over = bool(self._from_threads)
        while self._from_threads:
            self._from_threads.popleft()()
        return handed_over


def _nothing() -> None:
    pass


class _Selector(selectors.SelectSelector):
    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return []
        events = super().select(0)
        while not events and not self._world.loop.take_from_threads() and not self._world.step_aside():
            if self._world.at_work:
                events = super().select(LOOK_SECONDS)
            elif timeout is None:
                raise StandstillError
            else:
                self._world.pass_over(timeout)
                break
        return events


@contextmanager
def requests_in_lane(world: World, arrived: Callable[[], int], held: Callable[[], bool]) -> Iterator[None]:
    """All requests of httpx over the network go one after the other.

    Args:
        world: Whose lane.
        arrived: How many requests the server has seen.
        held: Whether the server lets the latest one wait.
    """
    send = httpx.AsyncHTTPTransport.handle_async_request

    async def whole(transport: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        response = await send(transport, request)
        await response.aread()  # here, where the clock stands still
        return response

    async def in_lane(transport: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        before: list[int] = []

        async def sent() -> httpx.Response:
            before.append(arrived())
            return await whole(transport, request)

        return await world.in_lane(sent, lambda: bool(before) and arrived() > before[0] and held())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", in_lane)
        yield


@contextmanager
def clock_and_dice(world: World, *packages: str) -> Iterator[None]:
    """The monotonic clock is the world's, and every throw of the dice is the same.

    Both are often bound as defaults of parameters when a module is imported, so they are replaced there too.

    Args:
        world: Whose clock.
        packages: Whose functions; all that is used of them is imported by now.
    """

    def monotonic() -> float:
        return world.seconds

    def middle() -> float:
        return 0.5

    instead: dict[Any, Any] = {time.monotonic: monotonic, random.random: middle}
    with pytest.MonkeyPatch.context() as patch:
        for function in [one for one in gc.get_objects() if isinstance(one, FunctionType)]:
            defaults = function.__kwdefaults__
            if defaults and (function.__module__ or "").startswith(packages):
                new = {name: instead.get(value, value) for name, value in defaults.items() if _is_function(value)}
                patch.setattr(function, "__kwdefaults__", defaults | new)
        patch.setattr(time, "monotonic", monotonic)
        patch.setattr(random, "random", middle)
        yield


def _is_function(value: object) -> bool:
    return callable(value) and getattr(value, "__hash__", None) is not None
