"""The place of an event among those of its time, and copies of an event that a tracker holds twice."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from rasa_kustomer.conversation.attachments import addresses
from rasa_kustomer.conversation.cleaning import spoken
from rasa_kustomer.conversation.moments import Moment, moment_of


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

    def take(self, moment: Moment, event: Mapping[str, Any]) -> int | None:
        """How many different events of the moment come before; None for a copy of one of them."""
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
                self._earlier[moment_of(self._events[index])].append(index)
        found = (self._events[index] for index in self._earlier.get(moment, ()))
        return {_mark(event) if moment[1] else object() for event in found}


def _mark(event: Mapping[str, Any]) -> object:
    """What two events of a moment differ in, if they are two."""
    if event.get("event") == "user":
        return spoken(event.get("text")) or tuple(addresses(event))
    text, data = event.get("text"), event.get("data")
    content = {name: value for name, value in data.items() if value} if isinstance(data, Mapping) else data
    try:
        return text if isinstance(text, str) else "", json.dumps(content, sort_keys=True) if content else ""
    except (TypeError, ValueError, RecursionError):
        return object()
