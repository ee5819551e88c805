"""Turns of a tracker into the outbox, at a cost that follows the new events and not the whole conversation."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from cachetools import LRUCache

from rasa_kustomer.conversation.identity import Identity
from rasa_kustomer.conversation.keys import session_key
from rasa_kustomer.conversation.people import Following, People, Person, begun_with, mark_of, recalled, words_of_current
from rasa_kustomer.conversation.turns import Cursor, Message, Reading, SessionTurns, goes_on, milliseconds, read_turns
from rasa_kustomer.delivery.outbox import Kind, NewRecord, Outbox, Renew, SessionKey

REMEMBERED_SENDERS = 20_000


class _Place(NamedTuple):
    """How far a sender is recorded.

    Attributes:
        session: The sender's latest session, as the first person in it has it.
        spoken: Marks of the people in it who have said something.
    """

    cursor: Cursor
    session: SessionKey
    spoken: frozenset[str]


class Recorder:
    """Records what is new in a tracker, and knows the current session of each sender.

    What it remembers only saves work: after a restart, or in another process, a tracker is read whole and the outbox
    ignores what it has.

    Args:
        outbox: Where turns wait for Kustomer.
        vouched: The person whom metadata name, by sender; None when no channel vouches for its users.
    """

    def __init__(self, outbox: Outbox, vouched: Callable[[str, object], Identity | None] | None = None) -> None:
        self._outbox, self._vouched = outbox, vouched
        self._cursors: LRUCache[str, _Place] = LRUCache(maxsize=REMEMBERED_SENDERS)

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
            identity: The person as known now, for turns of whom the channel names nobody; a session that is over
                keeps the one that it had.
            at_start: Whom the slot with the metadata of the session's start names, if the channel vouches for them.
            renew: When it replaces the one that the current session has.

        Returns:
            The session of the one who speaks now, or None while it has no turn.

        Raises:
            OutboxUnavailableError: Nothing was accepted; the next call tries the same turns again.
        """
        place = self._cursors.get(sender_id)
        reading = await self._read(sender_id, events, at_start)
        reached = reading.cursor
        if place is not None and reached == place.cursor:
            return self._speaking(place)
        session, spoken = (place.session, place.spoken) if place else (None, frozenset[str]())
        complete = True
        for position, part in enumerate(reading.sessions):
            if session is None or part.started_ms not in {None, session.started_ms}:
                session, spoken = await self._session(sender_id, part, reading.sessions[position + 1 :]), frozenset()
            over = reached is None or part.started_ms != reached.started_ms
            theirs = _of_person(session, part.person.mark)
            silent = part.person.mark not in spoken and all(message.direction == "out" for message in part.messages)
            if silent and not await self._outbox.session_state(theirs.key):
                complete = complete and over  # nobody will speak in it any more
                continue
            fields = identity_fields(part.person.identity or self._unnamed(identity, over=over))
            records = _records(part.messages)
            if part.signed_in and part.person.identity:
                records.append(moved(theirs, mark_of(part.person.identity)))
            late = Renew.WITH_NEW_TURNS if part.person.identity else Renew.NEVER
            await self._outbox.record(theirs, fields, records, renew=late if over else renew)
            spoken |= {part.person.mark}
        if session is not None and complete and reached and reached.started_ms in {None, session.started_ms}:
            place = self._cursors[sender_id] = _Place(reached, session, spoken)
            return self._speaking(place)
        self._cursors.pop(sender_id, None)
        return None

    async def people(
        self, sender_id: str, events: Sequence[Mapping[str, Any]], at_start: Identity | None = None
    ) -> People:
        """Who speaks in the latest session, and who spoke before."""
        reached = (await self._read(sender_id, events, at_start)).cursor if self._vouched else None
        return reached.people if reached else begun_with(at_start)

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
        self._cursors.pop(sender_id, None)

    async def _read(self, sender_id: str, events: Sequence[Mapping[str, Any]], at_start: Identity | None) -> Reading:
        place = self._cursors.get(sender_id)
        cursor = place.cursor if place else None
        if self._vouched is None:
            return read_turns(events, sender_id, cursor)
        people = await self._people_before(sender_id, events, cursor)
        vouched = partial(self._vouched, sender_id)
        return read_turns(events, sender_id, cursor, vouched=vouched, people=people, at_start=at_start)

    async def _people_before(
        self, sender_id: str, events: Sequence[Mapping[str, Any]], cursor: Cursor | None
    ) -> People | None:
        """Who spoke in a session whose beginning is not among the events, by the outbox."""
        headless, next_start = _head(events)
        if not headless or goes_on(events, cursor):
            return None
        latest = await self._outbox.latest_session(sender_id, next_start)
        if latest is None:
            return None
        key = session_of(sender_id, latest.started_ms).key
        rows = await self._outbox.conversations(sender_id, latest.started_ms)
        return recalled([(row_key[len(key) + 1 :], Identity(sender_id, **fields)) for row_key, fields in rows])

    def _speaking(self, place: _Place) -> SessionKey | None:
        mark = place.cursor.people.current.mark
        return _of_person(place.session, mark) if mark in place.spoken else None

    def _unnamed(self, identity: Identity, *, over: bool) -> Identity:
        """Who spoke where the channel named nobody: not the one whom it names by now, in a session that is over."""
        return Identity(identity.sender_id) if over and identity.trusted and self._vouched else identity

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


def _of_person(session: SessionKey, mark: str) -> SessionKey:
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
