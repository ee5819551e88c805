"""What was said, read from a tracker's events; only from the new ones when the last seen is known.

The event list grows with the conversation and is sent whole with every call (Rasa notes, Events), so a reading goes on
where the one before ended.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from rasa_kustomer.conversation import keys
from rasa_kustomer.conversation.channels import NOT_NAMED, kustomer_channel
from rasa_kustomer.conversation.cleaning import clean
from rasa_kustomer.conversation.copies import Places
from rasa_kustomer.conversation.identity import Identity
from rasa_kustomer.conversation.moments import Moment, is_a, microseconds, milliseconds, moment_of
from rasa_kustomer.conversation.offers import Offers, for_machines
from rasa_kustomer.conversation.people import Following, People, Person, Vouched
from rasa_kustomer.conversation.rendering import split
from rasa_kustomer.conversation.speech import said_by_bot, said_by_user

Event = Mapping[str, Any]
EVENTS_AT_ONCE = 2_000  # some 20 ms
_READ = frozenset({"user", "bot", "session_started"})


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

    marker: Moment
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
    offers: Offers | None = None,
    named_channels: Mapping[str, str] = NOT_NAMED,
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
        offers: What the sender was offered so far, remembered from one reading to the next.
        named_channels: Kustomer's channels by the names of input channels (KUSTOMER_CHANNELS).
        vouched: Reads the person whom metadata name; None when the channel vouches for nobody.
        people: Who spoke before the first event, if they are known.
        at_start: The person of the latest session's start, where the events lack it.
    """
    reader = Reader(
        events,
        sender_id,
        cursor,
        offers=offers,
        named_channels=named_channels,
        vouched=vouched,
        people=people,
        at_start=at_start,
    )
    for _ in reader.slices():
        pass
    return reader.reading()


def goes_on(events: Sequence[Any], cursor: Cursor | None) -> bool:
    """Whether a reading goes on behind the cursor, and not from the first event."""
    return _first_new(events, cursor) > 0


class Reader:
    """Reads as `read_turns` does, which has the arguments; in slices, between which others may have their turn."""

    def __init__(
        self,
        events: Sequence[Any],
        sender_id: str,
        cursor: Cursor | None,
        *,
        offers: Offers | None = None,
        named_channels: Mapping[str, str] = NOT_NAMED,
        vouched: Vouched | None = None,
        people: People | None = None,
        at_start: Identity | None = None,
    ) -> None:
        self._events = events
        self._first = _first_new(events, cursor)
        before = cursor if self._first else None
        self._sender_id, self._named_channels = sender_id, named_channels
        self._started_ms = before.started_ms if before else None
        self._channel, self._channel_before = before.channel if before else "", ""
        self._places = Places(events, self._first, before.latest if before else -1)
        self._offers = Offers() if offers is None else offers
        self._earlier_offers: Offers | None = None
        self._sessions: list[SessionTurns] = []
        self._messages: dict[str, list[Message]] = {}
        known = before.people if before else people
        self._following = Following(events, self._first, vouched=vouched, people=known, at_start=at_start)

    def slices(self) -> Iterator[None]:
        """Read on; at most `EVENTS_AT_ONCE` events from one step to the next."""
        events = self._events
        for index in range(self._first, len(events)):
            if index > self._first and not (index - self._first) % EVENTS_AT_ONCE:
                yield
            event = events[index]
            kind, _ = moment = moment_of(event)
            if kind not in _READ:
                if kind:
                    self._following.follow(index, event)
                continue
            place = self._places.take(moment, event)
            if place is None:  # a copy
                continue
            if kind == "session_started":
                self._end_session()
                self._started_ms, self._channel_before, self._channel = milliseconds(event), self._channel, ""
            self._following.follow(index, event)
            if kind == "user":
                self._user(event, moment, place)
            elif kind == "bot":
                self._bot(index, moment, place)
        self._end_session()
        self._offers.forget_the_oldest()

    def reading(self) -> Reading:
        """What was read, once there are no more slices."""
        return Reading(tuple(self._sessions), self._reached())

    def _reached(self) -> Cursor | None:
        if not self._events:
            return None
        last = len(self._events) - 1
        marker, people = moment_of(self._events[last]), self._following.people
        return Cursor(marker, last, self._places.latest, self._started_ms, self._channel, people)

    def _end_session(self) -> None:
        people = self._following.people
        self._sessions += [
            SessionTurns(self._started_ms, tuple(messages), people.by_mark(mark), people.signed_in and not mark)
            for mark, messages in self._messages.items()
        ]
        self._messages = {}

    def _user(self, event: Event, moment: Moment, place: int) -> None:
        if event.get("input_channel") or not self._channel:
            self._channel = self._channel_of(event)
        if text := said_by_user(event):
            _, at = moment
            key = keys.said_key(self._sender_id, event.get("message_id"), at, place)
            self._say(key, "in", self._title(text, at) or text, at, None)
            self._offers.answered()

    def _bot(self, index: int, moment: Moment, place: int) -> None:
        event, (_, at) = self._events[index], moment
        self._offers.learn(event, at)
        if text := said_by_bot(event):
            if not self._channel:
                self._channel = self._channel_of_answer(index)
            metadata = event.get("metadata")
            action = metadata.get("utter_action") if isinstance(metadata, dict) else None
            key = keys.event_key(self._sender_id, "", at, place)
            self._say(key, "out", text, at, clean(action) or None)

    def _channel_of(self, event: Event) -> str:
        return kustomer_channel(event.get("input_channel"), self._sender_id, self._named_channels)

    def _channel_of_answer(self, index: int) -> str:
        """The channel of a bot that speaks first: that of the first user of the session, whatever was before."""
        for later in range(index, len(self._events)):
            event = self._events[later]
            if is_a(event, "user"):
                return self._channel_of(event)
            if is_a(event, "session_started"):
                break
        return self._channel_before or self._channel_of({})

    def _title(self, text: str, at: int) -> str | None:
        """The title of the button that sends the text; one whose offer is not remembered is looked up once for all."""
        title = self._offers.title(text, at)
        if title is not None or not self._first or not for_machines(text):
            return title
        if self._earlier_offers is None:
            self._earlier_offers = Offers()
            for index in range(self._first):
                if is_a(event := self._events[index], "bot"):
                    self._earlier_offers.learn(event, microseconds(event))
        return self._earlier_offers.title(text, at)

    def _say(self, key: str, direction: Literal["in", "out"], text: str, at: int, action: str | None) -> None:
        mark = self._following.people.current.mark
        said = self._messages[mark] = self._messages.pop(mark, [])  # whoever spoke last comes last
        said.extend(
            Message(keys.part_key(key, number), direction, part, at // 1000, self._channel, action)
            for number, part in enumerate(split(text), start=1)
        )


def _first_new(events: Sequence[Any], cursor: Cursor | None) -> int:
    """Where to go on: behind the cursor's event, which stays in place or moves up when the list's head was cut.

    Further down it means that something was put in before it (Rasa's tracker store sorts by time, and events may be
    added with a time of the past), so all must be read again.
    """
    if cursor is None:
        return 0
    for index in range(min(cursor.position, len(events) - 1), -1, -1):
        if moment_of(events[index]) == cursor.marker:
            return _behind(events, index)
    return 0


def _behind(events: Sequence[Any], index: int) -> int:
    """The place after an event; when others share its time, after which it cannot be told apart, the first of them."""
    at, start = microseconds(events[index]), index
    while start and microseconds(events[start - 1]) == at and not is_a(events[start], "session_started"):
        start -= 1
    return index + 1 if start == index else start
