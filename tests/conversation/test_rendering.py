"""Rich messages as an agent reads them."""

from typing import Any

import pytest

from rasa_kustomer.conversation.events import Event
from rasa_kustomer.conversation.messages import read_messages
from rasa_kustomer.conversation.rendering import said_by_bot

BUTTONS = [{"title": "Status", "payload": "/status"}, {"title": "Human", "payload": "/human"}]
CARD = {
    "title": "Blue shoes",
    "subtitle": "49 EUR",
    "image_url": "https://example.com/shoes.png",
    "buttons": [{"title": "Buy", "payload": "/buy"}, {"title": "Shop", "url": "https://example.com"}],
}


@pytest.mark.parametrize(
    ("text", "data", "expected"),
    [
        ("Pick one", {"buttons": BUTTONS}, "Pick one\n[Status] [Human]"),
        ("Pick one", {"quick_replies": BUTTONS}, "Pick one\n[Status] [Human]"),
        ("How was it?", {"buttons": [{"title": 1}, {"title": 5}]}, "How was it?\n[1] [5]"),
        (
            "Pick",
            {"buttons": [{"payload": "/only_payload"}, {"title": None}, "a word"]},
            "Pick\n[/only_payload] [a word]",
        ),
        (None, {"image": "https://x/a.png", "attachment": "https://x/a.png"}, "Image: https://x/a.png"),
        (None, {"attachment": {"type": "video", "payload": {"src": "https://x/v"}}}, "Attachment: https://x/v"),
        (
            None,
            {"elements": [CARD]},
            "Blue shoes\n49 EUR\nImage: https://example.com/shoes.png\n[Buy] [Shop: https://example.com]",
        ),
        (None, {"custom": {"blocks": [{"text": {"text": "Hello"}}, {"text": {"text": "there"}}]}}, "Hello\nthere"),
        (None, {"custom": {"title": "Sure?", "buttons": BUTTONS}}, "Sure?\n[Status] [Human]"),
        (None, {"custom": {"card": {"id": 7}}}, '{"card": {"id": 7}}'),
        ("text only", None, "text only"),
        ("wrong types", {"buttons": "x", "elements": 3, "quick_replies": {}}, "wrong types"),
    ],
)
def test_what_was_shown_is_readable(text: Any, data: Any, expected: str) -> None:
    assert said_by_bot(Event({"text": text, "data": data})) == expected


def test_content_without_any_text_is_shown_shortened() -> None:
    shown = said_by_bot(Event({"text": None, "data": {"custom": {"points": list(range(10_000))}}}))

    assert len(shown) == 500
    assert shown.endswith("…")


def test_content_that_is_nested_beyond_measure_is_still_said() -> None:
    deep: Any = {"id": 1}
    for _ in range(5000):
        deep = [deep]

    assert said_by_bot(Event({"text": None, "data": {"custom": deep}}))


@pytest.mark.parametrize(
    "place", [{"buttons": BUTTONS}, {"quick_replies": BUTTONS}, {"elements": [{"buttons": BUTTONS}]}]
)
def test_a_pressed_button_shows_its_title_wherever_it_was_offered(place: dict[str, Any]) -> None:
    events = [
        {"event": "bot", "text": "Pick", "timestamp": 1.0, "data": place},
        {"event": "user", "text": "/human", "timestamp": 2.0, "message_id": "m"},
    ]

    (part,) = read_messages(events, "u1", None).sessions

    assert part.messages[-1].text == "Human"


def test_a_customer_who_types_external_is_heard_and_a_trigger_is_not() -> None:
    typed = {"event": "user", "text": "EXTERNAL: drive is broken", "timestamp": 1.0, "message_id": "m"}
    trigger = {"event": "user", "text": "EXTERNAL: remind", "timestamp": 2.0, "message_id": None}

    (part,) = read_messages([typed, trigger], "u1", None).sessions

    assert [message.text for message in part.messages] == ["EXTERNAL: drive is broken"]
