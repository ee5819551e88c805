"""What a handoff puts into the outbox."""

import asyncio
from dataclasses import dataclass
from typing import Any

from rasa_kustomer.actions.base import Call
from rasa_kustomer.conversation.events import latest, word
from rasa_kustomer.conversation.handoff import Handoff, HandoffSettings, compose, read_handoff
from rasa_kustomer.conversation.hidden import HIDDEN
from rasa_kustomer.conversation.keys import made_by_rasa, ticket_reference
from rasa_kustomer.conversation.people import mark_of
from rasa_kustomer.conversation.routing import priority_name
from rasa_kustomer.delivery.plan import HANDOFF_TAG
from rasa_kustomer.kustomer.errors import KustomerError
from rasa_kustomer.outbox import (
    DEAD,
    DELIVERED,
    PENDING,
    Kind,
    NewRecord,
    Outbox,
    OutboxUnavailableError,
    OutcomeUnknownError,
    SessionKey,
)
from rasa_kustomer.records import moved

EXPECTED = {
    "kustomer_team": "it must hold a team's name or id as text",
    "kustomer_priority": "it must hold low, medium, high, urgent or a number from 1 to 5",
}
_TAGS_WAIT_SECONDS = 0.5
_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Ticket:
    """A handoff, ready to be recorded.

    Attributes:
        reference: What the customer is told, and the agent sees.
        confirming_key: The record whose delivery means that the ticket is there.
        records: What is to be recorded; empty when the handoff is queued already.
        priority: As a word.
    """

    session: SessionKey
    reference: str
    confirming_key: str
    records: list[NewRecord]
    team: str | None
    priority: str


async def compose_ticket(call: Call) -> Ticket:
    """Record outstanding turns and build the ticket's records.

    A handoff that still waits is not built twice; one that was delivered is raised again; one that was refused is
    built anew.

    Raises:
        OutboxUnavailableError: The outbox cannot be used, so nothing may be promised.
    """
    session = await call.current_session()
    reference = ticket_reference(session.key)
    handoff = await _compose(call, reference)
    before = await _ticket_before(call.runtime.outbox, session)
    again = f":{_moment(call)}"
    key = f"{session.key}:ticket"
    if before is None:
        records = _records(session, handoff, suffix="")
    elif before == PENDING:
        records = []
    elif before == DEAD:
        records, key = _records(session, handoff, suffix=again), key + again
    else:
        payload = {"priority": handoff.decision.priority, "repeated": True}
        records, key = [NewRecord(key + again, Kind.TICKET, payload)], key + again
    person = call.people.current
    if call.people.signed_in and person.identity and not person.mark:  # turns may not be mirrored
        records = [moved(session, mark_of(person.identity)), *records]
    return Ticket(session, reference, key, records, handoff.decision.team, priority_name(handoff.priority))


async def accept(call: Call, ticket: Ticket) -> None:
    """Put the ticket into the outbox. From here on it will be opened, whatever else fails.

    Raises:
        OutboxUnavailableError: It is not there, and will not come by itself.
    """
    if not ticket.records:
        return
    try:
        await call.record(ticket.session, ticket.records, escalate=True)
    except OutcomeUnknownError:
        try:
            known = await asyncio.wait_for(call.runtime.outbox.record_state(ticket.confirming_key), _LOOK_SECONDS)
        except (OutboxUnavailableError, asyncio.TimeoutError):  # it may be there, so it has to be
            call.keep_trying(ticket.session, ticket.records, escalate=True)
            return
        if known is None:
            raise


async def ticket_slots(call: Call) -> dict[str, Any]:
    """The slots about conversation and ticket for the one who speaks now, after another person did."""
    session, outbox = call.session_by_events, call.runtime.outbox
    known = await outbox.session_state(session.key) or {}
    state = await _ticket_before(outbox, session)
    return {
        "kustomer_conversation_id": known.get("conversation_id") if state else None,
        "kustomer_handoff_status": {None: "none", PENDING: "queued", DEAD: "failed"}.get(state, "created"),
        "kustomer_ticket": ticket_reference(session.key) if state else None,
    }


def _moment(call: Call) -> str:
    """What tells a repeated handoff from the one before, and is the same when Rasa asks twice."""
    message_id = word(call.latest_message.get("message_id"))
    if made_by_rasa(message_id):
        return message_id
    said = latest(call.events, "user")
    return str((said and said.at_ms) or len(call.events))


async def _ticket_before(outbox: Outbox, session: SessionKey) -> str | None:
    """State of the session's first ticket; one that was purged since (KUSTOMER_RETENTION_DAYS) was delivered."""
    known = await outbox.session_state(session.key)
    state: str | None = await outbox.record_state(f"{session.key}:ticket")
    return DELIVERED if state is None and known is not None and known["escalated"] else state


async def _compose(call: Call, reference: str) -> Handoff:
    settings = call.runtime.settings
    events = await call.runtime.recorder.trackers.words_of_current(call.sender_id, call.events, call.at_start)
    facts = read_handoff(
        sender_id=call.sender_id,
        events=events,
        slots=call.slots,
        active_loop=call.tracker.active_loop,
        forms=call.domain.get("forms"),
        hidden_slots=settings.note_hidden_slots,
        reading=await call.runtime.recorder.trackers.read(call.sender_id, events),
        named_channels=settings.channels,
    )
    handoff = compose(
        facts,
        call.runtime.routing,
        HandoffSettings(
            settings.identity_names, settings.phone_region, settings.default_priority, settings.note_hidden_slots
        ),
        slots=call.slots,
        identity=call.identity,
        reference=reference,
        customer_tags=await _customer_tags(call),
    )
    for slot, sentence in handoff.decision.ignored:
        call.runtime.say_once(
            f"A handoff ignored the slot {slot}: {EXPECTED[slot]}. The agent's note says so.",
            about=(slot, sentence),
        )
    return handoff


async def _customer_tags(call: Call) -> tuple[str, ...]:
    """The customer's tags as Kustomer returns them, if a rule asks for them and they come at once."""
    if not call.runtime.routing.needs_customer_tags or call.runtime.breaker.is_open:
        return ()
    try:
        customer = await asyncio.wait_for(call.runtime.directory.get_or_create(call.identity), _TAGS_WAIT_SECONDS)
    except (KustomerError, asyncio.TimeoutError):
        return ()  # a rule that does not match is better than no ticket
    return tuple(customer.tags)


def _records(session: SessionKey, handoff: Handoff, *, suffix: str) -> list[NewRecord]:
    """Note and tags go before the ticket, so that the agent who gets it sees them (Kustomer API reference, Handoff)."""
    decision = handoff.decision
    team = {"team": decision.team}
    if handoff.team_hidden:
        team["team_hidden"] = HIDDEN  # the remark about a team that there is not must not quote it
    ticket = {"priority": handoff.priority, "team": decision.team, "subject": handoff.subject}
    tags = list(dict.fromkeys((HANDOFF_TAG, *decision.tags)))
    return [
        NewRecord(f"{session.key}:note{suffix}", Kind.NOTE, {"text": handoff.note, **team}),
        NewRecord(f"{session.key}:tags{suffix}", Kind.TAGS, {"tags": tags}),
        NewRecord(f"{session.key}:ticket{suffix}", Kind.TICKET, ticket),
    ]
