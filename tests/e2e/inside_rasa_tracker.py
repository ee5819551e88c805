"""Runs in the environment of Rasa Open Source: which slots of some events still apply, by Rasa's own tracker.

Usage: inside_rasa_tracker.py FILE, a JSON list of lists of events.
"""
# mypy: disable-error-code="import-not-found"
# (rasa is in an environment of its own)

import json
import sys
from pathlib import Path
from typing import Any

from rasa.shared.core.events import SlotSet
from rasa.shared.core.slots import AnySlot
from rasa.shared.core.trackers import DialogueStateTracker


def carried(events: list[dict[str, Any]]) -> dict[str, Any]:
    """As Rasa's `action_session_start` finds them; the last value of each slot counts."""
    names = sorted({event["name"] for event in events if event["event"] == "slot"})
    tracker = DialogueStateTracker.from_dict("u1", events, [AnySlot(name, mappings=[]) for name in names])
    return {event.key: event.value for event in tracker.applied_events() if isinstance(event, SlotSet)}


if __name__ == "__main__":
    print(json.dumps([carried(events) for events in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))]))
