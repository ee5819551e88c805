"""What the bot can tell an agent, read from the tracker."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rasa_kustomer.conversation.channels import NOT_NAMED, kustomer_channel
from rasa_kustomer.conversation.cleaning import clean, spoken
from rasa_kustomer.conversation.hidden import HiddenSlots
from rasa_kustomer.conversation.moments import is_a, microseconds
from rasa_kustomer.conversation.speech import has_words
from rasa_kustomer.conversation.turns import Message, Reading, read_turns

MOST_INTENTS = 5
MOST_TURNS = 10
_NEVER_SHOWN = frozenset({"session_started_metadata", "requested_slot"})
REASON_SLOT = "kustomer_handoff_reason"
_OWN_PREFIX = "kustomer_"
_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class HandoffFacts:
    """Facts for the summary and the routing rules.

    Attributes:
        intents: Name and confidence of what the customer wanted, latest first.
        slots: What the bot knows, by slot.
        missing: Slots that the running form still asks for.
        turns: The last messages, oldest first.
        topic: What the customer said most about, for the subject line; None when nothing was said.
    """

    reason: str | None
    intents: tuple[tuple[str, float], ...]
    slots: Mapping[str, Any]
    missing: tuple[str, ...]
    channel: str
    turns: tuple[Message, ...]
    topic: str | None


def read_handoff(
    *,
    sender_id: str,
    events: Sequence[Any],
    slots: Mapping[str, Any],
    active_loop: object,
    forms: object,
    hidden_slots: Sequence[str] = (),
    reading: Reading | None = None,
    named_channels: Mapping[str, str] = NOT_NAMED,
) -> HandoffFacts:
    """Read the facts; what is malformed is left out.

    Args:
        sender_id: Rasa's sender id.
        events: The tracker's events.
        slots: The tracker's slots.
        active_loop: The tracker's `active_loop`.
        forms: The domain's `forms`.
        hidden_slots: Slots that must not be shown; the last messages are what was said, and stay as they are.
        reading: The messages among all events, if they were read already.
        named_channels: Kustomer's channels by the names of input channels (KUSTOMER_CHANNELS).
    """
    sessions = (reading or read_turns(events, sender_id, None, named_channels=named_channels)).sessions
    messages = sessions[-1].messages if sessions else ()
    hidden = HiddenSlots(hidden_slots, slots)
    reason = None if REASON_SLOT in hidden else hidden.without(clean(slots.get(REASON_SLOT))) or None
    said = [one.text for one in messages if one.direction == "in" and has_words(one.text)]
    return HandoffFacts(
        reason=reason,
        intents=tuple(_intents(events)),
        slots={
            name: value
            for name, value in slots.items()
            if not (name.startswith(_OWN_PREFIX) or name in _NEVER_SHOWN or name in hidden)
            and value not in (None, "", [], {})
        },
        missing=tuple(name for name in _missing(slots, active_loop, forms) if name not in hidden),
        channel=messages[-1].channel if messages else _channel(events, sender_id, named_channels),
        turns=tuple(messages[-MOST_TURNS:]),
        topic=hidden.without(max(said[:-1] or said, key=len, default="")) or None,  # the last is the wish for a person
    )


def _intents(events: Sequence[Any]) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    heard: set[tuple[int, str]] = set()  # a tracker may hold an event twice
    for event in reversed(events):
        if not isinstance(event, Mapping) or len(found) == MOST_INTENTS:
            continue
        if event.get("event") == "session_started":
            break
        parsed = event.get("parse_data")
        intent = parsed.get("intent") if event.get("event") == "user" and isinstance(parsed, Mapping) else None
        if not isinstance(intent, Mapping) or _is_trigger(event):
            continue
        name = " ".join(clean(intent.get("name")).split())[:_LONGEST_NAME]  # it may come from a typed `/name`
        moment = microseconds(event), spoken(event.get("text"))
        if name and name != "session_start" and not (moment[0] and moment in heard):
            heard.add(moment)
            found.append((name, _confidence(intent.get("confidence"))))
    return found


def _is_trigger(event: Mapping[str, Any]) -> bool:
    """Whether a program and not the customer sent it (Rasa notes, Events): what a customer sends has a message id."""
    metadata = event.get("metadata")
    return isinstance(metadata, Mapping) and bool(metadata.get("is_external")) and not event.get("message_id")


def _confidence(value: object) -> float:
    return float(value) if type(value) in {int, float} and 0 <= value <= 1 else 0.0  # type: ignore[operator, arg-type]


def _missing(slots: Mapping[str, Any], active_loop: object, forms: object) -> list[str]:
    name = active_loop.get("name") if isinstance(active_loop, Mapping) else None
    form = forms.get(name) if isinstance(forms, Mapping) and isinstance(name, str) else None
    required = form.get("required_slots") if isinstance(form, Mapping) else None
    asked = [one for one in required if isinstance(one, str)] if isinstance(required, (list, Mapping)) else []
    requested = slots.get("requested_slot")
    if isinstance(requested, str) and requested not in asked and name:
        asked.append(requested)
    return [one for one in asked if slots.get(one) in (None, "", []) and not one.startswith(_OWN_PREFIX)]


def _channel(events: Sequence[Any], sender_id: str, named: Mapping[str, str]) -> str:
    latest: Mapping[str, Any] = next((one for one in reversed(events) if is_a(one, "user")), {})
    return kustomer_channel(latest.get("input_channel"), sender_id, named)
