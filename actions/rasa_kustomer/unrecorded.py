"""Turns that could not be written to the outbox in time.

A conversation's next turn brings them again, but there may be none: so they are kept in memory and tried again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, NamedTuple

from rasa_kustomer.conversation.identity import Identity
from rasa_kustomer.delivery.outbox import OutboxUnavailableError, Renew
from rasa_kustomer.failures import where
from rasa_kustomer.recorder import Recorder

logger = logging.getLogger(__name__)

MOST_SENDERS = 100  # their trackers are kept whole, a few hundred kB each at the most; others wait for their next turn
RETRY_SECONDS = 2.0
FAILURES_TO_PAUSE = 3  # in a row: it is the outbox then, and not a turn of its own; each may take a second


class _Call(NamedTuple):
    events: Sequence[Mapping[str, Any]]
    identity: Identity
    at_start: Identity | None


class Unrecorded:
    """Counts such calls, says so once, and records them as soon as it is possible.

    Args:
        recorder: Writes to the outbox.
        sleep: How to wait.

    Attributes:
        calls: How many calls could not be recorded at once, since the start.
        losing: Whether recording fails at present.
    """

    def __init__(self, recorder: Recorder, *, sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep) -> None:
        self._recorder, self._sleep = recorder, sleep
        self._waiting: dict[str, _Call] = {}
        self._task: asyncio.Task[None] | None = None
        self.calls = 0
        self.losing = False

    def failed(self, error: Exception) -> None:
        """Something could not be recorded just now."""
        self.calls += 1
        if not self.losing:
            self.losing = True
            said = str(error) if isinstance(error, OutboxUnavailableError) else where(error)
            logger.error("Turns cannot be recorded, the bot goes on without (KUSTOMER_OUTBOX_URL): %s", said)

    def keep(
        self,
        sender_id: str,
        events: Sequence[Mapping[str, Any]],
        identity: Identity,
        at_start: Identity | None = None,
    ) -> None:
        """Try a sender's turns again later; the latest call has all of them."""
        if sender_id in self._waiting or len(self._waiting) < MOST_SENDERS:
            self._waiting[sender_id] = _Call(events, identity, at_start)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._retry_all(), name="kustomer_unrecorded")

    def succeeded(self, sender_id: str) -> None:
        """A sender's turns are recorded, those of earlier calls among them."""
        self._waiting.pop(sender_id, None)
        if self.losing:
            self.losing = False
            logger.info("Turns are recorded again; %d calls were not at once.", self.calls)

    async def stop(self) -> None:
        """Try a last time."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._try()

    async def _retry_all(self) -> None:
        while self._waiting:
            await self._sleep(RETRY_SECONDS)
            await self._try()

    async def _try(self) -> None:
        failures = 0
        for sender_id, call in list(self._waiting.items()):
            try:
                await self._recorder.record_turns(
                    sender_id, call.events, call.identity, at_start=call.at_start, renew=Renew.UNLESS_BEHIND
                )
            except Exception as error:  # noqa: BLE001 - one odd tracker must not keep the others waiting
                logger.debug("Turns are tried again later: %s", where(error))
                failures += 1
                if self._waiting.get(sender_id) is call:  # the others go first next time
                    self._waiting[sender_id] = self._waiting.pop(sender_id)
                if failures == FAILURES_TO_PAUSE:
                    return
            else:
                failures = 0
                if self._waiting.get(sender_id) is call:  # else there is a later one by now
                    self.succeeded(sender_id)
