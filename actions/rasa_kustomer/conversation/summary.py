"""The note that spares the customer from saying it all again. Plain text, since notes may not render more."""

import json
from collections.abc import Sequence

from rasa_kustomer.conversation.handoff import HandoffFacts
from rasa_kustomer.conversation.rendering import clean
from rasa_kustomer.conversation.routing import priority_name

LONGEST_NOTE = 8_000
_LONGEST_VALUE = 200
_LONGEST_TURN = 400
_SPEAKER = {"in": "Customer", "out": "Bot"}


def summary(facts: HandoffFacts, *, reference: str, priority: int, person: str, remarks: Sequence[str] = ()) -> str:
    """Write the note.

    Args:
        facts: What the bot knows.
        reference: Code that the customer was given.
        priority: Priority of the ticket.
        person: Who it is, as a phrase: a name, or that it is only claimed.
        remarks: Further lines, such as which rule decided.
    """
    lines = [f"Handoff from the bot · {reference}", ""]
    lines.append(f"Why: {_short(facts.reason or 'the customer asked for a person', _LONGEST_VALUE)}")
    lines.append(f"Who: {person}")
    lines.append(f"Priority: {priority_name(priority)}")
    if facts.intents:
        wanted = ", ".join(f"{name} ({confidence:.0%})" for name, confidence in facts.intents)
        lines.append(f"What the customer wanted, latest first: {wanted}")
    if facts.slots:
        lines += ["", "What the bot knows:"]
        lines += [f"  {name}: {_short(_value(value), _LONGEST_VALUE)}" for name, value in facts.slots.items()]
    if facts.missing:
        lines += ["", "Still missing: " + ", ".join(facts.missing)]
    lines += ["", *remarks] if remarks else []
    if facts.turns:
        lines += ["", "Last messages:"]
        lines += [f"  {_SPEAKER[turn.direction]}: {_short(turn.text, _LONGEST_TURN)}" for turn in facts.turns]
    return _short("\n".join(lines), LONGEST_NOTE, keep_lines=True)


def _value(value: object) -> str:
    if isinstance(value, str):
        return clean(value)
    try:
        return clean(json.dumps(value, ensure_ascii=False, default=str))
    except (ValueError, RecursionError):
        return "(unreadable)"


def _short(text: str, longest: int, *, keep_lines: bool = False) -> str:
    flat = text if keep_lines else " ".join(text.split())
    return flat if len(flat) <= longest else flat[: longest - 1].rstrip() + "…"
