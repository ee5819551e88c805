"""What was said, read from real Rasa requests and from anything else that may come."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.searching import examples

from rasa_kustomer.conversation.messages import Cursor, Message, read_messages
from rasa_kustomer.conversation.rendering import MAX_TEXT_LENGTH

CAPTURES = Path(__file__).parents[1] / "fixtures" / "rasa"


def events_of(capture: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = json.loads((CAPTURES / f"{capture}.json").read_text())["tracker"]["events"]
    return events


def messages(events: list[Any], sender: str = "u1", cursor: Cursor | None = None) -> list[Message]:
    return [message for part in read_messages(events, sender, cursor).sessions for message in part.messages]


def said(events: list[Any]) -> list[tuple[str, str]]:
    return [(message.direction, message.text) for message in messages(events)]


def user(text: Any, at: Any = 10.0, **more: Any) -> dict[str, Any]:
    return {"event": "user", "text": text, "timestamp": at, "input_channel": "rest", "message_id": f"m-{at}", **more}


def bot(text: Any, at: Any = 11.0, metadata: Any = None, **data: Any) -> dict[str, Any]:
    return {"event": "bot", "text": text, "timestamp": at, "data": data, "metadata": metadata or {}}


@pytest.mark.parametrize(
    ("capture", "expected"),
    [
        ("01-action_session_start-first", []),
        ("02-action_listen", [("in", "hello"), ("out", "Hello! How can I help?")]),
        (
            "05-action_listen",
            [
                ("in", "hello"),
                ("out", "Hello! How can I help?"),
                ("in", "where is my order"),
                ("out", "What is your order number?"),
                ("in", "A1001"),
                ("out", "Order A1001 is on its way."),
            ],
        ),
    ],
)
def test_captured_conversations(capture: str, expected: list[tuple[str, str]]) -> None:
    assert said(events_of(capture)) == expected


def test_rich_messages_are_readable() -> None:
    texts = [text for direction, text in said(events_of("08-action_listen")) if direction == "out"][-5:]

    assert texts == [
        "Pick one\n[Status] [Human]",
        "Here is a picture\nImage: https://example.com/p.png",
        "custom payload",
        (
            "rich from SDK\nImage: https://example.com/i.png\nAttachment: https://example.com/a.pdf\n"
            '{"card": {"id": 7}}\n[Yes]'
        ),
        "Hello! How can I help?",
    ]


def test_what_an_agent_or_a_trigger_said_is_not_mirrored() -> None:
    """Capture 18 holds an EXTERNAL trigger; the two others carry Kustomer's mark."""
    texts = [text for _, text in said(events_of("18-custom-slot-hook-while-paused"))]
    assert not any(text.startswith("EXTERNAL") for text in texts)

    from_kustomer = [
        bot("from an agent", 1.0, {"source": "kustomer"}),
        bot("from an agent", 2.0, {"metadata": {"kustomer_message_id": "x"}}),
        user("trigger", 3.0, metadata={"is_external": True}, message_id=None),
    ]
    assert said(from_kustomer) == []


def test_nobody_hides_what_they_say_by_metadata_of_their_own() -> None:
    marks = ({"source": "kustomer"}, {"kustomer_message_id": "x"}, {"is_external": True})
    events = [
        user("I am here", float(number), metadata=mark, message_id=f"m{number}") for number, mark in enumerate(marks, 1)
    ]
    assert [text for _, text in said(events)] == ["I am here"] * 3


def test_a_connector_that_gives_every_message_the_same_id_loses_none() -> None:
    """Nor after the head was cut away, as Rasa does with earlier sessions: then nothing is left to compare with."""
    events = [user(text, at, message_id="1") for at, text in enumerate(("a", "b", "b"), 1)]
    first = read_messages(events[:2], "u1", None)
    keys = [message.key for message in messages(events)]

    assert keys == ["rasa:u1:1:1000000:0", "rasa:u1:1:2000000:0", "rasa:u1:1:3000000:0"]
    assert [message.key for message in messages(events, cursor=first.cursor)] == keys[2:]
    assert [message.key for message in messages(events[1:])] == keys[1:]


def test_keys_are_rasas_message_id_for_users_and_time_and_ordinal_for_bots() -> None:
    keys = [message.key for message in messages(events_of("02-action_listen"))]

    assert keys == ["rasa:u1:2e65b2bb592a4c42a0f1a038a383fe02", "rasa:u1:1795330501604459:0"]


def test_equal_times_get_ordinals_even_when_something_lies_between() -> None:
    events = [bot("a", 5.0), bot("b", 5.0), {"event": "slot", "timestamp": 6.0}, bot("c", 5.0)]

    keys = [message.key for message in messages(events)]

    assert [key.rsplit(":", 1)[1] for key in keys] == ["0", "1", "2"]


def test_a_typed_payload_shows_the_title_of_the_button_that_offered_it() -> None:
    events = [
        bot("Pick one", 1.0, buttons=[{"title": "My order", "payload": "/order_status"}]),
        user("/order_status", 2.0),
    ]

    assert said(events)[1] == ("in", "My order")
    assert said([user("/order_status", 2.0)]) == [("in", "/order_status")]


def test_a_session_start_is_not_speech() -> None:
    assert said([user("/session_start"), user("/restart", 11.0)]) == [("in", "/restart")]


def test_sessions_are_kept_apart_by_their_start() -> None:
    reading = read_messages(
        [
            user("tail", 1.0),
            {"event": "session_started", "timestamp": 2.0},
            user("first", 3.0),
            {"event": "session_started", "timestamp": 4.0},
            user("second", 5.0),
        ],
        "u1",
        None,
    )

    assert [(part.started_ms, part.messages[0].text) for part in reading.sessions] == [
        (None, "tail"),
        (2000, "first"),
        (4000, "second"),
    ]


def test_a_bot_speaks_on_the_channel_of_the_user() -> None:
    assert {message.channel for message in messages([user("hi", input_channel="whatsapp"), bot("hello")])} == {
        "whatsapp"
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x00nul\x07bell", "nulbell"),
        ("line\r\nbreak\tand tab", "line\nbreak\tand tab"),
        ("half a \ud83d pair", "half a  pair"),
        ("👩‍👩‍👧 family", "👩‍👩‍👧 family"),
        ("שלום עולם", "שלום עולם"),
    ],
)
def test_texts_are_cleaned(text: str, expected: str) -> None:
    assert said([user(text)]) == [("in", expected)]


def test_a_text_of_1_mb_is_split_between_words_and_nothing_is_lost() -> None:
    text = "word " * 200_000

    parts = messages([user(text)])

    assert all(len(part.text) <= MAX_TEXT_LENGTH for part in parts)
    assert " ".join(part.text for part in parts).split() == text.split()
    assert len({part.key for part in parts}) == len(parts)
    assert parts[1].key == f"{parts[0].key}:p2"


TURN = st.sampled_from(["user", "bot", "slot", "action", "session_started", "restart", "rewind", "odd"])


@st.composite
def conversations(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Events with times that may repeat but never go back."""
    events, at = [], 1000.0
    for number, kind in enumerate(draw(st.lists(TURN, max_size=30))):
        at += draw(st.sampled_from([0.0, 0.0, 0.000003, 1.5]))
        event: dict[str, Any] = {"event": kind, "timestamp": at}
        if kind == "user":
            event |= {"text": f"u{number}", "message_id": draw(st.sampled_from([f"id-{number}", None]))}
        if kind == "bot":
            event |= {"text": f"b{number}", "data": {}}
        events.append(event)
    return events


@given(conversations(), st.data())
def test_reading_in_pieces_gives_what_reading_at_once_gives(events: list[dict[str, Any]], data: st.DataObject) -> None:
    """As Rasa sends them: the whole list again with every call. Recording ignores keys that it has."""
    whole = [(message.key, message.text) for message in messages(events)]
    pieces: dict[str, str] = {}
    cursor, length = None, 0
    while length < len(events):
        length = data.draw(st.integers(length + 1, len(events)))
        reading = read_messages(events[:length], "u1", cursor)
        cursor = reading.cursor
        for part in reading.sessions:
            for message in part.messages:
                pieces.setdefault(message.key, message.text)

    assert list(pieces.items()) == whole


def test_reading_looks_at_new_events_only() -> None:
    """The list refuses to be looked at before the last seen event, whoever made the ids."""

    class Guarded(list[Any]):
        def __getitem__(self, index: Any) -> Any:
            assert index >= 395, f"event {index} was looked at"
            return super().__getitem__(index)

    events = [user(f"t{n}", float(n), message_id="1") if n % 2 else bot(f"t{n}", float(n)) for n in range(1, 401)]
    cursor = read_messages(events[:398], "u1", None).cursor

    assert [message.text for message in messages(Guarded(events), cursor=cursor)] == ["t399", "t400"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
EVENT = st.fixed_dictionaries(
    {"event": st.sampled_from(["user", "bot", "session_started", "slot"]) | JSON},
    optional={
        "text": JSON,
        "timestamp": JSON,
        "data": JSON,
        "metadata": JSON,
        "message_id": JSON,
        "input_channel": JSON,
    },
)


@settings(max_examples=examples(300))
@given(st.lists(EVENT | JSON, max_size=8), st.text(max_size=5))
def test_nothing_that_json_can_say_makes_it_raise(events: list[Any], sender: str) -> None:
    for message in messages(events, sender):
        message.text.encode()
        assert message.text
