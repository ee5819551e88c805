"""Slots are carried into a new session as Rasa itself carries them, whatever was taken back before."""

import json
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from rasa_kustomer.conversation.carried import carried_slots

pytestmark = pytest.mark.e2e

TRACKERS = 2_000
LOOPS = [{"event": "active_loop", "name": name} for name in ("f", "g", None)]
ACTIONS = [{"event": "action", "name": name} for name in ("action_listen", "f", "f", "g", "h")]
REJECTED = {"event": "action_execution_rejected", "name": "f"}
STEPS: list[dict[str, Any]] = [
    *LOOPS,
    *ACTIONS,
    *({"event": kind} for kind in ("undo", "rewind", "rewind", "user_featurization")),
    REJECTED,
]
ENDS: list[dict[str, Any]] = [{"event": "restart"}, {"event": "session_started"}]


def tracker(dice: random.Random) -> list[dict[str, Any]]:
    """Events in any order, most of them steps of a dialogue and slots that are set."""
    said: list[dict[str, Any]] = [{"event": "user", "text": "hi", "parse_data": {}}, {"event": "bot", "text": "hello"}]
    events = []
    for number in range(dice.randint(5, 40)):
        set_slot = {"event": "slot", "name": dice.choice("abcdef"), "value": number}
        kinds: list[list[dict[str, Any]]] = [STEPS, said, [set_slot], ENDS]
        event = dice.choice(dice.choices(kinds, weights=[10, 6, 6, 1])[0])
        events.append({**event, "timestamp": 1_795_000_000.0 + number})
    return events


def test_random_trackers_carry_over_what_rasa_carries_over(rasa_python: Path, tmp_path: Path) -> None:
    dice = random.Random(20_251_125)  # noqa: S311 - the same trackers every time
    trackers = [tracker(dice) for _ in range(TRACKERS)]
    file = tmp_path / "trackers.json"
    file.write_text(json.dumps(trackers), encoding="utf-8")

    script = Path(__file__).with_name("inside_rasa_tracker.py")
    done = subprocess.run([rasa_python, "-W", "ignore", script, file], check=True, capture_output=True, text=True)

    expected = json.loads(done.stdout.splitlines()[-1])
    assert [carried_slots(events) for events in trackers] == expected
