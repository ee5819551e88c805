"""What was said, read from a tracker's events; only from the new ones when the last seen is known.

The event list grows with the conversation and is sent whole with every call (Rasa notes, Events), so a reading goes on
where the one before ended.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from rasa_kustomer.conversation import keys
from rasa_kustomer.conversation.channels import DEFAULT, kustomer_channel
from rasa_kustomer.conversation.identity import Identity
from rasa_kustomer.conversation.people import Following, People, Person, Vouched
from rasa_kustomer.conversation.rendering import clean, split
from rasa_kustomer.conversation.speech import said_by_bot, said_by_user

Event = Mapping[str, Any]
_TOO_LATE_SECONDS = 253_402_000_000.0  # the year 9999


class Message(NamedTuple):
    """One message of a turn.

    Attributes:
        key: externalId in Kustomer.
        direction: `in` from the customer, `out` from the bot.
        at_ms: When it was said, epoch milliseconds; 0 when its event has no usable time.
        channel: Kustomer's channel.
        action: The response or action that uttered it, if Rasa says so.
    """

    key: str
    direction: Literal["in", "out"]
    text: str
    at_ms: int
    channel: str
    action: str | None = None


class SessionTurns(NamedTuple):
    """Messages of one Rasa session, as far as they are one person's.

    Attributes:
        started_ms: When the session began, epoch milliseconds; None when its beginning is not among the events: then
            the messages belong to the latest session that is known of the sender.
        person: Whose they are.
        signed_in: Whether the channel named the person only after messages.
    """

    started_ms: int | None
    messages: tuple[Message, ...]
    person: Person = Person()
    signed_in: bool = False


class Cursor(NamedTuple):
    """How far a sender's events were read.

    Attributes:
        marker: Kind and time (epoch microseconds) of the last event.
        position: Its place in the list.
        latest: The latest time among all messages so far, epoch microseconds.
        started_ms: Start of the session at that point.
        channel: Kustomer's channel at that point.
        people: Who spoke in the session up to there.
    """

    marker: tuple[str, int]
    position: int
    latest: int
    started_ms: int | None
    channel: str
    people: People = People()


class Reading(NamedTuple):
    """What was read: the messages by session, oldest first, and where to go on next time."""

    sessions: tuple[SessionTurns, ...]
    cursor: Cursor | None


def read_turns(
    events: Sequence[Any],
    sender_id: str,
    cursor: Cursor | None,
    *,
    vouched: Vouched | None = None,
    people: People | None = None,
    at_start: Identity | None = None,
) -> Reading:
    """Read the messages that follow the cursor; all of them without one, or when its event is not where it should be.

    Messages may come again, always with the same keys: recording ignores those that it has. Never raises: what is
    malformed is skipped.

    Args:
        events: The tracker's events.
        sender_id: Rasa's sender id.
        cursor: Where the last reading of this sender ended.
        vouched: Reads the person whom metadata name; None when the channel vouches for nobody.
        people: Who spoke before the first event, if they are known.
        at_start: The person of the latest session's start, where the events lack it.
    """
    first = _first_new(events, cursor)
    before = cursor if first else None
    known = before.people if before else people
    following = Following(events, first, vouched=vouched, people=known, at_start=at_start)
    return _Reader(events, first, sender_id, before, following).read()


def goes_on(events: Sequence[Any], cursor: Cursor | None) -> bool:
    """Whether a reading goes on behind the cursor, and not from the first event."""
    return _first_new(events, cursor) > 0


def milliseconds(event: Event) -> int | None:
    """Time of an event in epoch milliseconds; None when it has no usable one."""
    return _microseconds(event) // 1000 or None


class _Reader:
    def __init__(
        self, events: Sequence[Any], first: int, sender_id: str, before: Cursor | None, following: Following
    ) -> None:
        self._events = events
        self._first = first
        self._sender_id = sender_id
        self._latest = before.latest if before else -1
        self._started_ms = before.started_ms if before else None
        self._channel = before.channel if before else ""
        self._counted: dict[tuple[str, int], int] = {}
        self._sessions: list[SessionTurns] = []
        self._following = following
        self._messages: dict[str, list[Message]] = {}

    def read(self) -> Reading:
        events = self._events
        for index in range(self._first, len(events)):
            event = events[index]
            kind = event.get("event") if isinstance(event, dict) else None
            if kind == "session_started":
                self._end_session()
                self._started_ms = milliseconds(event)
            if kind is not None:
                self._following.follow(index, event)
            if kind == "user":
                self._user(index, event)
            elif kind == "bot":
                self._bot(event)
        self._end_session()
        return Reading(tuple(self._sessions), self._reached())

    def _reached(self) -> Cursor | None:
        if not self._events:
            return None
        last = len(self._events) - 1
        people = self._following.people
        return Cursor(_marker(self._events[last]), last, self._latest, self._started_ms, self._channel, people)

    def _end_session(self) -> None:
        people = self._following.people
        self._sessions += [
            SessionTurns(self._started_ms, tuple(messages), people.by_mark(mark), people.signed_in and not mark)
            for mark, messages in self._messages.items()
        ]
        self._messages = {}

    def _user(self, index: int, event: Event) -> None:
        if event.get("input_channel") or not self._channel:
            self._channel = kustomer_channel(event.get("input_channel"))
        at = _microseconds(event)
        ordinal = self._ordinal("user", at)
        if text := said_by_user(self._events, index):
            key = keys.said_key(self._sender_id, event.get("message_id"), at, ordinal)
            self._say(key, "in", text, at, None)

    def _bot(self, event: Event) -> None:
        at = _microseconds(event)
        ordinal = self._ordinal("bot", at)
        if text := said_by_bot(event):
            if not self._channel:
                self._channel = _first_channel(self._events)
            metadata = event.get("metadata")
            action = metadata.get("utter_action") if isinstance(metadata, dict) else None
            key = keys.event_key(self._sender_id, "", at, ordinal)
            self._say(key, "out", text, at, clean(action) or None)

    def _say(self, key: str, direction: Literal["in", "out"], text: str, at: int, action: str | None) -> None:
        self._messages.setdefault(self._following.people.current.mark, []).extend(
            Message(keys.part_key(key, number), direction, part, at // 1000, self._channel, action)
            for number, part in enumerate(split(text), start=1)
        )

    def _ordinal(self, kind: str, at: int) -> int:
        """How many events of the kind and time come before; those read earlier are looked at only when there may be."""
        ordinal = self._counted.get((kind, at))
        if ordinal is None:
            ordinal = 0 if at > self._latest else self._read_earlier(kind, at)
        self._counted[kind, at] = ordinal + 1
        self._latest = max(self._latest, at)
        return ordinal

    def _read_earlier(self, kind: str, at: int) -> int:
        return sum(_marker(self._events[index]) == (kind, at) for index in range(self._first))


def _first_new(events: Sequence[Any], cursor: Cursor | None) -> int:
    """Where to go on: behind the cursor's event, which stays in place or moves up when the list's head was cut.

    Further down it means that something was put in before it (Rasa's tracker store sorts by time, and events may be
    added with a time of the past), so all must be read again.
    """
    if cursor is None:
        return 0
    for index in range(min(cursor.position, len(events) - 1), -1, -1):
        if _marker(events[index]) == cursor.marker:
            return _behind(events, index)
    return 0


def _behind(events: Sequence[Any], index: int) -> int:
    """The place after an event; when others share its time, after which it cannot be told apart, the first of them."""
    at, start = _microseconds(events[index]), index
    while start and _microseconds(events[start - 1]) == at and not _is(events[start], "session_started"):
        start -= 1
    return index + 1 if start == index else start


def _first_channel(events: Sequence[Any]) -> str:
    """The channel of a bot that speaks first: that of the first user."""
    return next((kustomer_channel(event.get("input_channel")) for event in events if _is(event, "user")), DEFAULT)


def _is(event: object, kind: str) -> bool:
    return isinstance(event, dict) and event.get("event") == kind


def _marker(event: object) -> tuple[str, int]:
    kind = event.get("event") if isinstance(event, dict) else None
    return (kind if isinstance(kind, str) else "", _microseconds(event))


def _microseconds(event: object) -> int:
    """Time of an event in epoch microseconds; 0 when it has no usable one."""
    value = event.get("timestamp") if isinstance(event, dict) else None
    if isinstance(value, (float, int)) and value is not True and 0 < value < _TOO_LATE_SECONDS:  # nor NaN
        return round(value * 1_000_000)
    return 0
