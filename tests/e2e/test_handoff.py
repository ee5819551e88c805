"""The bot hands over: a ticket is there, and what the user heard about it is true."""

from collections.abc import Callable

import pytest
from tests.e2e.conftest import Kustomer
from tests.e2e.dialogue import Desk, Dialogue
from tests.e2e.services import eventually

pytestmark = pytest.mark.e2e

Talk = Callable[..., Dialogue]
Look = Callable[[Dialogue], Desk]
HIGH = 4


def test_a_handoff_is_created_when_kustomer_is_there(talk: Talk, desk: Look) -> None:
    """Team, priority, tag and note are on the ticket by the time that the user hears its reference."""
    user = talk()
    user.say("hello")
    answer = user.hear("I want to talk to a human")
    ticket = desk(user).ticket(seconds=0)
    reference = user.slots["kustomer_ticket"]
    assert answer == f"I have passed this on to our support team. Your reference is {reference}."
    assert user.slots["kustomer_handoff_status"] == "created"
    assert user.slots["kustomer_conversation_id"] == ticket["id"]
    assert ticket["assignedTeams"] == [desk(user).team("Support")["id"]]
    assert (ticket["status"], ticket["priority"], ticket["assignedUsers"]) == ("open", HIGH, [])
    (note,) = desk(user).notes(ticket)
    assert reference in note["body"]
    assert "I want to talk to a human" in note["body"]
    desk(user).shows(user.said)


def test_a_handoff_out_of_a_form_says_what_is_known_and_what_is_missing(talk: Talk, desk: Look) -> None:
    user = talk()
    user.say("where is my order")
    user.say("A-1001")
    assert "Your reference is" in user.hear("I want to talk to a human")
    (note,) = desk(user).notes(desk(user).ticket())
    assert "order_number: A-1001" in note["body"]
    assert "Still missing: email" in note["body"]
    assert user.hear("hello") == "Hello! How can I help? 👋"
    desk(user).shows(user.said)


def test_a_second_handoff_opens_no_second_ticket(talk: Talk, desk: Look) -> None:
    user = talk()
    first = user.hear("I want to talk to a human")
    assert user.hear("get me someone from support") == first
    desk(user).shows(user.said)
    assert len(desk(user).conversations) == 1
    assert len(desk(user).notes(desk(user).ticket())) == 1


def test_the_ticket_can_be_asked_for(talk: Talk, desk: Look) -> None:
    user = talk()
    user.say("I want to talk to a human")
    assert user.hear("what about my ticket?") == f"Your ticket {user.slots['kustomer_ticket']} is open."
    desk(user).shows(user.said)


def test_a_solved_problem_closes_the_conversation(talk: Talk, desk: Look) -> None:
    user = talk()
    user.say("hello")
    assert user.hear("it works now, thanks") == "Glad to hear it."
    desk(user).shows(user.said)
    eventually(lambda: desk(user).conversations[0]["status"] == "done", "the conversation is done")


def test_a_handoff_is_queued_while_kustomer_is_away(talk: Talk, desk: Look, kustomer: Kustomer) -> None:
    """The user is not told more than what is true, and the ticket appears by itself with the same reference."""
    user = talk()
    user.say("hello")
    desk(user).shows(user.said)
    with kustomer.outage():
        answer = user.hear("I want to talk to a human")
        reference = user.slots["kustomer_ticket"]
        assert answer == f"Our support team will get this as soon as possible. Your reference is {reference}."
        assert user.slots["kustomer_handoff_status"] == "queued"
    ticket = desk(user).ticket(seconds=60)
    (note,) = desk(user).notes(ticket)
    assert reference in note["body"]
    desk(user).shows(user.said)
