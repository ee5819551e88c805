"""Team names into team ids.

Kustomer has no look-up by name (Kustomer API reference, Teams), so the list is read once and kept for a while.
"""

import logging
import re
import time
from collections.abc import Callable

from rasa_kustomer.kustomer.client import KustomerClient
from rasa_kustomer.kustomer.errors import KeyRefused, NotAllowed, NotFound
from rasa_kustomer.kustomer.models import Team

logger = logging.getLogger(__name__)

_OBJECT_ID = re.compile("[0-9a-f]{24}")


class Teams:
    """The organisation's teams.

    Args:
        client: Kustomer's API.
        ttl_seconds: How long the list is kept.
        now: Monotonic clock in seconds.
    """

    def __init__(
        self, client: KustomerClient, *, ttl_seconds: float, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._client, self._ttl, self._now = client, ttl_seconds, now
        self._list: list[Team] = []
        self._read_at: float | None = None

    async def id_of(self, wanted: str) -> str | None:
        """Id of the team with this id, name or display name (capitals don't matter); None when there is none.

        Raises:
            KustomerError: The list could not be read. A missing role is no error for an id: ids need no list.
        """
        try:
            teams = await self._teams()
        except (NotAllowed, NotFound) as error:
            if isinstance(error, KeyRefused):
                raise
            if _OBJECT_ID.fullmatch(wanted):
                return wanted
            logger.warning("Team names cannot be resolved: %s", error)
            return None
        folded = wanted.strip().casefold()
        for team in teams:
            if folded in {team.id.casefold(), (team.name or "").casefold(), (team.display_name or "").casefold()}:
                return team.id
        return None

    async def pick(self, wanted: str | None, default: str | None) -> tuple[str | None, str | None]:
        """Id of the wanted team, else of the default team.

        Returns:
            The id (or None), and a sentence for note and log when the wanted team could not be used.
        """
        if wanted and (found := await self.id_of(wanted)):
            return found, None
        fallback = await self.id_of(default) if default else None
        if not wanted:
            problem = None if fallback or not default else f'The default team "{default}" does not exist in Kustomer.'
            return fallback, problem
        outcome = f'the default team "{default}" has it' if fallback else "no team was assigned"
        return fallback, f'The team "{wanted}" does not exist in Kustomer; {outcome}.'

    async def _teams(self) -> list[Team]:
        now = self._now()
        if self._read_at is None or now - self._read_at > self._ttl:
            self._list = [team for team in await self._client.teams() if not team.deleted]
            self._read_at = now
        return self._list
