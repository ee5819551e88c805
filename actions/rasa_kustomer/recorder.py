"""Turns of a tracker into the outbox, at a cost that follows the new events and not the whole conversation."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from cachetools import LRUCache

from rasa_kustomer.conversation.channels import NOT_NAMED
from rasa_kustomer.conversation.identity import Identity
from rasa_kustomer.conversation.keys import session_key
from rasa_kustomer.conversation.moments import milliseconds
from rasa_kustomer.conversation.offers import Offers
from rasa_kustomer.conversation.people import Following, People, Person, begun_with, mark_of, recalled, words_of_current
from rasa_kustomer.conversation.turns import Cursor, Message, Reader, Reading, SessionTurns, goes_on
from rasa_kustomer.delivery.outbox import Kind, NewRecord, Outbox, PastUnknownError, Recorded, Renew, SessionKey

REMEMBERED_SENDERS = 20_000
MESSAGES_AT_ONCE = 500  # some 10 ms in the event loop


class _Place(NamedTuple):
    """How far a sender is recorded.

    Attributes:
        session: The sender's latest session, as the first person in it has it.
        spoken: Marks of the people in it who have said something.
        last: The last message of the sender that is in the outbox.
        claimed: Who speaks by their own account, as stored with it.
    """

    cursor: Cursor
    session: SessionKey
    spoken: frozenset[str]
    last: Recorded
    claimed: Identity


class Recorder:
    """Records what is new in a tracker, and knows the current session of each sender.

    What it remembers only saves work: after a restart, or in another process, a tracker is read whole and the outbox
    ignores what it has. The outbox may be another one than before (damaged and replaced, restored): it is asked whether
    it has the last message that is left out here, in the transaction that records the next one. A long tracker is read
    and recorded in slices, between which others are answered.

    Args:
        outbox: Where turns wait for Kustomer.
        vouched: The person whom metadata name, by sender; None when no channel vouches for its users.
        named_channels: Kustomer's channels by the names of input channels (KUSTOMER_CHANNELS).
    """

    def __init__(
        self,
        outbox: Outbox,
        vouched: Callable[[str, object], Identity | None] | None = None,
        *,
        named_channels: Mapping[str, str] = NOT_NAMED,
    ) -> None:
        self._outbox, self._vouched, self._named_channels = outbox, vouched, named_channels
        self._places: LRUCache[str, _Place] = LRUCache(maxsize=REMEMBERED_SENDERS)
        self._offers: LRUCache[str, Offers] = LRUCache(maxsize=REMEMBERED_SENDERS)

    async def record_turns(
        self,
        sender_id: str,
        events: Sequence[Mapping[str, Any]],
        identity: Identity,
        at_start: Identity | None = None,
        *,
        renew: Renew = Renew.ALWAYS,
    ) -> SessionKey | None:
        """Accept all turns that were not recorded yet, each for the person whom its message names.

        A session in which the visitor has said nothing so far is left for a later call, which sees its events again.

        Args:
            sender_id: Rasa's sender id.
            events: `tracker.events`, the latest session and perhaps more.
            identity: Who speaks by their own account, for turns of whom the channel names nobody; a session that is
                over keeps the one that it had.
            at_start: Whom the slot with the metadata of the session's start names, if the channel vouches for them.
            renew: When it replaces the one that the current session has.

        Returns:
            The session of the one who speaks now, or None while it has no turn.

        Raises:
            OutboxUnavailableError: Not all was accepted; the next call tries the same turns again.
        """
        try:
            return await self._record_from(
                self._places.get(sender_id), sender_id, events, identity, at_start, renew=renew
            )
        except PastUnknownError:
            return await self._record_from(None, sender_id, events, identity, at_start, renew=renew)

    async def _record_from(
        self,
        place: _Place | None,
        sender_id: str,
        events: Sequence[Mapping[str, Any]],
        identity: Identity,
        at_start: Identity | None,
        *,
        renew: Renew,
    ) -> SessionKey | None:
        reading = await self._read_on(place, sender_id, events, at_start)
        reached = reading.cursor
        if place is not None and reached == place.cursor:
            return self._speaking(place)
        session, spoken, last = (place.session, place.spoken, place.last) if place else (None, frozenset[str](), None)
        complete = True
        for position, part in enumerate(reading.sessions):
            if session is None or part.started_ms not in {None, session.started_ms}:
                session, spoken = await self._session(sender_id, part, reading.sessions[position + 1 :]), frozenset()
            over = reached is None or part.started_ms != reached.started_ms
            theirs = of_person(session, part.person.mark)
            silent = part.person.mark not in spoken and all(message.direction == "out" for message in part.messages)
            if silent and not await self._outbox.session_state(theirs.key):
                complete = complete and over  # nobody will speak in it any more
                continue
            late = Renew.UNLESS_BEHIND if part.person.identity else Renew.NEVER
            last = await self.accept(
                theirs, part.person.identity or identity, part, late if over else renew, after=last
            )
            spoken |= {part.person.mark}
        if session is not None and last and complete and reached and reached.started_ms in {None, session.started_ms}:
            if place and not reading.sessions and identity != place.claimed and not reached.people.known:
                await self._outbox.record(session, identity_fields(identity), [], after=last, renew=renew)
            place = self._places[sender_id] = _Place(reached, session, spoken, last, identity)
            return self._speaking(place)
        self.forget(sender_id)
        return None

    async def accept(
        self, session: SessionKey, person: Identity, part: SessionTurns, renew: Renew, *, after: Recorded | None = None
    ) -> Recorded:
        """Accept the messages of a part of a session; those that the outbox has are ignored.

        Args:
            session: The session of the person in the outbox.
            person: Whose they are.
            part: What was said.
            renew: When the person replaces the one whom the session has.
            after: What is taken for recorded before it.

        Returns:
            The last of the messages.

        Raises:
            PastUnknownError: The outbox does not have what is taken for recorded.
            OutboxUnavailableError: Not all was accepted.
        """
        fields, last = identity_fields(person), after
        for start in range(0, len(part.messages), MESSAGES_AT_ONCE):
            if start:
                await asyncio.sleep(0)
            records = _records(part.messages[start : start + MESSAGES_AT_ONCE])
            newest = Recorded(session.key, records[-1].key, records[-1].at_ms)
            if part.signed_in and part.person.identity:
                records.append(moved(session, mark_of(part.person.identity)))
            await self._outbox.record(session, fields, records, after=last, renew=renew)
            last = newest
        assert last is not None, "there are messages"  # noqa: S101 - for the type checker
        return last

    async def people(
        self, sender_id: str, events: Sequence[Mapping[str, Any]], at_start: Identity | None = None
    ) -> People:
        """Who speaks in the latest session, and who spoke before."""
        if self._vouched is None:
            return begun_with(at_start)
        reached = (await self._read_on(self._places.get(sender_id), sender_id, events, at_start)).cursor
        return reached.people if reached else begun_with(at_start)

    async def is_kept(self, sender_id: str) -> bool:
        """Whether the outbox alone tells who speaks in the sender's session, as a new process will have to find out.

        It does not know somebody who was named and has said nothing so far.

        Raises:
            OutboxUnavailableError: The outbox cannot be asked.
        """
        place = self._places.get(sender_id)
        if self._vouched is None or place is None:
            return place is not None
        return place.cursor.people.are(await self._people_of(place.session))

    async def words_of_current(
        self, sender_id: str, events: Sequence[Mapping[str, Any]], at_start: Identity | None = None
    ) -> Sequence[Mapping[str, Any]]:
        """The events of the latest session without the words of others than who speaks now."""
        if self._vouched is None:
            return events
        people = await self._people_before(sender_id, events, None)
        vouched = partial(self._vouched, sender_id)
        if people and len(people.known) > 1:  # who spoke at the head of the list is not known
            people = people._replace(known=(*people.known, Person(None, "?")), at=len(people.known))
        return words_of_current(events, Following(events, vouched=vouched, people=people, at_start=at_start))

    def session_of_events(
        self, sender_id: str, events: Sequence[Mapping[str, Any]], now_ms: int, mark: str = ""
    ) -> SessionKey:
        """The session that the events belong to by their own account; one that begins now when they have no start."""
        return session_of(sender_id, _latest_start(events) or now_ms, mark)

    def forget(self, sender_id: str) -> None:
        """Read the sender's tracker whole next time."""
        self._places.pop(sender_id, None)

    async def read(self, sender_id: str, events: Sequence[Mapping[str, Any]]) -> Reading:
        """Read a whole tracker as one person's."""
        return await self._read(
            Reader(events, sender_id, None, offers=self._offered(sender_id), named_channels=self._named_channels)
        )

    async def read_copy(self, sender_id: str, events: Sequence[Mapping[str, Any]]) -> Reading:
        """Read events whose times may be moved; what they offer is not remembered."""
        vouched = self._vouched and partial(self._vouched, sender_id)
        return await self._read(Reader(events, sender_id, None, vouched=vouched, named_channels=self._named_channels))

    async def _read_on(
        self,
        place: _Place | None,
        sender_id: str,
        events: Sequence[Mapping[str, Any]],
        at_start: Identity | None,
    ) -> Reading:
        """Read what follows the place, and who says it."""
        cursor = place.cursor if place else None
        people = await self._people_before(sender_id, events, cursor) if self._vouched else None
        reader = Reader(
            events,
            sender_id,
            cursor,
            offers=self._offered(sender_id),
            named_channels=self._named_channels,
            vouched=self._vouched and partial(self._vouched, sender_id),
            people=people,
            at_start=at_start,
        )
        return await self._read(reader)

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

    async def _people_before(
        self, sender_id: str, events: Sequence[Mapping[str, Any]], cursor: Cursor | None
    ) -> People | None:
        """Who spoke in a session whose beginning is not among the events, by the outbox."""
        headless, next_start = _head(events)
        if not headless or goes_on(events, cursor):
            return None
        latest = await self._outbox.latest_session(sender_id, next_start)
        return await self._people_of(session_of(sender_id, latest.started_ms)) if latest else None

    async def _people_of(self, session: SessionKey) -> People:
        """Who spoke in a session, by the outbox."""
        rows = await self._outbox.conversations(session.sender_id, session.started_ms)
        marks = ((key[len(session.key) + 1 :], fields) for key, fields in rows)
        return recalled([(mark, Identity(session.sender_id, **fields)) for mark, fields in marks])

    def _speaking(self, place: _Place) -> SessionKey | None:
        mark = place.cursor.people.current.mark
        return of_person(place.session, mark) if mark in place.spoken else None

    async def _session(self, sender_id: str, part: SessionTurns, later: Sequence[SessionTurns]) -> SessionKey:
        """The session that a part belongs to; a part without a start continues the latest one in the outbox."""
        started_ms = part.started_ms
        if started_ms is None:
            before = next((other.started_ms for other in later if other.started_ms is not None), None)
            latest = await self._outbox.latest_session(sender_id, before)
            started_ms = latest.started_ms if latest else part.messages[0].at_ms
        return session_of(sender_id, started_ms)


def session_of(sender_id: str, started_ms: int, mark: str = "") -> SessionKey:
    """The outbox's name for a Rasa session that started at a moment (epoch ms).

    Args:
        sender_id: Rasa's sender id.
        started_ms: Start of the session.
        mark: Of the person, when they are not the first in it.
    """
    return SessionKey(session_key(sender_id, started_ms, mark), sender_id, started_ms)


def of_person(session: SessionKey, mark: str) -> SessionKey:
    """The session as a person in it has it."""
    return session_of(session.sender_id, session.started_ms, mark) if mark else session


def moved(session: SessionKey, mark: str) -> NewRecord:
    """The session's conversation goes to the customer that it is known to belong to by now.

    Args:
        session: Whose conversation.
        mark: Tells this from other moves of it.
    """
    return NewRecord(f"{session.key}:customer:{mark}", Kind.REPOINT, {})


def identity_fields(identity: Identity) -> dict[str, Any]:
    """The identity as kept with its session."""
    return {
        "external_id": identity.external_id,
        "email": identity.email,
        "phone": identity.phone,
        "name": identity.name,
        "trusted": identity.trusted,
    }


def _records(messages: Sequence[Message]) -> list[NewRecord]:
    now_ms = int(time.time() * 1000)  # for events without a usable time
    return [
        NewRecord(
            key=message.key,
            kind=Kind.MESSAGE,
            payload={
                "direction": message.direction,
                "text": message.text,
                "at_ms": message.at_ms or now_ms,
                "channel": message.channel,
                "action": message.action,
            },
            at_ms=message.at_ms,
        )
        for message in messages
    ]


def _latest_start(events: Sequence[Mapping[str, Any]]) -> int | None:
    for event in reversed(events):
        if isinstance(event, Mapping) and event.get("event") == "session_started":
            return milliseconds(event)
    return None


def _head(events: Sequence[Mapping[str, Any]]) -> tuple[bool, int | None]:
    """Whether something was said before the first session start among the events, and when that is."""
    spoken = False
    for event in events:
        kind = event.get("event") if isinstance(event, Mapping) else None
        if kind == "session_started":
            return spoken, milliseconds(event)
        spoken = spoken or kind in {"user", "bot"}
    return spoken, None
