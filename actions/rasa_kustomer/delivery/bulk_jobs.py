"""Kustomer's bulk jobs: send one, and ask until its results are there (Kustomer API reference, Bulk)."""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

from cachetools import TTLCache

from rasa_kustomer.kustomer.bulk import BulkResource, BulkResult
from rasa_kustomer.kustomer.client import KustomerClient
from rasa_kustomer.kustomer.errors import (
    BrokenAnswer,
    KeyRefused,
    NotAllowed,
    NotFound,
    RateLimited,
    Unreachable,
)

logger = logging.getLogger(__name__)

FIRST_LOOK_SECONDS = 0.5
MAX_PAUSE_SECONDS = 5.0
PATIENCE_SECONDS = 30.0
DOUBT_SECONDS = 60.0  # how long a job whose answer was lost may still be at work; completion times are not documented
GIVE_UP_SECONDS = 600.0
SOONER = 0.9

Results = Mapping[str, BulkResult]


class NotPermittedError(Exception):
    """The key or the plan does not allow bulk jobs; nothing was sent."""


class BulkJobs:
    """Bulk jobs of one process.

    Args:
        client: Kustomer's API.
        now: Clock in epoch seconds.
        sleep: How to wait.

    Attributes:
        permitted: False once Kustomer has refused a job or its results; stays so for the life of the process.
    """

    def __init__(
        self,
        client: KustomerClient,
        *,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self._client, self._now, self._sleep = client, now, sleep
        self._known: TTLCache[str, Results] = TTLCache(maxsize=100, ttl=GIVE_UP_SECONDS, timer=now)
        self._first_look = FIRST_LOOK_SECONDS  # what the last jobs took: each look costs a request
        self.permitted = True

    async def send(self, resource: BulkResource, items: Sequence[Mapping[str, Any]]) -> str:
        """Start a job; returns its id.

        Raises:
            NotPermittedError: The key or the plan does not allow bulk jobs; nothing was done.
            KustomerError: As for any create.
        """
        try:
            return await self._client.create_bulk(resource, items)
        except KeyRefused:
            raise
        except (NotAllowed, NotFound) as error:
            self._refused(error)
            raise NotPermittedError from None

    async def change(self, resource: BulkResource, items: Sequence[Mapping[str, Any]]) -> str:
        """As `send`, for changes to absolute values.

        Raises:
            KustomerError: As for any change.
        """
        return await self._client.change_bulk(resource, items)

    async def results(
        self, job: str, items: Collection[str], *, patience_seconds: float = PATIENCE_SECONDS
    ) -> Results | None:
        """The result of each item, by `_clientRef`; None when the job is not done within `patience_seconds`.

        Args:
            job: The job's id.
            items: The `_clientRef` of each item; polling ends once all have a result.
            patience_seconds: 0 asks once.

        Raises:
            NotFound: Kustomer does not know the job (any more), or does not let us see it.
        """
        if (known := self._known.get(job)) is not None:
            return known
        began, pause, looks = self._now(), self._first_look, 0
        deadline = began + patience_seconds
        while True:
            if patience_seconds:
                await self._sleep(pause)
            looks += 1
            if (found := await self._look(job, items)) is not None:
                self._known[job] = found
                if patience_seconds:
                    self._learn(self._now() - began if looks > 1 else 0.0)
                return found
            if self._now() >= deadline:
                return None
            pause = min(pause * 2, MAX_PAUSE_SECONDS)

    def _learn(self, seconds: float) -> None:
        """Start polling later next time when the first poll was too early, else a little sooner."""
        wish = seconds or self._first_look * SOONER
        self._first_look = min(max(wish, FIRST_LOOK_SECONDS), MAX_PAUSE_SECONDS)

    async def _look(self, job: str, items: Collection[str]) -> Results | None:
        """The results; once they cover every item the job is done, whatever its status says."""
        try:
            with suppress(NotFound):  # perhaps only not yet
                told = _by_ref(await self._client.bulk_results(job))
                if all(item in told for item in items):
                    return told
            if not await self._client.bulk_complete(job):
                return None
            return _by_ref(await self._client.bulk_results(job))
        except KeyRefused:
            return None
        except NotAllowed as error:
            self._refused(error)
            raise NotFound(str(error)) from None
        except (Unreachable, RateLimited, BrokenAnswer):
            return None

    def _refused(self, error: Exception) -> None:
        if self.permitted:
            self.permitted = False
            logger.warning("Kustomer refused a bulk job; messages are sent one by one from now on: %s", error)


def _by_ref(results: Sequence[BulkResult]) -> Results:
    """One result for each `_clientRef`: a success beats a failure; none when two records share the reference."""
    found: dict[str, BulkResult] = {}
    claimed: dict[str, set[str | None]] = defaultdict(set)
    for result in results:
        if result.ok:
            claimed[result.client_ref].add(result.object_id)
        if result.client_ref not in found or result.ok:
            found[result.client_ref] = result
    return {reference: result for reference, result in found.items() if len(claimed[reference]) < 2}
