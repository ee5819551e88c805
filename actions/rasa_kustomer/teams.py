"""Finds the id of a team by its name.

Kustomer has no look-up by name (Kustomer API reference, Teams), so the list is read once and kept for a while.
"""

import logging
import re
import time
from collections.abc import Callable, Collection, Iterable
from typing import NamedTuple

from cachetools import TTLCache

from rasa_kustomer.conversation.texts import find_by_name
from rasa_kustomer.kustomer.client import KustomerClient
from rasa_kustomer.kustomer.errors import KeyRefused, NotAllowed, NotFound
from rasa_kustomer.kustomer.models import Team
from rasa_kustomer.log import Once

logger = logging.getLogger(__name__)

_OBJECT_ID = re.compile("[0-9a-f]{24}")


class Pick(NamedTuple):
    """The team of a ticket.

    Attributes:
        team_id: None for no team.
        problem: A sentence for the agent's note when it is not the team that was wanted. It quotes the wish, so it is
            not for the log.
    """

    team_id: str | None
    problem: str | None


def find_team(wanted: str, teams: Iterable[Team]) -> Team | None:
    """The team with this id, name or display name, as people read them (`conversation.texts`)."""
    named = [(name, team) for team in teams for name in (team.id, team.name, team.display_name) if name]
    return find_by_name(wanted, named)


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
        self._client = client
        self._read: TTLCache[str, list[Team]] = TTLCache(maxsize=1, ttl=ttl_seconds, timer=now)
        self._say = Once(logger)

    async def id_of(self, wanted: str, refused: Collection[str] = ()) -> str | None:
        """Id of the team with this id, name or display name; None when there is none.

        Args:
            wanted: Id or name.
            refused: Ids that Kustomer does not take.

        Raises:
            KustomerError: The list could not be read. A missing role is no error for an id: ids need no list.
        """
        try:
            teams = await self._teams()
        except (NotAllowed, NotFound) as error:
            if isinstance(error, KeyRefused):
                raise
            if _OBJECT_ID.fullmatch(wanted):
                return None if wanted in refused else wanted
            self._say(f"Team names cannot be resolved: {error}")
            return None
        found = find_team(wanted, (team for team in teams if team.id not in refused))
        return found.id if found else None

    async def pick(self, wanted: str | None, default: str | None, *, refused: Collection[str] = ()) -> Pick:
        """The wanted team, else the default team, else none.

        Args:
            wanted: Id or name; None for the default.
            default: Id or name.
            refused: Ids that Kustomer does not take.
        """
        if wanted and (found := await self.id_of(wanted, refused)):
            return Pick(found, None)
        fallback = await self.id_of(default, refused) if default else None
        if not wanted:
            problem = None if fallback or not default else f'The default team "{default}" does not exist in Kustomer.'
            return Pick(fallback, problem)
        outcome = f'the default team "{default}" has it' if fallback else "no team was assigned"
        return Pick(fallback, f'The team "{wanted}" does not exist in Kustomer; {outcome}.')

    def forget(self) -> None:
        """Read the list again next time: Kustomer has refused a team that is in it."""
        self._read.clear()

    async def _teams(self) -> list[Team]:
        if (teams := self._read.get("teams")) is None:
            teams = self._read["teams"] = [team for team in await self._client.teams() if not team.deleted]
        return teams
