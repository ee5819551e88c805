"""What the bot tells the agent."""

from typing import Any

from rasa_kustomer.conversation.handoff import HandoffFacts, read_handoff
from rasa_kustomer.conversation.summary import LONGEST_NOTE, summary


def user(text: str, intent: str, at: float) -> dict[str, Any]:
    parsed = {"intent": {"name": intent, "confidence": 0.87}}
    return {"event": "user", "text": text, "timestamp": at, "message_id": f"m{at}", "parse_data": parsed}


EVENTS = [
    {"event": "session_started", "timestamp": 1.0},
    user("hello", "greet", 2.0),
    {"event": "bot", "text": "Hi! Your order number?", "timestamp": 3.0, "data": {}},
    user("it arrived broken and I am upset", "complain", 4.0),
    user("human please", "human_handoff", 5.0),
]
SLOTS = {
    "order_id": "A1001",
    "size": None,
    "iban": "DE00",
    "kustomer_team": "Billing",
    "kustomer_handoff_reason": "a refund over the limit",
    "requested_slot": "size",
    "session_started_metadata": {"token": "x"},
}


def facts(**given: Any) -> HandoffFacts:
    defaults: dict[str, Any] = {
        "sender_id": "u1",
        "events": EVENTS,
        "slots": SLOTS,
        "active_loop": {"name": "order_form"},
        "forms": {"order_form": {"required_slots": ["order_id", "size"]}},
        "hidden_slots": ("iban",),
    }
    return read_handoff(**(defaults | given))


def test_the_facts_are_read_from_the_tracker() -> None:
    found = facts()

    assert found.reason == "a refund over the limit"
    assert found.intents == (("human_handoff", 0.87), ("complain", 0.87), ("greet", 0.87))
    assert found.slots == {"order_id": "A1001"}
    assert found.missing == ("size",)
    assert [turn.text for turn in found.turns] == [
        "hello",
        "Hi! Your order number?",
        "it arrived broken and I am upset",
        "human please",
    ]
    assert found.topic == "it arrived broken and I am upset"


def test_an_earlier_session_is_not_told_again() -> None:
    found = facts(events=[user("an old matter", "old", 0.5), *EVENTS])

    assert "old" not in dict(found.intents)
    assert all(turn.text != "an old matter" for turn in found.turns)


def test_wrong_types_are_left_out() -> None:
    found = facts(active_loop="form", forms=["list"], slots={"kustomer_handoff_reason": 7, "x": []}, events=[None, 3])

    assert (found.reason, found.missing, dict(found.slots), found.turns) == (None, (), {}, ())


def test_the_summary_reads_as_an_agent_needs_it() -> None:
    note = summary(
        facts(), reference="RK-ABCDEFG", priority=4, person="Ann Lee", remarks=["Routed by the rule in line 4."]
    )

    assert note == (
        "Handoff from the bot · RK-ABCDEFG\n"
        "\n"
        "Why: a refund over the limit\n"
        "Who: Ann Lee\n"
        "Priority: high\n"
        "What the customer wanted, latest first: human_handoff (87%), complain (87%), greet (87%)\n"
        "\n"
        "What the bot knows:\n"
        "  order_id: A1001\n"
        "\n"
        "Still missing: size\n"
        "\n"
        "Routed by the rule in line 4.\n"
        "\n"
        "Last messages:\n"
        "  Customer: hello\n"
        "  Bot: Hi! Your order number?\n"
        "  Customer: it arrived broken and I am upset\n"
        "  Customer: human please"
    )


def test_a_summary_is_never_longer_than_a_note_may_be() -> None:
    crowded = facts(slots={f"slot_{n}": "x" * 1000 for n in range(300)})

    note = summary(crowded, reference="RK-ABCDEFG", priority=3, person="somebody")

    assert len(note) <= LONGEST_NOTE
    assert "RK-ABCDEFG" in note
