"""The latest events of a sender, in the order in which they happened, and who the sender was at each point."""

from collections.abc import Iterator, Mapping
from typing import Any

from rasa_kustomer.conversation.events import SESSION_METADATA, Event, without_understanding
from rasa_kustomer.conversation.identity import IdentityNames
from rasa_kustomer.events.knowledge import Knowledge

Fields = dict[str, Any]

MAX_EVENTS = 2_000  # of one session: a reading goes on where it was when the head is cut
MAX_SEEN = 1_000
SPEECH = frozenset({"user", "bot", "session_started"})
ABOUT_PEOPLE = frozenset({"slot", "reset_slots", "rewind"})
_FIELDS = ("event", "timestamp", "text", "message_id", "input_channel", "metadata", "data", "name", "value")


class History:
    """The events of one sender that matter here, sorted by time.

    They usually come in order, but not always: what a broker had not confirmed when it went away comes after it is
    back, in any order and perhaps for the second time (seen with Rasa 3.6.21 and RabbitMQ 3.10).

    Args:
        names: The slots that tell who somebody is.

    Attributes:
        events: Slimmed events, oldest first.
        safe: So many of them, from the first, need not be recorded any more.
    """

    def __init__(self, names: IdentityNames) -> None:
        self.events: list[Fields] = []
        self.safe = 0
        self._names = names
        self._before = Knowledge(names)  # of the events that were cut off
        self._seen: dict[int, None] = {}

    @property
    def whole(self) -> bool:
        """Whether the beginning of the session, when Rasa empties all slots, was among the events."""
        return self.knowledge(len(self.events)).complete

    def add(self, message: bytes, event: Mapping[str, Any]) -> bool:
        """Put an event in its place; returns whether it came later than others that happened after it.

        Args:
            message: As it came, since a broker may send the same again that it was told to forget.
            event: Its content.
        """
        kind = event["event"]
        watched = kind in SPEECH or kind in ABOUT_PEOPLE
        if not watched or (kind == "slot" and event.get("name") not in self._before.watched) or self._again(message):
            return False
        place, at = len(self.events), _seconds(event)
        while place and at is not None and at < (_seconds(self.events[place - 1]) or 0.0):
            place -= 1
        late = place < len(self.events)
        self.events.insert(place, _slim(event))
        self.safe = min(self.safe, place)
        return late

    def knowledge(self, end: int) -> Knowledge:
        """What the first events, up to `end`, tell about the person."""
        told = self._before.copy()
        for event in self.events[:end]:
            told.apply(Event(event))
        return told

    def recall(self, identity: Mapping[str, Any]) -> None:
        """Fill in who it was before the first event."""
        self._before.recall(identity)

    def ends(self) -> Iterator[int]:
        """Where to record: at the end of each session among the new events, and behind the last event.

        The metadata of a session's first message are told before its start.
        """
        for index in range(self.safe, len(self.events)):
            if self.events[index]["event"] == "session_started":
                end = index
                while end and self.events[end - 1].get("name") == SESSION_METADATA:
                    end -= 1
                if end:
                    yield end
        yield len(self.events)

    def settle(self) -> None:
        """All events are recorded: forget sessions that are over, and the head of a very long one."""
        starts = (index for index, event in enumerate(self.events) if event["event"] == "session_started")
        cut = max([0, len(self.events) - MAX_EVENTS, *starts])
        self._before = self.knowledge(cut)
        del self.events[:cut]
        self.safe = len(self.events)

    def _again(self, message: bytes) -> bool:
        mark = hash(message)
        if mark in self._seen:
            return True
        self._seen[mark] = None
        if len(self._seen) > MAX_SEEN:
            del self._seen[next(iter(self._seen))]
        return False


def _slim(event: Mapping[str, Any]) -> Fields:
    """What is read of it; the largest part of a user's event, what Rasa understood, is not."""
    slim = {name: event[name] for name in _FIELDS if name in event}
    return slim | {"parse_data": without_understanding(event.get("parse_data"))}


def _seconds(event: Mapping[str, Any]) -> float | None:
    """Time of an event; without one it stays where it came."""
    at = event.get("timestamp")
    return float(at) if isinstance(at, (int, float)) and not isinstance(at, bool) else None
