"""Reads the trackers of all senders: in slices, with what each was offered, and with who spoke before."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypedDict

from cachetools import LRUCache

from rasa_kustomer.conversation.channels import NOT_NAMED
from rasa_kustomer.conversation.choices import Offers
from rasa_kustomer.conversation.events import Event
from rasa_kustomer.conversation.identity import Identity
from rasa_kustomer.conversation.messages import Cursor, Reader, Reading, goes_on
from rasa_kustomer.conversation.people import Following, People, Person, recalled, words_of_current
from rasa_kustomer.conversation.texts import Mask, unmasked
from rasa_kustomer.outbox import Outbox, SessionKey
from rasa_kustomer.records import session_of

REMEMBERED_SENDERS = 20_000


class _How(TypedDict):
    """How all trackers are read."""

    named_channels: Mapping[str, str]
    mask: Mask


class Trackers:
    """What is read of the trackers, between whose slices other senders are answered.

    Args:
        outbox: Knows who spoke in a session whose beginning a tracker lacks.
        vouched: The person whom metadata name, by sender; None when no channel vouches for its users.
        named_channels: Kustomer's channels by the names of input channels (KUSTOMER_CHANNELS).
        mask: Takes what must not be kept out of a text (KUSTOMER_MASK).
    """

    def __init__(
        self,
        outbox: Outbox,
        vouched: Callable[[str, object], Identity | None] | None = None,
        *,
        named_channels: Mapping[str, str] = NOT_NAMED,
        mask: Mask = unmasked,
    ) -> None:
        self._outbox, self._vouched = outbox, vouched
        self._how: _How = {"named_channels": named_channels, "mask": mask}
        self._offers: LRUCache[str, Offers] = LRUCache(maxsize=REMEMBERED_SENDERS)

    @property
    def vouched_for(self) -> bool:
        """Whether a channel vouches for its users."""
        return self._vouched is not None

    async def read_on(
        self,
        sender_id: str,
        events: Sequence[Any],
        cursor: Cursor | None,
        at_start: Identity | None,
    ) -> Reading:
        """Read what follows the cursor, and who says it."""
        people = await self._people_before(sender_id, events, cursor) if self._vouched else None
        reader = Reader(
            events,
            sender_id,
            cursor,
            offers=self._offered(sender_id),
            **self._how,
            vouched=self._vouched and partial(self._vouched, sender_id),
            people=people,
            at_start=at_start,
        )
        return await self._read(reader)

    async def read(self, sender_id: str, events: Sequence[Any]) -> Reading:
        """Read a whole tracker as one person's."""
        return await self._read(Reader(events, sender_id, None, offers=self._offered(sender_id), **self._how))

    async def read_copy(self, sender_id: str, events: Sequence[Any]) -> Reading:
        """Read events whose times may be moved; what they offer is not remembered."""
        vouched = self._vouched and partial(self._vouched, sender_id)
        return await self._read(Reader(events, sender_id, None, vouched=vouched, **self._how))

    async def words_of_current(
        self, sender_id: str, events: Sequence[Any], at_start: Identity | None = None
    ) -> Sequence[Any]:
        """The events of the latest session without the words of others than who speaks now."""
        if self._vouched is None:
            return events
        people = await self._people_before(sender_id, events, None)
        vouched = partial(self._vouched, sender_id)
        if people and len(people.known) > 1:  # who spoke at the head of the list is not known
            people = people._replace(known=(*people.known, Person(None, "?")), at=len(people.known))
        return words_of_current(events, Following(events, vouched=vouched, people=people, at_start=at_start))

    async def people_of(self, session: SessionKey) -> People:
        """Who spoke in a session, by the outbox."""
        rows = await self._outbox.conversations(session.sender_id, session.started_ms)
        marks = ((key[len(session.key) + 1 :], fields) for key, fields in rows)
        return recalled([(mark, Identity(session.sender_id, **fields)) for mark, fields in marks])

    async def _read(self, reader: Reader) -> Reading:
        for _ in reader.slices():
            await asyncio.sleep(0)
        return reader.reading()

    def _offered(self, sender_id: str) -> Offers:
        """What the sender was offered: it outlives the place, as Rasa sends earlier sessions no more."""
        offers = self._offers.get(sender_id)
        if offers is None:
            offers = self._offers[sender_id] = Offers()
        return offers

    async def _people_before(self, sender_id: str, events: Sequence[Any], cursor: Cursor | None) -> People | None:
        """Who spoke in a session whose beginning is not among the events, by the outbox."""
        headless, next_start = _head(events)
        if not headless or goes_on(events, cursor):
            return None
        latest = await self._outbox.latest_session(sender_id, next_start)
        return await self.people_of(session_of(sender_id, latest.started_ms)) if latest else None


def _head(events: Sequence[Any]) -> tuple[bool, int | None]:
    """Whether something was said before the first session start among the events, and when that is."""
    spoken = False
    for event in map(Event, events):
        if event.kind == "session_started":
            return spoken, event.at_ms
        spoken = spoken or event.kind in {"user", "bot"}
    return spoken, None
