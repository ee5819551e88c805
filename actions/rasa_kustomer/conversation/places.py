"""Where a reading of a tracker goes on, the place of an event among those of its time, and copies of an event."""

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from rasa_kustomer.conversation.attachments import addresses
from rasa_kustomer.conversation.events import Event, Moment
from rasa_kustomer.conversation.texts import spoken


def first_new(events: Sequence[Any], position: int, marker: Moment) -> int:
    """Where to go on: behind the last seen event, which stays in place or moves up when the list's head was cut.

    Further down it means that something was put in before it (Rasa's tracker store sorts by time, and events may be
    added with a time of the past), so all must be read again.

    Args:
        events: The tracker's events.
        position: Where the last seen event was.
        marker: Its kind and time.
    """
    for index in range(min(position, len(events) - 1), -1, -1):
        if Event(events[index]).moment == marker:
            return _behind(events, index)
    return 0


def _behind(events: Sequence[Any], index: int) -> int:
    """Index after the event, or of the first event with the same timestamp, where several share it."""
    start, event = index, Event(events[index])
    at = event.at
    while start and event.kind != "session_started" and (event := Event(events[start - 1])).at == at:
        start -= 1
    return index + 1 if start == index else start


class Places:
    """Numbers the events of each moment.

    Events that are equal in kind, time, text and data are one, however often a tracker holds them. Without a usable
    time nothing tells a copy from what was said twice, so nothing is one.

    Args:
        events: The tracker's events.
        first: Where the reading begins.
        latest: The latest time of those before, epoch microseconds.
    """

    def __init__(self, events: Sequence[Any], first: int, latest: int) -> None:
        self._events, self._first = events, first
        self.latest = latest
        self._known: dict[Moment, set[object]] = {}
        self._earlier: dict[Moment, list[int]] | None = None

    def take(self, event: Event) -> int | None:
        """How many different events of the moment come before; None for a copy of one of them."""
        moment = event.moment
        known = self._known.get(moment)
        if known is None:  # those before are looked at only when there may be some
            known = self._known[moment] = set() if moment[1] > self.latest else self._before(moment)
        self.latest = max(self.latest, moment[1])
        mark = _mark(event) if moment[1] else object()
        if mark in known:
            return None
        known.add(mark)
        return len(known) - 1

    def _before(self, moment: Moment) -> set[object]:
        if self._earlier is None:
            self._earlier = defaultdict(list)
            for index in range(self._first):
                self._earlier[Event(self._events[index]).moment].append(index)
        found = (Event(self._events[index]) for index in self._earlier.get(moment, ()))
        return {_mark(event) if moment[1] else object() for event in found}


def _mark(event: Event) -> object:
    """What two events of a moment differ in, if they are two."""
    if event.kind == "user":
        return spoken(event.text) or tuple(addresses(event))
    content = event.content
    try:
        return event.text, json.dumps(content, sort_keys=True) if content else ""
    except (TypeError, ValueError, RecursionError):
        return object()
