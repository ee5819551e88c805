"""Tasks that the bot does not wait for."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from rasa_kustomer.failures import describe_error
from rasa_kustomer.log import Once


class Background:
    """Tasks that run beside the actions; an unexpected error in one is logged once and has no other effect.

    Attributes:
        tasks: Those that are running.
    """

    def __init__(self, say_once: Once) -> None:
        self._say_once = say_once
        self.tasks = set[asyncio.Task[None]]()

    def start(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Start a task, which the caller may wait for."""
        task = asyncio.create_task(self._quietly(work))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def stop(self) -> None:
        """Cancel what is running."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)

    async def _quietly(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - asyncio would log it with a traceback, which may hold texts
            self._say_once(f"A background task failed: {describe_error(error)}")
