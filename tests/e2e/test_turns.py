"""Every turn of a real conversation stands on the customer's timeline: once, in order, and nothing else does."""

import time
from collections.abc import Callable

import httpx
import pytest
from tests.e2e.conftest import ActionServer, Kustomer
from tests.e2e.dialogue import Desk, Dialogue
from tests.e2e.services import eventually

pytestmark = pytest.mark.e2e

Talk = Callable[..., Dialogue]
Look = Callable[[Dialogue], Desk]
SESSION_SECONDS = 0.2 * 60  # session_expiration_time in bot/domain.yml


def test_a_greeting_and_a_goodbye(talk: Talk, desk: Look) -> None:
    """One conversation for the session, with Kustomer's channel, the app's name, and `auto` on what the bot said."""
    user = talk()
    assert user.hear("hello") == "Hello! How can I help? 👋"
    assert user.hear("bye") == "Goodbye."
    desk(user).shows(user.said)
    (conversation,) = desk(user).conversations
    assert not conversation["assignedTeams"]
    rows = desk(user).messages
    assert {(row["channel"], row["app"]) for row in rows} == {("chat", "rasa")}
    assert [bool(row["auto"]) for row in rows] == [row["direction"] == "out" for row in rows]


def test_a_form(talk: Talk, desk: Look) -> None:
    """What the form asks and what it is told; then the person it was told of is linked."""
    user = talk()
    assert user.hear("where is my order") == "What is your order number?"
    assert user.hear("A-1001") == "And your e-mail address?"
    email = f"{user.sender_id}@example.com"
    assert user.hear(email) == "I have noted order A-1001."
    desk(user).shows(user.said)
    eventually(
        lambda: [one["email"] for one in desk(user).customer(desk(user).conversations[0])["emails"]] == [email],
        "the conversation is linked to the e-mail address",
    )


def test_a_fallback(talk: Talk, desk: Look) -> None:
    """Rasa rewinds after its default fallback, but the user and the bot did say it."""
    user = talk()
    user.say("hello")
    assert user.hear("qwertz 12345") == "Sorry, I did not get that."
    user.say("bye")
    desk(user).shows(user.said)


def test_buttons_and_what_they_send(talk: Talk, desk: Look) -> None:
    """Agents read the buttons' titles, and the title of the one that was pressed, not its payload."""
    user = talk()
    (menu,) = user.say("show me the menu")
    assert menu["buttons"][0] == {"title": "My ticket", "payload": "/ticket_status"}
    (answer,) = user.say("/ticket_status", shown_as="My ticket")
    assert answer["text"] == "You have no open ticket."
    assert user.said[1] == ("out", "What would you like?\n[My ticket] [Talk to us]")
    desk(user).shows(user.said)


def test_an_image_and_a_custom_payload(talk: Talk, desk: Look) -> None:
    """What is no text reaches agents as text."""
    user = talk()
    text, image = user.say("show me a picture")
    assert (text["text"], image["image"]) == ("This is our shop.", "https://example.com/shop.png")
    (receipt,) = user.say("show my receipt")
    assert receipt["custom"]["type"] == "receipt"
    assert user.said[1] == ("out", "This is our shop.\nImage: https://example.com/shop.png")
    assert user.said[3] == ("out", "Your receipt: 12.50 EUR")
    desk(user).shows(user.said)


def test_texts_of_any_script(talk: Talk, desk: Look) -> None:
    """Emoji and right-to-left text survive all the way."""
    user = talk()
    for text in ("hello 👩‍👩‍👧 שלום", "bye مع السلامة"):
        user.say(text)
    desk(user).shows(user.said)


def test_a_restart(talk: Talk, desk: Look) -> None:
    """/restart forgets everything in Rasa; what was said before it, and after, is kept in Kustomer."""
    user = talk()
    user.say("hello")
    assert user.hear("/restart") == "Let us start again."
    user.say("hello again, hello bot")
    user.say("bye")
    desk(user).shows(user.said)


def test_a_second_session_is_a_second_conversation(talk: Talk, desk: Look) -> None:
    """After Rasa's idle time the same customer gets a new conversation, and no turn changes its place."""
    user = talk()
    user.say("hello")
    user.say("bye")
    first = list(user.said)
    deadline = user.last_said_at + SESSION_SECONDS
    eventually(lambda: time.time() > deadline + 0.5, "the session has expired", 2 * SESSION_SECONDS)
    user.say("hello")
    user.say("send a photo")
    desk(user).shows(user.said)
    earlier, later = sorted(desk(user).conversations, key=lambda row: str(row["createdAt"]))
    assert earlier["customer"] == later["customer"]
    in_first = [row for row in desk(user).messages if row["conversation"] == earlier["id"]]
    assert [(row["direction"], row["preview"]) for row in in_first] == first


def test_a_customer_whom_the_channel_vouches_for(talk: Talk, desk: Look, kustomer: Kustomer) -> None:
    """The bot knows their name, and the turns are on the timeline that they had before."""
    sandbox = kustomer.sandbox
    ids = {"name": "Ada Lovelace", "externalId": "crm-1815", "emails": [{"email": "ada@example.com"}]}
    headers = {"Authorization": f"Bearer {sandbox.api_key}"}
    known = httpx.post(f"{kustomer.url}/v1/customers", json=ids, headers=headers).raise_for_status().json()["data"]
    user = talk({"customer_id": "crm-1815"})
    user.say("hello")
    assert user.slots["kustomer_customer_name"] == "Ada Lovelace"
    assert user.slots["kustomer_customer_id"] == known["id"]
    desk(user).shows(user.said)
    assert desk(user).conversations[0]["customer"] == known["id"]


def test_a_visitor_who_says_nothing_leaves_no_trace(talk: Talk, desk: Look) -> None:
    """A page that opens a chat starts a session; Kustomer hears of it with the first words."""
    silent, user = talk(), talk()
    assert silent.say("/session_start") == []
    user.say("hello")
    desk(user).shows(user.said)
    assert desk(silent).conversations == []


def test_without_a_key_the_bot_is_the_same(talk: Talk, desk: Look, action_server: ActionServer) -> None:
    """No-op mode: the same answers as with Kustomer, nothing sent, and the truth about a human."""
    action_server.restart({})
    user = talk()
    assert user.hear("hello") == "Hello! How can I help? 👋"
    assert user.hear("where is my order") == "What is your order number?"
    assert user.hear("A-1001") == "And your e-mail address?"
    assert user.hear("me@example.com") == "I have noted order A-1001."
    assert user.hear("I want to talk to a human").startswith("I cannot reach our support team just now.")
    assert user.slots["kustomer_handoff_status"] == "unavailable"
    action_server.restart()
    other = talk()
    other.say("hello")
    desk(other).shows(other.said)
    assert desk(user).conversations == []


@pytest.mark.usefixtures("without_overrides")
def test_a_bot_without_overrides_records_where_its_stories_say_so(talk: Talk, desk: Look) -> None:
    """With action_kustomer_mirror in rules and stories: all that was said before it. A handoff records by itself."""
    user = talk()
    user.say("hello")
    desk(user).shows(user.said)
    user.say("show me the menu")
    user.say("I want to talk to a human")
    assert user.slots["kustomer_handoff_status"] == "created"
    user.say("bye")
    desk(user).shows(user.said)
