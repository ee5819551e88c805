"""Slots are carried into a new session as Rasa 3.6.21's own `action_session_start` carries them."""

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.searching import examples

from rasa_kustomer.conversation.carried import carried_slots

Event = dict[str, Any]


def slot(name: str, value: Any) -> Event:
    return {"event": "slot", "name": name, "value": value}


def action(name: str) -> Event:
    return {"event": "action", "name": name}


def loop(name: str | None) -> Event:
    return {"event": "active_loop", "name": name}


LISTEN, USER, UNDO, REWIND = action("action_listen"), {"event": "user"}, {"event": "undo"}, {"event": "rewind"}
ANN, BOB = slot("email", "ann@example.com"), slot("email", "bob@example.com")


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        pytest.param([LISTEN, USER, ANN], {"email": "ann@example.com"}, id="nothing is taken back"),
        pytest.param([LISTEN, USER, ANN, action("action_default_fallback"), REWIND], {}, id="a fallback"),
        pytest.param(
            [LISTEN, USER, BOB, LISTEN, USER, ANN, action("action_default_fallback"), REWIND],
            {"email": "bob@example.com"},
            id="a fallback takes back only its own turn",
        ),
        pytest.param([LISTEN, USER, BOB, LISTEN, USER, ANN, REWIND, REWIND], {}, id="two in a row"),
        pytest.param([LISTEN, BOB, USER, ANN, REWIND], {}, id="what was set while the bot listened goes too"),
        pytest.param([BOB, LISTEN, USER, ANN, REWIND], {"email": "bob@example.com"}, id="what was set before stays"),
        pytest.param([BOB, REWIND], {}, id="nobody has spoken: all is taken back"),
        pytest.param([USER, BOB, action("a"), ANN, UNDO], {"email": "bob@example.com"}, id="an action"),
        pytest.param([ANN, {"event": "restart"}], {}, id="a restart"),
        pytest.param([ANN, {"event": "session_started"}, slot("a", 1)], {"a": 1}, id="a session's start"),
        pytest.param(
            [LISTEN, USER, BOB, action("f"), loop("f"), LISTEN, USER, ANN, action("f"), REWIND],
            {},
            id="a form's turns are one for what takes back",
        ),
        pytest.param(
            [LISTEN, USER, BOB, {"event": "form", "name": "f"}, action("f"), LISTEN, USER, ANN, action("f"), REWIND],
            {},
            id="a form as Rasa 2 wrote it",
        ),
        pytest.param([ANN, {"event": "reset_slots"}], {"email": "ann@example.com"}, id="as Rasa does it, though"),
        pytest.param([None, 7, {"event": []}, {"event": "slot", "name": None}, ANN], {"email": "ann@example.com"}),
    ],
)
def test_only_slots_of_events_that_still_apply_are_carried_over(events: list[Any], expected: Event) -> None:
    assert carried_slots(events) == expected


def applied_events(events: list[Event]) -> list[Event]:
    """Rasa 3.6.21, rasa/shared/core/trackers.py (Apache License 2.0), word by word on events as they are sent."""
    loop_names = [event["name"] for event in events if event["event"] == "active_loop" and event["name"]]
    applied: list[Event] = []
    for event in events:
        kind = event["event"]
        if kind in {"restart", "session_started"}:
            applied = []
        elif kind == "undo":
            _undo_till_previous("action", applied)
        elif kind == "rewind":
            _undo_till_previous("user", applied)
            _undo_till_previous("action", applied)
        elif kind == "action" and event["name"] in loop_names and not _first_or_unhappy(event["name"], applied):
            _undo_till_previous_loop_execution(event["name"], applied)
        else:
            applied.append(event)
    return applied


def _undo_till_previous(kind: str, done: list[Event]) -> None:
    for event in reversed(done[:]):
        del done[-1]
        if event["event"] == kind:
            break


def _first_or_unhappy(name: str, applied: list[Event]) -> bool:
    next_action = None
    for event in reversed(applied):
        if event["event"] == "active_loop" and event["name"] is None:
            return True
        rejected = event["event"] == "action_execution_rejected" and event["name"] == name
        if rejected or (event["event"] == "user" and next_action is not None and next_action != name):
            return True
        if event["event"] == "action":
            if event["name"] == name:
                return False
            next_action = event["name"]
    return True


def _undo_till_previous_loop_execution(name: str, done: list[Event]) -> None:
    offset = 0
    for event in reversed(done[:]):
        if event["event"] == "action" and event["name"] == name:
            break
        if event["event"] in {"action", "user", "user_featurization"}:
            del done[-1 - offset]
        else:
            offset += 1


ENDS = [{"event": "restart"}, {"event": "session_started"}, {"event": "action_execution_rejected", "name": "f"}]
EVENTS = st.one_of(
    st.sampled_from([LISTEN, USER, action("f"), action("f"), action("g")]),
    st.sampled_from([LISTEN, USER, UNDO, REWIND, REWIND, loop("f"), loop("g"), loop(None)]),
    st.sampled_from([{"event": "bot"}, {"event": "user_featurization"}, *ENDS]),
    st.builds(slot, st.sampled_from("abcdef"), st.integers(0, 9)),
)


@settings(max_examples=examples(500))
@given(st.lists(EVENTS, min_size=10, max_size=40))
def test_whatever_happened_the_slots_are_those_that_rasa_carries(events: list[Event]) -> None:
    expected = {event["name"]: event["value"] for event in applied_events(events) if event["event"] == "slot"}

    assert carried_slots(events) == expected


def test_a_form_of_6000_turns_costs_no_more_than_other_turns() -> None:
    turn = [LISTEN, USER, {"event": "bot"}, ANN, loop("g"), action("f")]
    events = [action("f"), loop("f"), *turn * 6_000]

    began = time.process_time()
    assert carried_slots(events) == {"email": "ann@example.com"}
    assert time.process_time() - began < 1
