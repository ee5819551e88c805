"""What a bot offers is shown, and a press is shown by its title, in whatever form a connector takes choices."""

import json
from typing import Any

import pytest

from rasa_kustomer.conversation.events import Event
from rasa_kustomer.conversation.messages import read_messages
from rasa_kustomer.conversation.rendering import said_by_bot

A = {"title": "Invoice", "payload": "/a"}
B = {"title": "Other", "payload": "/b"}
TELEGRAM = [[{"text": "Invoice", "callback_data": "/a"}], [{"text": "Other", "callback_data": "/b"}]]
SLACK = [
    {"type": "button", "text": {"type": "plain_text", "text": "Invoice"}, "value": "/a"},
    {"type": "button", "text": {"type": "plain_text", "text": "Other"}, "value": "/b"},
]
WHATSAPP = [
    {"type": "reply", "reply": {"id": "/a", "title": "Invoice"}},
    {"type": "reply", "reply": {"id": "/b", "title": "Other"}},
]
TEAMS = [{"type": "imBack", "title": "Invoice", "value": "/a"}, {"type": "imBack", "title": "Other", "value": "/b"}]
MATTERMOST = [
    {"id": "1", "name": "Invoice", "integration": {"url": "https://x", "context": {"action": "/a"}}},
    {"id": "2", "name": "Other", "integration": {"url": "https://x", "context": {"action": "/b"}}},
]
LINE = [
    {"type": "action", "action": {"type": "message", "label": "Invoice", "text": "/a"}},
    {"type": "action", "action": {"type": "message", "label": "Other", "text": "/b"}},
]
FACEBOOK = {"type": "template", "payload": {"template_type": "button", "buttons": [A, B]}}
WIDGET = {"payload": "dropDown", "data": [{"label": "Invoice", "value": "/a"}, {"label": "Other", "value": "/b"}]}
FORMS = {
    "rows": {"buttons": [[A], [B]]},
    "a row and a button": {"buttons": [[A], B]},
    "rows within rows": {"buttons": [[[A]], [[[B]]]]},
    "quick replies": {"quick_replies": [[A, B]]},
    "cards": {"elements": [{"buttons": [[A], [B]]}]},
    "quick replies of a card": {"elements": [{"quick_replies": [A, B]}]},
    "another name": {"keyboard": [[A], [B]]},
    "Telegram": {"custom": {"reply_markup": {"inline_keyboard": TELEGRAM}}},
    "Telegram as text": {"custom": {"reply_markup": json.dumps({"inline_keyboard": TELEGRAM})}},
    "Slack": {"custom": {"blocks": [{"type": "actions", "elements": SLACK}]}},
    "WhatsApp": {"custom": {"type": "interactive", "interactive": {"type": "button", "action": {"buttons": WHATSAPP}}}},
    "Teams": {"custom": {"suggestedActions": {"to": ["ann"], "actions": TEAMS}}},
    "Mattermost": {"custom": {"props": {"attachments": [{"actions": MATTERMOST}]}}},
    "Line": {"custom": {"quickReply": {"items": LINE}}},
    "Facebook": {"custom": {"attachment": FACEBOOK}},
    "Facebook's attachment": {"attachment": FACEBOOK},
    "a web widget": {"custom": WIDGET},
}


def user(text: str, at: float) -> dict[str, Any]:
    return {"event": "user", "text": text, "timestamp": at, "message_id": f"m{at}", "input_channel": "rest"}


def bot(at: float, data: Any, text: str = "Pick") -> dict[str, Any]:
    return {"event": "bot", "text": text, "timestamp": at, "data": data}


def texts(events: list[Any]) -> list[str]:
    return [message.text for part in read_messages(events, "u1", None).sessions for message in part.messages]


@pytest.mark.parametrize("data", FORMS.values(), ids=FORMS)
def test_all_that_can_be_pressed_is_shown_and_a_press_shows_its_title(data: dict[str, Any]) -> None:
    shown, first, second = texts([bot(1.0, data), user("/a", 2.0), user("/b", 3.0)])

    assert shown.endswith("[Invoice] [Other]")
    assert (first, second) == ("Invoice", "Other")


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        ({"buttons": ["Yes", ["No", 5]]}, "Pick\n[Yes] [No] [5]"),
        ({"custom": {"reply_markup": {"keyboard": [["Yes"], [{"text": "No"}]]}}}, "Pick\n[Yes] [No]"),
        ({"custom": {"rows": [["1", "2"]]}}, 'Pick\n{"rows": [["1", "2"]]}'),
        ({"buttons": A}, "Pick\n[Invoice]"),
        ({"custom": {"fields": [{"title": "Price", "value": "5"}]}}, "Pick\nPrice"),
        ({"custom": {"text": "Menu", "buttons": [[A], [B]]}}, "Pick\nMenu\n[Invoice] [Other]"),
    ],
)
def test_words_are_choices_where_choices_stand(data: dict[str, Any], shown: str) -> None:
    assert said_by_bot(Event({"text": "Pick", "data": data})) == shown


def test_the_latest_offer_before_the_press_counts() -> None:
    again = {"title": "Invoice again", "payload": "/a"}
    events = [bot(1.0, {"buttons": [A]}), user("/a", 2.0), bot(3.0, {"buttons": [again]}), user("/a", 4.0)]

    assert texts(events)[1::2] == ["Invoice", "Invoice again"]
    assert texts([user("/a", 1.0), bot(2.0, {"buttons": [A]})]) == ["/a", "Pick\n[Invoice]"]


def test_a_word_that_people_type_is_a_press_only_as_the_answer() -> None:
    """A value for machines is one as long as the button can be seen."""
    data = {"quick_replies": [{"title": "Billing", "payload": "1"}, {"title": "Returns", "payload": "topic_2"}]}
    events = [bot(1.0, data), user("1", 2.0), bot(3.0, {}, "How many?"), user("1", 4.0), user("topic_2", 5.0)]

    assert texts(events)[1:] == ["Billing", "How many?", "1", "Returns"]


def test_a_button_of_a_session_that_was_read_before_is_known_when_only_new_events_are_read() -> None:
    seen = [bot(1.0, {"buttons": [A]}), user("hello", 2.0)]
    cursor = read_messages(seen, "u1", None).cursor

    (part,) = read_messages([*seen, user("/a", 3.0)], "u1", cursor).sessions

    assert [message.text for message in part.messages] == ["Invoice"]


@pytest.mark.parametrize("depth", [3, 5_000])
def test_rows_beyond_measure_do_no_harm(depth: int) -> None:
    rows: Any = [A]
    for _ in range(depth):
        rows = [rows]

    assert texts([bot(1.0, {"buttons": rows}), user("/a", 2.0)])[1] == ("Invoice" if depth < 10 else "/a")
