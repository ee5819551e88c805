"""Events that a tracker holds twice are one: equal in kind, time to the microsecond, text and data."""

from typing import Any

import pytest

from rasa_kustomer.conversation.messages import read_messages

START = {"event": "session_started", "timestamp": 1.0}
BUTTONS = {"buttons": [{"title": "A", "payload": "/a"}]}


def user(text: str, at: float, message_id: str | None = None) -> dict[str, Any]:
    return {"event": "user", "text": text, "timestamp": at, "message_id": message_id, "input_channel": "rest"}


def bot(text: str | None, at: float, data: Any = None) -> dict[str, Any]:
    return {"event": "bot", "text": text, "timestamp": at, "data": data}


TALK = [
    START,
    user("hello", 2.0, "1"),
    bot("Hi", 3.0, {}),
    bot("Pick", 3.0, BUTTONS),
    user("more", 4.0, "1"),
    user("again", 4.5),
    user("by Rasa", 4.7, "0" * 32),
    bot("Bye", 5.0),
    {"event": "session_started", "timestamp": 6.0},
    user("hello", 7.0, "1"),
    bot("Hi", 8.0),
]


def told(events: list[Any], cursor: Any = None) -> list[tuple[int | None, str, str]]:
    return [
        (part.started_ms, message.key, message.text)
        for part in read_messages(events, "u1", cursor).sessions
        for message in part.messages
    ]


@pytest.mark.parametrize("copies", [2, 3])
def test_copies_are_told_once_whatever_their_number_and_order(copies: int) -> None:
    one_by_one = [event for event in TALK for _ in range(copies)]
    shuffled = [*TALK, *(TALK[n] for n in (7, 2, 10, 0, 3, 9, 1, 8, 5, 4, 6))]

    assert told(one_by_one) == told(TALK * copies) == told(shuffled) == told(TALK)
    assert len(told(TALK)) == 9


@pytest.mark.parametrize("length", range(1, len(TALK) + 1))
def test_copies_that_come_after_the_first_was_read_are_known(length: int) -> None:
    seen = TALK[:length]
    cursor = read_messages(seen, "u1", None).cursor
    assert cursor is not None
    again = [message for part in read_messages([*seen, *seen], "u1", cursor).sessions for message in part.messages]

    assert {message.at_ms for message in again} <= {cursor.marker[1] // 1000}  # it cannot be told apart by time
    assert {message.key for message in again} <= {key for _, key, _ in told(seen)}
    assert told([*seen, *seen, user("new", 9.0, "1")], cursor)[-1][1:] == ("rasa:u1:1:9000000:0", "new")


@pytest.mark.parametrize(
    "second",
    [bot("Pick", 3.0, {"buttons": [{"title": "B", "payload": "/b"}]}), bot("Pick!", 3.0, BUTTONS), bot("Pick", 3.1)],
    ids=["other buttons", "another text", "another time"],
)
def test_what_differs_was_said_twice(second: dict[str, Any]) -> None:
    assert len({key for _, key, _ in told([bot("Pick", 3.0, BUTTONS), second])}) == 2


def test_a_float_that_differs_within_one_microsecond_is_no_other_time() -> None:
    assert len(told([bot("Hi", 1795330501.861860), bot("Hi", 1795330501.861860 + 2.4e-7)])) == 1


def test_without_a_usable_time_nothing_is_taken_for_a_copy() -> None:
    assert len(told([bot("Hi", float("nan")), bot("Hi", 0.0), user("yes", -1.0), user("yes", -1.0)])) == 4


def test_two_pictures_at_one_time_are_two() -> None:
    one, other = user("", 2.0, "1"), user("", 2.0, "2")
    one["metadata"], other["metadata"] = {"image": "https://x.example/1"}, {"image": "https://x.example/2"}

    assert [text for _, _, text in told([one, other, one])] == ["https://x.example/1", "https://x.example/2"]
