"""Work that waits for the thread of the SQLite outbox, and the way of its result back to the event loop."""

import asyncio
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection

from rasa_kustomer.delivery.outbox.transactor import OutboxUnavailableError

T = TypeVar("T")


class Task(Generic[T]):
    """One function to be run by the thread, and the future that its caller awaits.

    Args:
        work: What to do with the connection.
        loop: The caller's event loop.
        writes: The work needs the write lock.
    """

    def __init__(self, work: Callable[[Connection], T], loop: asyncio.AbstractEventLoop, *, writes: bool) -> None:
        self.work, self.loop, self.writes = work, loop, writes
        self.future: asyncio.Future[T] = loop.create_future()
        self.result: T | None = None
        self.error: Exception | None = None

    def give_up(self) -> None:
        """The caller waits no longer; the work is done all the same when the thread comes to it."""
        if not self.future.done():
            self.future.set_exception(OutboxUnavailableError("the database did not answer in time"))

    def attempt(self, connection: Connection) -> None:
        """Run the work, in the thread."""
        self.result = self.work(connection)

    def resolve(self) -> None:
        """Hand over what came of it, in the caller's loop."""
        if self.future.done():  # the caller gave up waiting
            return
        if self.error is None:
            self.future.set_result(self.result)  # type: ignore[arg-type]
        else:
            self.future.set_exception(self.error)


def resolve(batch: list[Task[Any]]) -> None:
    """Wake the callers, with one call into each of their loops."""
    loops: dict[asyncio.AbstractEventLoop, list[Task[Any]]] = {}
    for task in batch:
        loops.setdefault(task.loop, []).append(task)
    for loop, tasks in loops.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_resolve_all, tasks)


def _resolve_all(tasks: list[Task[Any]]) -> None:
    for task in tasks:
        task.resolve()
