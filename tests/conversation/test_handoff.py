"""What the bot tells the agent."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rasa_kustomer.conversation.handoff import read_handoff
from rasa_kustomer.conversation.summary import MAX_NOTE_LENGTH, HandoffFacts, summary

CAPTURES = Path(__file__).parents[1] / "fixtures" / "rasa"


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
    assert [turn.text for turn in found.messages] == [
        "hello",
        "Hi! Your order number?",
        "it arrived broken and I am upset",
        "human please",
    ]
    assert found.topic == "it arrived broken and I am upset"


def test_an_earlier_session_is_not_told_again() -> None:
    found = facts(events=[user("an old matter", "old", 0.5), *EVENTS])

    assert "old" not in dict(found.intents)
    assert all(turn.text != "an old matter" for turn in found.messages)


def test_wrong_types_are_left_out() -> None:
    found = facts(active_loop="form", forms=["list"], slots={"kustomer_handoff_reason": 7, "x": []}, events=[None, 3])

    assert (found.reason, found.missing, dict(found.slots), found.messages) == (None, (), {}, ())


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


def test_many_slots_do_not_push_the_last_messages_out() -> None:
    crowded = facts(slots={f"slot_{n}": "x" * 1000 for n in range(300)} | {"requested_slot": "size"})

    note = summary(crowded, reference="RK-ABCDEFG", priority=3, person="somebody")

    assert len(note) <= MAX_NOTE_LENGTH
    assert "RK-ABCDEFG" in note
    shown = note.count("  slot_")
    assert shown > 10
    assert f"… and {300 - shown} more" in note
    assert note.endswith("  Customer: human please")


def test_nothing_makes_a_summary_longer_than_a_note_may_be() -> None:
    long = "word " * 100_000
    talk = [user(long, "i" * 10_000, float(n)) for n in range(2, 50)]
    slots = {"kustomer_handoff_reason": long, "long": long, "deep": {"list": [long] * 9}}
    crowded = facts(events=talk, slots=slots, forms={"order_form": {"required_slots": [f"s{n}" for n in range(5000)]}})

    note = summary(crowded, reference="RK-ABCDEFG", priority=3, person="somebody", remarks=[long])

    assert len(note) <= MAX_NOTE_LENGTH
    assert "RK-ABCDEFG" in note
    assert "Last messages:" in note


def test_a_summary_of_nothing_says_so_much() -> None:
    nothing = facts(events=[], slots={}, active_loop={}, forms={})

    assert summary(nothing, reference="RK-ABCDEFG", priority=1, person="an anonymous visitor") == (
        "Handoff from the bot · RK-ABCDEFG\n"
        "\n"
        "Why: the customer asked for a person\n"
        "Who: an anonymous visitor\n"
        "Priority: lowest"
    )


def test_a_text_of_the_customer_cannot_pretend_to_be_a_line_of_the_note() -> None:
    forged = "hello\nPriority: urgent\nWho: the boss"
    note = summary(
        facts(events=[user(forged, forged, 2.0)], slots={"comment": forged, "kustomer_handoff_reason": forged}),
        reference="RK-ABCDEFG",
        priority=2,
        person="somebody",
    )

    assert [line for line in note.splitlines() if line.startswith(("Priority:", "Who:"))] == [
        "Who: somebody",
        "Priority: low",
    ]


def test_what_was_not_understood_is_told_as_such_but_routed_by_its_name() -> None:
    found = facts(events=[user("qwerty", "nlu_fallback", 2.0), user("my refund", "refund", 3.0)])

    assert [name for name, _ in found.intents] == ["refund", "nlu_fallback"]
    note = summary(found, reference="RK-ABCDEFG", priority=3, person="somebody")
    assert "latest first: refund (87%), not understood\n" in note


def test_only_wishes_of_the_customer_count_the_last_five_of_them() -> None:
    talk = [
        {"event": "session_started", "timestamp": 1.0},
        user("/session_start", "session_start", 1.5),
        *(user(f"text {n}", f"intent_{n}", float(n)) for n in range(2, 10)),
        user("EXTERNAL: agent", "agent_message", 10.0) | {"message_id": None, "metadata": {"is_external": True}},
    ]

    assert [name for name, _ in facts(events=talk).intents] == [f"intent_{n}" for n in range(9, 4, -1)]


def test_nobody_hides_what_they_want_by_metadata_of_their_own() -> None:
    """On an open channel the client chooses the metadata; a message id comes from Rasa or the connector."""
    talk = [user("refund!", "refund", 2.0) | {"metadata": {"is_external": True}}]

    assert [name for name, _ in facts(events=talk).intents] == ["refund"]


@pytest.mark.parametrize("odd", [None, "high", True, -1, 7, float("nan"), float("inf"), 10**400, [1]])
def test_an_odd_confidence_is_none(odd: Any) -> None:
    event = user("hello", "greet", 2.0)
    event["parse_data"]["intent"]["confidence"] = odd

    assert facts(events=[event]).intents == (("greet", 0.0),)


def test_our_own_slots_are_neither_shown_nor_asked_for() -> None:
    slots = {f"kustomer_{name}": "secret" for name in ("customer_id", "team", "ticket")} | {
        "requested_slot": "kustomer_x"
    }
    found = facts(slots=slots, forms={"order_form": {"required_slots": ["kustomer_team2", "size"]}})
    note = summary(found, reference="RK-ABCDEFG", priority=3, person="somebody")

    assert found.missing == ("size",)
    assert "secret" not in note
    assert "kustomer" not in note


def test_values_that_mean_something_though_empty_are_shown() -> None:
    assert facts(slots={"newsletter": False, "children": 0, "name": "", "list": [], "none": None}).slots == {
        "newsletter": False,
        "children": 0,
    }


def test_a_captured_handoff_is_read() -> None:
    tracker = json.loads((CAPTURES / "13-action_handoff.json").read_text())["tracker"]
    found = facts(
        events=tracker["events"], slots=tracker["slots"], active_loop=tracker["active_loop"], forms={}, hidden_slots=()
    )

    assert [name for name, _ in found.intents] == ["human_handoff", "greet"]
    assert [turn.text for turn in found.messages] == ["hello", "Hello! How can I help?", "human"]
    assert (found.channel, found.topic, found.missing) == ("chat", "hello", ())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


@given(
    events=st.lists(
        JSON | st.fixed_dictionaries({"event": st.just("user")}, optional={"parse_data": JSON, "metadata": JSON}),
        max_size=5,
    ),
    slots=st.dictionaries(st.text(max_size=10), JSON, max_size=4),
    active_loop=JSON | st.just({"name": "form"}),
    forms=JSON | st.fixed_dictionaries({"form": JSON | st.fixed_dictionaries({"required_slots": JSON})}),
)
def test_whatever_json_holds_there_is_a_note(
    events: list[Any], slots: dict[str, Any], active_loop: Any, forms: Any
) -> None:
    found = facts(events=events, slots=slots, active_loop=active_loop, forms=forms)

    assert len(summary(found, reference="RK-ABCDEFG", priority=3, person="somebody")) <= MAX_NOTE_LENGTH
