"""A turn without words is in its place: with the addresses of what was sent, as far as they are told."""

from typing import Any

import pytest

from rasa_kustomer.conversation.handoff import read_handoff
from rasa_kustomer.conversation.messages import read_messages
from rasa_kustomer.conversation.rendering import NO_TEXT
from rasa_kustomer.conversation.summary import summary

URL = "https://media.example.com/a.jpg"
PLAIN = "https://media.example.com/1234"


def user(**fields: Any) -> dict[str, Any]:
    return {"event": "user", "text": "", "timestamp": 1.0, "message_id": "m1", "input_channel": "rest", **fields}


def said(*events: dict[str, Any]) -> list[str]:
    return [message.text for part in read_messages(list(events), "u1", None).sessions for message in part.messages]


@pytest.mark.parametrize("text", ["", "  ", None, "\u200b", "\ufeff\u2060", "\ufffc", "\u00a0\u2003", 42, "\x00"])
def test_a_turn_without_words_is_said_whatever_stands_for_no_words(text: Any) -> None:
    assert said(user(text=text)) == [NO_TEXT]
    assert said(user(text=text, metadata={"MediaUrl0": URL})) == [URL]

    event = user(text=text)
    del event["text"]
    assert said(event) == [NO_TEXT]


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        pytest.param({"NumMedia": "2", "MediaUrl0": PLAIN, "MediaUrl1": URL}, [PLAIN, URL], id="Twilio"),
        pytest.param(
            {
                "attachments": [
                    {
                        "contentType": "image/png",
                        "contentUrl": PLAIN,
                        "thumbnailUrl": "https://media.example.com/small.jpg",
                    }
                ]
            },
            [PLAIN],
            id="Teams",
        ),
        pytest.param(
            {"message": {"attachments": [{"type": "audio", "payload": {"url": PLAIN}}]}}, [PLAIN], id="Facebook"
        ),
        pytest.param({"files": [{"url_private": PLAIN, "permalink": PLAIN}]}, [PLAIN], id="Slack"),
        pytest.param({"message": {"voice": {"file_id": "AwAD", "duration": 3}}}, [], id="Telegram tells no address"),
        pytest.param({"photo": [{"file_path": URL}]}, [URL], id="Telegram, looked up"),
        pytest.param({"url": PLAIN}, [PLAIN], id="a name that says nothing"),
        pytest.param({"page": {"image": URL}, "referrer": "https://example.com/shop"}, [URL], id="a page"),
        pytest.param({"user": {"avatar": URL, "profile": {"image": URL}}}, [], id="the user's picture"),
        pytest.param({"serviceUrl": "https://x.example", "response_url": "https://y.example"}, [], id="for machines"),
        pytest.param({"file": "file:///etc/passwd", "image": "data:image/png;base64,AAAA"}, [], id="other schemes"),
        pytest.param({"file": "https://", "image": "http://[broken/a.jpg"}, [], id="malformed"),
        pytest.param({"attachment": {"url": f"{URL} and more"}}, [], id="a sentence"),
        pytest.param({"media": [f"{PLAIN}{n}" for n in range(50)]}, [f"{PLAIN}{n}" for n in range(10)], id="many"),
        pytest.param({"media": f"https://x.example/{'a' * 3_000}"}, [], id="endless"),
    ],
)
@pytest.mark.parametrize("place", ["metadata", "parse_data.metadata", "parse_data", "nested"])
def test_the_addresses_of_what_was_sent_are_shown_wherever_a_connector_puts_them(
    metadata: Any, expected: list[str], place: str
) -> None:
    events = {
        "metadata": user(metadata={"model_id": "m", **metadata}),
        "parse_data.metadata": user(parse_data={"text": "", "metadata": metadata}),
        "parse_data": user(parse_data=metadata),
        "nested": user(metadata={"data": {"body": [metadata]}}, parse_data={"metadata": metadata}),
    }
    assert said(events[place]) == ["\n".join(expected) or NO_TEXT]


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://ann:secret@media.example.com/a.jpg", URL),
        (
            "https://api.telegram.org/file/bot123:AAE-x_y/voice/f.ogg",
            "https://api.telegram.org/file/bot***/voice/f.ogg",
        ),
        (f"{URL}?access_token=secret&size=1", f"{URL}?access_token=***&size=1"),
        (f"{URL}?X-Amz-Signature=needed", f"{URL}?X-Amz-Signature=needed"),
    ],
)
def test_no_address_shows_a_password_or_key(address: str, shown: str) -> None:
    assert said(user(metadata={"image": address})) == [shown]


@pytest.mark.parametrize(
    "event",
    [
        user(message_id=None),
        user(message_id=None, metadata={"model_id": "m", "assistant_id": "a"}, parse_data={"metadata": {}}),
        user(message_id=None, metadata={"is_external": True, "MediaUrl0": URL}),
        user(message_id=None, text="EXTERNAL: remind"),
        user(text="/session_start"),
    ],
)
def test_what_nobody_said_stays_out(event: dict[str, Any]) -> None:
    assert said(event) == []


def test_what_a_connector_tells_without_a_message_id_was_sent() -> None:
    assert said(user(message_id=None, metadata={"MediaUrl0": URL})) == [URL]
    assert said(user(message_id=None, parse_data={"metadata": {"wa_id": "1"}})) == [NO_TEXT]


def test_what_rasa_understood_holds_nothing_that_was_sent() -> None:
    parsed = {"intent": {"name": None}, "response_selector": {"faq": {"response": {"image": URL}}}, "metadata": {}}

    assert said(user(parse_data=parsed)) == [NO_TEXT]


def test_the_note_has_a_turn_without_words_and_the_subject_has_words() -> None:
    events = [
        user(text="My parcel is broken"),
        user(timestamp=2.0, message_id="m2", metadata={"MediaUrl0": URL + "?long=1234567890"}),
        user(timestamp=3.0, message_id="m3", text="human please"),
    ]
    facts = read_handoff(sender_id="u1", events=events, slots={}, active_loop={}, forms={})
    note = summary(facts, reference="RK-1", priority=3, person="Ann")

    assert f"Customer: {URL}" in note
    assert facts.topic == "My parcel is broken"
