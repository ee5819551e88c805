"""Slots are carried into a new session as Rasa 3.6.21's own `action_session_start` carries them.

`tests/e2e/test_carried_slots.py` compares with Rasa itself.
"""

import time
from typing import Any

import pytest

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


def test_a_form_of_6000_turns_costs_no_more_than_other_turns() -> None:
    turn = [LISTEN, USER, {"event": "bot"}, ANN, loop("g"), action("f")]
    events = [action("f"), loop("f"), *turn * 6_000]

    began = time.process_time()
    assert carried_slots(events) == {"email": "ann@example.com"}
    assert time.process_time() - began < 1
