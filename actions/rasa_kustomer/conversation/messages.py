"""Messages, read from a tracker's events; only from the new ones when the last seen is known.

The event list grows with the conversation and is sent whole with every call (Rasa notes, Events), so a reading goes on
where the one before ended.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from rasa_kustomer.conversation import keys
from rasa_kustomer.conversation.channels import NOT_NAMED, kustomer_channel
from rasa_kustomer.conversation.choices import Offers, for_machines
from rasa_kustomer.conversation.events import Event, Moment
from rasa_kustomer.conversation.identity import Identity
from rasa_kustomer.conversation.people import Following, People, Person, Vouched
from rasa_kustomer.conversation.places import Places, first_new
from rasa_kustomer.conversation.rendering import said_by_bot, said_by_user, split
from rasa_kustomer.conversation.texts import Mask, clean, unmasked

EVENTS_AT_ONCE = 2_000  # some 20 ms
_READ = frozenset({"user", "bot", "session_started"})


class Message(NamedTuple):
    """One thing that was said; a long text becomes several messages.

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


class SessionMessages(NamedTuple):
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

    sessions: tuple[SessionMessages, ...]
    cursor: Cursor | None


def read_messages(events: Sequence[Any], sender_id: str, cursor: Cursor | None = None) -> Reading:
    """Read the messages that follow the cursor, all at once, on a channel that vouches for nobody."""
    reader = Reader(events, sender_id, cursor)
    for _ in reader.slices():
        pass
    return reader.reading()


def goes_on(events: Sequence[Any], cursor: Cursor | None) -> bool:
    """Whether a reading goes on behind the cursor, and not from the first event."""
    return cursor is not None and first_new(events, cursor.position, cursor.marker) > 0


class Reader:
    """Reads the messages that follow the cursor; all of them without one, or when its event is not where it should be.

    In slices, between which others may have their turn. Messages may come again, always with the same keys: recording
    ignores those that it has. Never raises: what is malformed is skipped.

    Args:
        events: The tracker's events.
        sender_id: Rasa's sender id.
        cursor: Where the last reading of this sender ended.
        offers: What the sender was offered so far, remembered from one reading to the next.
        named_channels: Kustomer's channels by the names of input channels (KUSTOMER_CHANNELS).
        vouched: Reads the person whom metadata name; None when the channel vouches for nobody.
        people: Who spoke before the first event, if they are known.
        at_start: The person of the latest session's start, where the events lack it.
        mask: Takes what must not be kept out of a text.
    """

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
        mask: Mask = unmasked,
    ) -> None:
        self._events, self._mask = events, mask
        self._first = first_new(events, cursor.position, cursor.marker) if cursor else 0
        before = cursor if self._first else None
        self._sender_id, self._named_channels = sender_id, named_channels
        self._started_ms = before.started_ms if before else None
        self._channel, self._channel_before = before.channel if before else "", ""
        self._places = Places(events, self._first, before.latest if before else -1)
        self._offers = Offers() if offers is None else offers
        self._earlier_offers: Offers | None = None
        self._sessions: list[SessionMessages] = []
        self._messages: dict[str, list[Message]] = {}
        known = before.people if before else people
        self._following = Following(events, self._first, vouched=vouched, people=known, at_start=at_start)

    def slices(self) -> Iterator[None]:
        """Read on; at most `EVENTS_AT_ONCE` events from one step to the next."""
        for index in range(self._first, len(self._events)):
            if index > self._first and not (index - self._first) % EVENTS_AT_ONCE:
                yield
            event = Event(self._events[index])
            if event.kind in _READ:
                self._read(index, event)
            elif event.kind:
                self._following.follow(index, event)
        self._end_session()
        self._offers.forget_the_oldest()

    def reading(self) -> Reading:
        """What was read, once there are no more slices."""
        return Reading(tuple(self._sessions), self._reached())

    def _reached(self) -> Cursor | None:
        if not self._events:
            return None
        last = len(self._events) - 1
        marker, people = Event(self._events[last]).moment, self._following.people
        return Cursor(marker, last, self._places.latest, self._started_ms, self._channel, people)

    def _read(self, index: int, event: Event) -> None:
        place = self._places.take(event)
        if place is None:  # a copy
            return
        if event.kind == "session_started":
            self._end_session()
            self._started_ms, self._channel_before, self._channel = event.at_ms, self._channel, ""
        self._following.follow(index, event)
        if event.kind == "user":
            self._user(event, place)
        elif event.kind == "bot":
            self._bot(index, event, place)

    def _end_session(self) -> None:
        people = self._following.people
        self._sessions += [
            SessionMessages(self._started_ms, tuple(messages), people.by_mark(mark), people.signed_in and not mark)
            for mark, messages in self._messages.items()
        ]
        self._messages = {}

    def _user(self, event: Event, place: int) -> None:
        if event.input_channel or not self._channel:
            self._channel = self._channel_of(event.input_channel)
        if text := said_by_user(event):
            key = keys.said_key(self._sender_id, event.message_id, event.at, place)
            self._say(key, "in", self._title(text, event.at) or text, event.at, None)
            self._offers.answered()

    def _bot(self, index: int, event: Event, place: int) -> None:
        self._offers.learn(event)
        if text := said_by_bot(event):
            if not self._channel:
                self._channel = self._channel_of_answer(index)
            key = keys.event_key(self._sender_id, "", event.at, place)
            self._say(key, "out", text, event.at, clean(event.metadata.get("utter_action")) or None)

    def _channel_of(self, input_channel: str) -> str:
        return kustomer_channel(input_channel, self._sender_id, self._named_channels)

    def _channel_of_answer(self, index: int) -> str:
        """The channel of a bot that speaks first: that of the first user of the session, whatever was before."""
        for later in range(index, len(self._events)):
            event = Event(self._events[later])
            if event.kind == "user":
                return self._channel_of(event.input_channel)
            if event.kind == "session_started":
                break
        return self._channel_before or self._channel_of("")

    def _title(self, text: str, at: int) -> str | None:
        """The title of the button that sends the text; one whose offer is not remembered is looked up once for all."""
        title = self._offers.title(text, at)
        if title is not None or not self._first or not for_machines(text):
            return title
        if self._earlier_offers is None:
            self._earlier_offers = Offers()
            for index in range(self._first):
                if (event := Event(self._events[index])).kind == "bot":
                    self._earlier_offers.learn(event)
        return self._earlier_offers.title(text, at)

    def _say(self, key: str, direction: Literal["in", "out"], text: str, at: int, action: str | None) -> None:
        mark = self._following.people.current.mark
        said = self._messages[mark] = self._messages.pop(mark, [])  # whoever spoke last comes last
        said.extend(
            Message(keys.part_key(key, number), direction, part, at // 1000, self._channel, action)
            for number, part in enumerate(split(self._mask(text)), start=1)
        )
