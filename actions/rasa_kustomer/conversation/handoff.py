"""A handoff: what the bot can tell an agent, read from the tracker, and the ticket that is made of it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rasa_kustomer.conversation.channels import NOT_NAMED, kustomer_channel
from rasa_kustomer.conversation.events import Event, latest, mapping, word
from rasa_kustomer.conversation.hidden import HIDDEN, HiddenSlots
from rasa_kustomer.conversation.identity import Identity, IdentityNames, not_understood
from rasa_kustomer.conversation.messages import Reading, read_messages
from rasa_kustomer.conversation.rendering import has_words
from rasa_kustomer.conversation.routing import Decision, Facts, Routing, decide_handoff
from rasa_kustomer.conversation.summary import HandoffFacts, summary, unread_slots
from rasa_kustomer.conversation.texts import Mask, clean, spoken, unmasked

MAX_INTENTS = 5
MAX_MESSAGES = 10
_NEVER_SHOWN = frozenset({"session_started_metadata", "requested_slot"})
REASON_SLOT = "kustomer_handoff_reason"
_OWN_PREFIX = "kustomer_"
_LONGEST_NAME = 100
_LONGEST_SUBJECT = 100


class HandoffSettings(NamedTuple):
    """The settings that handoffs need."""

    names: IdentityNames = IdentityNames()
    phone_region: str | None = None
    default_priority: int = 3
    hidden_slots: Sequence[str] = ()
    mask: Mask = unmasked


class Handoff(NamedTuple):
    """A ticket, as it is to be recorded.

    Attributes:
        priority: As in Kustomer, 1 to 5.
        note: What the agent reads.
        team_hidden: Whether the name of the team comes from a slot that must not be shown.
    """

    decision: Decision
    priority: int
    note: str
    subject: str
    team_hidden: bool


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
        hidden_slots: Slots that must not be shown; the last messages are not changed for them.
        reading: The messages among all events, if they were read already.
        named_channels: Kustomer's channels by the names of input channels (KUSTOMER_CHANNELS).
    """
    sessions = (reading or read_messages(events, sender_id)).sessions
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
        messages=tuple(messages[-MAX_MESSAGES:]),
        topic=hidden.without(max(said[:-1] or said, key=len, default="")) or None,  # the last is the wish for a person
    )


def compose(
    facts: HandoffFacts,
    routing: Routing,
    settings: HandoffSettings,
    *,
    slots: Mapping[str, Any],
    identity: Identity,
    reference: str,
    customer_tags: tuple[str, ...] = (),
) -> Handoff:
    """Decide team and priority, and write what the agent reads.

    Args:
        facts: What the bot can tell.
        routing: The routing file.
        settings: Of the deployment.
        slots: The tracker's slots, those among them that must not be shown.
        identity: Who it is.
        reference: Code that the customer is given.
        customer_tags: The customer's tags in Kustomer, as far as a rule needs them.
    """
    hidden = HiddenSlots(settings.hidden_slots, slots)
    decision = decide_handoff(
        routing,
        Facts(tuple(name for name, _ in facts.intents), slots, facts.channel, customer_tags),
        team_slot=slots.get("kustomer_team"),
        priority_slot=slots.get("kustomer_priority"),
        default_priority=settings.default_priority,
        hidden=hidden,
    )
    priority = decision.priority or settings.default_priority
    remarks = [f"Routed by the rule in {decision.rule} of the routing file."] if decision.rule else []
    remarks += [one.sentence for one in decision.ignored]
    remarks += unread_slots(not_understood(slots, settings.names, settings.phone_region), facts.slots)
    person = _person(identity, settings.names, hidden)
    about = settings.mask(" ".join((facts.reason or facts.topic or "the customer asked for a person").split()))
    if len(about) > _LONGEST_SUBJECT:
        about = about[: _LONGEST_SUBJECT - 1].rstrip() + "…"
    return Handoff(
        decision=decision,
        priority=priority,
        note=settings.mask(summary(facts, reference=reference, priority=priority, person=person, remarks=remarks)),
        subject=f"{reference} · {about}",
        team_hidden="kustomer_team" in hidden and decision.team == str(slots.get("kustomer_team")).strip(),
    )


def _person(identity: Identity, names: IdentityNames, hidden: HiddenSlots) -> str:
    """Who it is; of a hidden slot, only that it is filled."""
    told = (
        (names.name, identity.name, "a name"),
        (names.external_id, identity.external_id, "a customer id"),
        (names.email, identity.email, "an e-mail address"),
        (names.phone, identity.phone, "a phone number"),
    )
    known = ", ".join(f"{kind} {HIDDEN}" if slot in hidden else value for slot, value, kind in told if value)
    if not known:
        return "an anonymous visitor"
    return known if identity.trusted else f"{known} (as stated in the chat, not verified)"


def _intents(events: Sequence[Any]) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    heard: set[tuple[int, str]] = set()  # a tracker may hold an event twice
    for event in map(Event, reversed(events)):
        if event.kind == "session_started" or len(found) == MAX_INTENTS:
            break
        if event.kind != "user" or (event.is_external and not event.has_message_id):  # a program and no customer
            continue
        intent = mapping(event.parsed.get("intent"))
        name = " ".join(clean(intent.get("name")).split())[:_LONGEST_NAME]  # it may come from a typed `/name`
        moment = event.at, spoken(event.text)
        if name and name != "session_start" and not (event.at and moment in heard):
            heard.add(moment)
            found.append((name, _confidence(intent.get("confidence"))))
    return found


def _confidence(value: object) -> float:
    return float(value) if type(value) in {int, float} and 0 <= value <= 1 else 0.0  # type: ignore[operator, arg-type]


def _missing(slots: Mapping[str, Any], active_loop: object, forms: object) -> list[str]:
    name = word(mapping(active_loop).get("name"))
    required = mapping(mapping(forms).get(name)).get("required_slots")
    asked = [one for one in required if word(one)] if isinstance(required, (list, dict)) else []
    requested = word(slots.get("requested_slot"))
    if requested and requested not in asked and name:
        asked.append(requested)
    return [one for one in asked if slots.get(one) in (None, "", []) and not one.startswith(_OWN_PREFIX)]


def _channel(events: Sequence[Any], sender_id: str, named: Mapping[str, str]) -> str:
    said = latest(events, "user")
    return kustomer_channel(said.input_channel if said else "", sender_id, named)
