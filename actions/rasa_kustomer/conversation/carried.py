"""The slots that Rasa carries into a new session: those of the events that still apply.

Follows `DialogueStateTracker.applied_events` of Rasa 3.6.21, which takes back whole turns and actions and forgets the
repeated runs of a form. Rasa copies lists for that; here each step keeps the slots that were set behind it, so that the
cost follows the number of events.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rasa_kustomer.conversation.events import Event

_ACTION, _USER, _LOOP, _REJECTED = "action", "user", "active_loop", "action_execution_rejected"
_ALIASES = {"form": _LOOP}  # of bots trained with Rasa 2
_STEPS = frozenset({_ACTION, _USER, _LOOP, _REJECTED})


@dataclass(slots=True)
class _Step:
    """Something that can be taken back, or that ends a form's run; and the slots that were set since."""

    kind: str = ""
    name: str | None = None
    slots: list[tuple[str, Any]] = field(default_factory=list)


def carried_slots(events: Sequence[Any]) -> dict[str, Any]:
    """The last value of each slot among the events that still apply; malformed events are ignored."""
    told = [(_ALIASES.get(event.kind, event.kind), event) for event in map(Event, events)]
    loops = {event.name for kind, event in told if kind == _LOOP and event.name}
    steps = [_Step()]
    for kind, event in told:
        name = event.name
        if kind in {"restart", "session_started"}:
            steps = [_Step()]
        elif kind == "undo":
            _take_back(steps, _ACTION)
        elif kind == "rewind":
            _take_back(steps, _USER)
            _take_back(steps, _ACTION)
        elif kind == "slot" and name:
            steps[-1].slots.append((name, event.value))
        elif kind == _ACTION and name in loops and _runs_again(steps, name):
            _forget_since_last_run(steps, name)
        elif kind in _STEPS and not (kind == _LOOP and name):  # only the end of a form is looked for
            steps.append(_Step(kind, name))
    return {name: value for step in steps for name, value in step.slots}


def _take_back(steps: list[_Step], kind: str) -> None:
    """Back to before the latest step of a kind; to the beginning when there is none."""
    while steps:
        if steps.pop().kind == kind:
            break
    if not steps:
        steps.append(_Step())


def _runs_again(steps: Sequence[_Step], loop: str | None) -> bool:
    """Whether a form's action runs on, rather than for the first time or after something else came between."""
    later: str | None = None
    for step in reversed(steps):
        if step.kind == _LOOP and step.name is None:
            return False
        if step.kind == _REJECTED and step.name == loop:
            return False
        if step.kind == _USER and later is not None and later != loop:
            return False
        if step.kind == _ACTION:
            if step.name == loop:
                return True
            later = step.name
    return False


def _forget_since_last_run(steps: list[_Step], loop: str | None) -> None:
    """Drop what was said and done since, but keep the slots that were set."""
    kept: list[_Step] = []
    while not (steps[-1].kind == _ACTION and steps[-1].name == loop):
        step = steps.pop()
        if step.kind in {_ACTION, _USER}:
            kept.append(_Step("", None, step.slots))
        else:
            kept.append(step)
    for step in reversed(kept):
        if step.kind:
            steps.append(step)
        else:
            steps[-1].slots += step.slots
