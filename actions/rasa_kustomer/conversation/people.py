"""Who speaks in a session: each turn belongs to the person whom its user message names.

Only a channel that vouches for its users (KUSTOMER_TRUST_METADATA) names anybody here; what somebody typed never does.
Pure, so that the hook, the event stream and any later process find the same from the same events.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from rasa_kustomer.conversation.events import Event
from rasa_kustomer.conversation.identity import Identity
from rasa_kustomer.conversation.rendering import said_by_bot, said_by_user

Vouched = Callable[[object], Identity | None]
"""Reads the person whom metadata name; None when they name nobody."""


class Person(NamedTuple):
    """Somebody who speaks.

    Attributes:
        identity: All that the channel told of them; None while it has named nobody.
        mark: Tells their conversation from those of others in the session; empty for the first one's.
    """

    identity: Identity | None = None
    mark: str = ""


class People(NamedTuple):
    """The people of a session so far.

    Attributes:
        known: In the order in which they were named; the session's own conversation is that of the first.
        at: Which of them speaks.
        heard: Whether a message came.
        signed_in: Whether the first was named only after messages, which are taken for theirs.
        next: Whom the next session begins with, as far as it is told already.
        named: Whom a message without words, such as a reminder, has named since; it counts when something is said.
    """

    known: tuple[Person, ...] = ()
    at: int = 0
    heard: bool = False
    signed_in: bool = False
    next: Identity | None = None
    named: Identity | None = None

    @property
    def current(self) -> Person:
        """Who speaks."""
        people = self.with_current(self.named)
        return people.known[people.at] if people.known else Person()

    def by_mark(self, mark: str) -> Person:
        """Whose conversation it is."""
        return next((one for one in self.known if one.mark == mark), Person())

    def matches(self, others: "People") -> bool:
        """Whether two tell the same of who speaks and who spoke."""
        return set(self.known) == set(others.known) and self.current == others.current

    def after(self, event: Event, vouched: Vouched) -> "People":
        """The same after an event of the session."""
        if event.kind == "user":
            people = self._replace(named=vouched(event.sender_metadata) or self.named, heard=True, next=None)
            return people.with_current(people.named, signed_in=self.heard) if said_by_user(event) else people
        if event.kind == "bot" and self.named and said_by_bot(event):
            return self.with_current(self.named)
        if event.tells_session_metadata:
            named = vouched(event.value)
            return self._replace(next=named) if self.heard else begun_with(named) if named else self
        return self

    def with_current(self, person: Identity | None, *, signed_in: bool = True) -> "People":
        """The same when it is the person who speaks."""
        if person is None:
            return self
        if not self.known:
            return self._replace(known=(Person(person),), signed_in=signed_in, named=None)
        first_asked = [self.at, *(index for index in range(len(self.known)) if index != self.at)]
        for index in first_asked:
            before = self.known[index].identity
            if before and person.is_same_person(before):
                same = self.known[index]._replace(identity=person.completed(before))
                known = (*self.known[:index], same, *self.known[index + 1 :])
                return self._replace(known=known, at=index, named=None)
        return self._replace(known=(*self.known, Person(person, mark_of(person))), at=len(self.known), named=None)


def begun_with(person: Identity | None) -> People:
    """A session of which no more is known than its person."""
    return People((Person(person),)) if person else People()


def recalled(conversations: Sequence[tuple[str, Identity]]) -> People:
    """The people of a session whose beginning is not at hand, from its conversations.

    Args:
        conversations: Mark and person of each; whoever spoke last comes last.
    """
    first = next((person for mark, person in conversations if not mark and person.trusted), None)
    others = [Person(person, mark) for mark, person in conversations if mark]
    if not others:
        return begun_with(first)._replace(heard=True)
    known = (Person(first), *others)
    last = conversations[-1][0]
    return People(known, next(index for index, one in enumerate(known) if one.mark == last), heard=True)


def mark_of(person: Identity) -> str:
    """8 hex digits of the surest identifier."""
    field, value = person.lookups[0]
    return hashlib.sha256(f"{field}:{value}".encode("utf-8", "surrogatepass")).hexdigest()[:8]


class Following:
    """Knows at each event of a list who speaks.

    Args:
        events: A tracker's events.
        first: Where to begin.
        vouched: Reads metadata; None when the channel vouches for nobody.
        people: As known before that.
        at_start: Whom the slot with the metadata of the latest session's start names, for lists that lack its event.
    """

    def __init__(
        self,
        events: Sequence[Any],
        first: int = 0,
        *,
        vouched: Vouched | None,
        people: People | None = None,
        at_start: Identity | None = None,
    ) -> None:
        self.people = people or People()
        self._vouched = vouched and _remembering(vouched)
        self._at_start, self._starts_at = None, -1
        new = [Event(events[index]) for index in range(first, len(events))] if at_start else []
        if at_start and not any(event.tells_session_metadata for event in new):
            self._at_start = at_start
            starts = [index for index, event in enumerate(new, first) if event.kind == "session_started"]
            self._starts_at = starts[-1] if starts else -1
            if self._starts_at < 0 and not first and not self.people.known:
                self.people = begun_with(at_start)

    def follow(self, index: int, event: Event) -> None:
        """Go on to an event."""
        if self._vouched is None:
            return
        if event.kind == "session_started":
            self.people = begun_with(self._at_start if index == self._starts_at else None)
        else:
            self.people = self.people.after(event, self._vouched)


def words_of_current(events: Sequence[Any], following: Following) -> list[Any]:
    """The events of the latest session without the words of others than who speaks now."""
    kept: list[tuple[str, Event, Any]] = []
    for index, raw in enumerate(events):
        event = Event(raw)
        following.follow(index, event)
        if event.kind == "session_started":
            kept.clear()
        kept.append((following.people.current.mark, event, raw))
    current = following.people.current.mark
    return [raw for mark, event, raw in kept if mark == current or event.kind not in {"user", "bot"}]


def _remembering(vouched: Vouched) -> Vouched:
    """Most messages say the same as the one before."""
    last: list[tuple[object, Identity | None]] = [(None, None)]

    def read(metadata: object) -> Identity | None:
        if metadata != last[0][0]:
            last[0] = (metadata, vouched(metadata))
        return last[0][1]

    return read
