"""Periodic work: close quiet conversations, and remove what was settled long ago."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from rasa_kustomer.failures import describe_error
from rasa_kustomer.log import Once
from rasa_kustomer.outbox import Outbox, OutboxUnavailableError

logger = logging.getLogger(__name__)

IDLE_CHECK_SECONDS = 60.0
FIRST_PURGE_SECONDS = 600.0  # not while a server that has just started catches up
PURGE_SECONDS = 3_600.0
PAUSE_SECONDS = 1.0  # between two rounds: messages go before tidying up
SHORT_PAUSE_SECONDS = 0.1  # the same for closings, which agents see
DAY_SECONDS = 86_400.0


class Housekeeping:
    """Tidies the outbox until it is stopped. Several processes may do so on one outbox.

    Args:
        outbox: What is tidied.
        idle_close_minutes: Close quiet conversations after so long; 0 means never (KUSTOMER_IDLE_CLOSE_MINUTES).
        retention_days: Remove what was settled, and who it was, after so long; 0 means never (KUSTOMER_RETENTION_DAYS).
        sleep: How to wait.
    """

    def __init__(
        self,
        outbox: Outbox,
        *,
        idle_close_minutes: float,
        retention_days: float,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self._outbox, self._sleep = outbox, sleep
        self._idle_minutes, self._retention_days = idle_close_minutes, retention_days
        self._tasks: list[asyncio.Task[None]] = []
        self._say = Once(logger)

    def start(self) -> None:
        """Begin in the running event loop. Does nothing when already started."""
        if not self._tasks:
            wanted = ((self._close_idle, self._idle_minutes), (self._purge, self._retention_days))
            self._tasks = [asyncio.create_task(loop(), name=f"kustomer{loop.__name__}") for loop, on in wanted if on]

    async def stop(self) -> None:
        """End at once; a transaction under way is finished by the outbox."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def _close_idle(self) -> None:
        while True:
            await self._sleep(IDLE_CHECK_SECONDS)
            await self._guard(self._outbox.maintenance.let_go)
            await self._guard(self._close_all)

    async def _close_all(self) -> None:
        while await self._outbox.maintenance.close_idle(self._idle_minutes, surprised=self._say):
            await self._sleep(SHORT_PAUSE_SECONDS)

    async def _purge(self) -> None:
        await self._sleep(FIRST_PURGE_SECONDS)
        while True:
            await self._guard(self._outbox.maintenance.let_go)
            await self._guard(self._purge_all)
            await self._sleep(PURGE_SECONDS)

    async def _purge_all(self) -> None:
        seconds, total = self._retention_days * DAY_SECONDS, 0
        while any(batch := await self._outbox.maintenance.retire(older_than_seconds=seconds, surprised=self._say)):
            total += batch.records
            await self._sleep(PAUSE_SECONDS)
        if total:
            logger.info("%d delivered records were deleted (KUSTOMER_RETENTION_DAYS).", total)

    async def _guard(self, work: Callable[[], Awaitable[Any]]) -> None:
        """Run the work and log what fails; it is tried again at its next time."""
        try:
            await work()
        except OutboxUnavailableError as error:  # whoever records or delivers says so louder
            logger.debug("Tidying the outbox is postponed: %s", error)
        except Exception as error:  # noqa: BLE001 - a surprise must not end what is done by the clock
            self._say(f"Unexpected error while tidying the outbox, continuing: {describe_error(error)}")
