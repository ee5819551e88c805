"""The note that spares the customer from saying it all again. Plain text, since notes may not render more."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rasa_kustomer.conversation.messages import Message
from rasa_kustomer.conversation.routing import priority_name
from rasa_kustomer.conversation.texts import clean

MAX_NOTE_LENGTH = 8_000
_LONGEST_VALUE = 200
_LONGEST_MESSAGE = 400
_LONGEST_REMAINDER = 40
NOT_UNDERSTOOD = "nlu_fallback"  # Rasa's FallbackClassifier; its confidence says nothing
_SPEAKER = {"in": "Customer", "out": "Bot"}


@dataclass(frozen=True, slots=True)
class HandoffFacts:
    """Facts for the summary and the routing rules.

    Attributes:
        intents: Name and confidence of what the customer wanted, latest first.
        slots: What the bot knows, by slot.
        missing: Slots that the running form still asks for.
        messages: The last messages, oldest first.
        topic: What the customer said most about, for the subject line; None when nothing was said.
    """

    reason: str | None
    intents: tuple[tuple[str, float], ...]
    slots: Mapping[str, Any]
    missing: tuple[str, ...]
    channel: str
    messages: tuple[Message, ...]
    topic: str | None


def summary(facts: HandoffFacts, *, reference: str, priority: int, person: str, remarks: Sequence[str] = ()) -> str:
    """Write the note.

    Args:
        facts: What the bot knows.
        reference: The ticket's reference, which the customer knows.
        priority: Priority of the ticket.
        person: Who it is, as a phrase: a name, or that it is only claimed.
        remarks: Further lines, such as which rule decided.
    """
    head = [
        f"Handoff from the bot · {reference}",
        "",
        f"Why: {_short(facts.reason or 'the customer asked for a person', _LONGEST_VALUE)}",
        f"Who: {person}",
        f"Priority: {priority_name(priority)}",
    ]
    if facts.intents:
        wanted = ", ".join(_wish(name, confidence) for name, confidence in facts.intents)
        head.append(f"What the customer wanted, latest first: {wanted}")
    rest = ["", "Still missing: " + _short(", ".join(facts.missing), _LONGEST_MESSAGE)] if facts.missing else []
    rest += ["", *(_short(remark, _LONGEST_MESSAGE) for remark in remarks)] if remarks else []
    if facts.messages:
        rest += ["", "Last messages:"]
        rest += [f"  {_SPEAKER[one.direction]}: {_short(one.text, _LONGEST_MESSAGE)}" for one in facts.messages]
    known = _known(facts.slots, MAX_NOTE_LENGTH - len("\n".join([*head, *rest])) - 1)
    return "\n".join([*head, *known, *rest])[:MAX_NOTE_LENGTH]


def unread_slots(unread: Mapping[str, str], shown: Mapping[str, Any]) -> list[str]:
    """Remarks on slots that identify nobody although they are filled; a hidden one is named and not shown.

    Args:
        unread: What each of them should hold.
        shown: The slots that may be shown.
    """
    return [
        f"The slot {slot} does not hold {expected}"
        + (f': "{_short(_value(shown[slot]), _LONGEST_VALUE)}"' if slot in shown else ".")
        for slot, expected in unread.items()
    ]


def _wish(intent: str, confidence: float) -> str:
    return "not understood" if intent == NOT_UNDERSTOOD else f"{intent} ({confidence:.0%})"


def _known(slots: Mapping[str, Any], room: int) -> list[str]:
    """The section with the slots, in so many characters: many slots must not push the last messages out."""
    if not slots:
        return []
    lines = ["", "What the bot knows:"]
    room -= len("\n".join(lines)) + _LONGEST_REMAINDER
    for number, (name, value) in enumerate(slots.items()):
        line = f"  {name}: {_short(_value(value), _LONGEST_VALUE)}"
        room -= len(line) + 1
        if room < 0:
            return [*lines, f"  … and {len(slots) - number} more"]
        lines.append(line)
    return lines


def _value(value: object) -> str:
    if isinstance(value, str):
        return clean(value)
    try:
        return clean(json.dumps(value, ensure_ascii=False, default=str))
    except (ValueError, RecursionError):
        return "(unreadable)"


def _short(text: str, longest: int) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= longest else flat[: longest - 1].rstrip() + "…"
