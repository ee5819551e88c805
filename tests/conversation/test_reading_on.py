"""Going on where the last reading ended: nothing lost, the same keys, and a cost that follows what is new."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.searching import examples

from rasa_kustomer.conversation.messages import Cursor, Message, read_messages

Event = dict[str, Any]
Told = dict[str, tuple[int | None, str]]


def bot(text: str, at: Any) -> Event:
    return {"event": "bot", "text": text, "timestamp": at, "data": {}}


def user(text: str, at: Any, message_id: str | None = None) -> Event:
    return {"event": "user", "text": text, "timestamp": at, "message_id": message_id, "input_channel": "whatsapp"}


def start(at: float) -> Event:
    return {"event": "session_started", "timestamp": at}


def read(events: list[Any], cursor: Cursor | None = None) -> list[Message]:
    return [message for part in read_messages(events, "u1", cursor).sessions for message in part.messages]


def after(events: list[Any]) -> Cursor:
    cursor = read_messages(events, "u1", None).cursor
    assert cursor is not None
    return cursor


@pytest.mark.parametrize(
    "times",
    [
        pytest.param((5.0, 5.0), id="equal"),
        pytest.param((1795330501.86186, 1795330501.86186 + 2.4e-7), id="within one microsecond"),
        pytest.param((None, "yesterday", float("nan"), True, 10**400, -1.0), id="unusable"),
        pytest.param((5.0, 4.0, 5.0), id="an older one between equal ones"),
    ],
)
def test_no_two_events_share_a_key_whatever_their_times(times: tuple[Any, ...]) -> None:
    events = [bot(f"b{n}", at) for n, at in enumerate(times)]
    assert len({message.key for message in read(events)}) == len(times)

    pieces = []
    cursor = None
    for length in range(1, len(events) + 1):
        reading = read_messages(events[:length], "u1", cursor)
        cursor = reading.cursor
        pieces += [message.key for part in reading.sessions for message in part.messages]
    assert list(dict.fromkeys(pieces)) == [message.key for message in read(events)]


def test_an_event_that_was_put_in_before_the_last_seen_one_is_found() -> None:
    """Rasa's SQL tracker store sorts by time, and events may be added over HTTP with a time of the past."""
    seen = [start(1.0), user("a", 2.0), bot("c", 9.0)]
    sorted_in = [*seen[:2], bot("late", 5.0), seen[2], user("d", 10.0)]

    assert [message.text for message in read(sorted_in, after(seen))] == ["a", "late", "c", "d"]


def test_a_cut_head_does_not_bring_back_what_was_read() -> None:
    """Before the first session start Rasa lists a slot event that later requests lack (captures 02 and 03)."""
    slot = {"event": "slot", "name": "session_started_metadata", "timestamp": 1.0}
    seen = [slot, start(2.0), user("a", 3.0), bot("b", 4.0)]

    reading = read_messages([*seen[1:], user("c", 5.0)], "u1", after(seen))

    assert [(part.started_ms, [one.text for one in part.messages]) for part in reading.sessions] == [(2000, ["c"])]


def test_a_list_that_lacks_the_last_seen_event_is_read_whole() -> None:
    seen = [start(2.0), user("a", 3.0)]

    assert [message.text for message in read([start(7.0), user("b", 8.0)], after(seen))] == ["b"]
    assert read([], after(seen)) == []


def test_a_bot_goes_on_in_the_channel_of_the_user_when_the_user_was_cut_away() -> None:
    seen = [user("a", 3.0), {"event": "action", "timestamp": 4.0}]

    assert [message.channel for message in read([seen[1], bot("b", 5.0)], after(seen))] == ["whatsapp"]


@pytest.mark.parametrize("at", [None, 7.0])
def test_events_that_cannot_be_told_apart_by_time_cost_no_more_than_others(at: float | None) -> None:
    """The list counts how often it is looked at: a fixed number of times per event, not one per pair of events."""

    class Counting(list[Any]):
        looks = 0

        def __getitem__(self, index: Any) -> Any:
            Counting.looks += 1
            return super().__getitem__(index)

    events = Counting([bot(f"b{n}", at) if n % 2 else user(f"u{n}", at) for n in range(1000)])

    cursor = after(events[:500])
    read(events, cursor)

    assert Counting.looks < 10_000


def test_payloads_that_no_button_offered_cost_no_more_than_others() -> None:
    """As above: what was read earlier is looked through once for all of them."""

    class Counting(list[Any]):
        looks = 0

        def __getitem__(self, index: Any) -> Any:
            Counting.looks += 1
            return super().__getitem__(index)

    turns = [bot(f"b{n}", n / 10) if n % 2 else user(f'/inform{{"n": {n}}}', n / 10) for n in range(1, 1001)]
    events = Counting(turns)

    cursor = after(events[:500])
    Counting.looks = 0

    assert len(read(events, cursor)) == 500
    assert Counting.looks < 2_000


KINDS = st.sampled_from(["user", "bot", "slot", "action", "session_started", "rewind", "restart"])


@st.composite
def conversations(draw: st.DrawFn) -> list[Event]:
    """Events whose times may be equal, but for a session's start, which is later than all before it."""
    events: list[Event] = []
    at = 1000.0
    for number, kind in enumerate(draw(st.lists(KINDS, max_size=25))):
        at += 2.0 if kind == "session_started" else draw(st.sampled_from([0.0, 0.000003, 1.5]))
        event: Event = {"event": kind, "timestamp": at}
        if kind == "user":
            event = user(f"u{number}", at, draw(st.sampled_from([f"{number:032x}", f"id{number}", "1", None])))
        elif kind == "bot":
            event = bot(f"b{number}", at)
        events.append(event)
        if kind == "session_started":
            at += 1.0
    return events


def tell(told: Told, events: list[Event], cursor: Cursor | None) -> Cursor | None:
    """Keep what is new, as the outbox does."""
    reading = read_messages(events, "u1", cursor)
    for part in reading.sessions:
        for message in part.messages:
            told.setdefault(message.key, (part.started_ms, message.text))
    return reading.cursor


@settings(max_examples=examples(300))
@given(conversations(), st.data())
def test_growing_lists_with_cut_heads_and_restarts_tell_what_one_list_tells(
    events: list[Event], data: st.DataObject
) -> None:
    """Heads are cut at session starts, as Rasa does when it loads a tracker; a restart of ours forgets the cursor."""
    whole: Told = {}
    tell(whole, events, None)
    told: Told = {}
    cursor, length, cut = None, 0, 0
    while length < len(events):
        heads = [n for n in range(cut, length) if events[n]["event"] == "session_started"]
        cut = data.draw(st.sampled_from([cut, *heads]))
        length = data.draw(st.integers(length + 1, len(events)))
        known = data.draw(st.sampled_from([cursor, cursor, None]))
        cursor = tell(told, events[cut:length], known)

    assert list(told.items()) == list(whole.items())


@given(st.lists(st.integers(1, 10_000), unique=True, min_size=1, max_size=20), st.data())
def test_whatever_is_put_in_wherever_it_is_told(times: list[int], data: st.DataObject) -> None:
    events = [bot(f"b{at}", float(at)) for at in times]
    seen = [event for event in events if data.draw(st.booleans())]
    told: Told = {}

    cursor = tell(told, seen, None)
    tell(told, events, cursor)

    assert {text for _, text in told.values()} == {event["text"] for event in events}
