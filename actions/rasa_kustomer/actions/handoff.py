"""The bot hands over: a ticket with team, priority and summary, and the truth for the user."""

from rasa_kustomer.actions.base import Call, Events, KustomerAction, slot_events
from rasa_kustomer.conversation.events import latest, word
from rasa_kustomer.conversation.handoff import Handoff, compose, read_handoff
from rasa_kustomer.conversation.hidden import HIDDEN
from rasa_kustomer.conversation.keys import made_by_rasa, ticket_reference
from rasa_kustomer.conversation.people import mark_of
from rasa_kustomer.conversation.routing import priority_name
from rasa_kustomer.delivery.plan import HANDOFF_TAG
from rasa_kustomer.outbox import DEAD, DELIVERED, PENDING, Kind, NewRecord, OutboxUnavailableError, SessionKey
from rasa_kustomer.plugin import Ticket
from rasa_kustomer.records import moved

UNAVAILABLE = "I cannot reach our support team just now. Please try again in a little while."
CREATED = "I have passed this on to our support team. Your reference is {ticket}."
QUEUED = "Our support team will get this as soon as possible. Your reference is {ticket}."
EXPECTED = {
    "kustomer_team": "it must hold a team's name or id as text",
    "kustomer_priority": "it must hold low, medium, high, urgent or a number from 1 to 5",
}


class ActionKustomerHandoff(KustomerAction):
    """Makes the session's conversation a ticket.

    "Created" is said only after Kustomer confirmed within `KUSTOMER_HANDOFF_WAIT_SECONDS`; until then the handoff is
    queued in the outbox, which is said instead. A second handoff in the same session raises the same ticket.
    """

    action_name = "action_kustomer_handoff"

    def fallback(self, call: Call) -> Events:
        """Nobody will come: say so."""
        return self._not_accepted(call, "unavailable")

    async def execute(self, call: Call) -> Events:
        """Queue the ticket behind the turns so far, wait for the confirmation, tell the user."""
        try:
            session, handoff = await _compose(call)
            ticket = await _ticket(call, session, handoff)
            outcome = await call.plugin.hand_off(ticket, call.identity)
        except OutboxUnavailableError as error:
            call.plugin.not_recorded(error)
            return self._not_accepted(call, "failed")
        reference = ticket_reference(session.key)
        if outcome.state == DEAD:
            return self._nobody_comes(call, "failed", reference)
        created = outcome.state == DELIVERED
        values = {"ticket": reference, "team": handoff.decision.team or "", "priority": priority_name(handoff.priority)}
        if created:
            call.say("utter_kustomer_handoff_created", CREATED, **values)
        else:
            call.say("utter_kustomer_handoff_queued", QUEUED, **values)
        status = "created" if created else "queued"
        known = {"kustomer_conversation_id": outcome.conversation_id, "kustomer_customer_id": outcome.customer_id}
        return slot_events(
            {"kustomer_handoff_status": status, "kustomer_ticket": reference}
            | {slot: value for slot, value in known.items() if value}
        )

    def _not_accepted(self, call: Call, status: str) -> Events:
        """Nobody will come, unless an earlier handoff of this session was accepted: that one is under way."""
        before = call.slots.get("kustomer_ticket")
        accepted = call.slots.get("kustomer_handoff_status") in {"queued", "created"}
        theirs = len(call.people.known) < 2 or before == ticket_reference(call.session_by_events.key)
        enabled = call.plugin.configuration.is_enabled_for(call.sender_id)
        if not (accepted and theirs and enabled and isinstance(before, str)):
            return self._nobody_comes(call, status, None)
        call.say("utter_kustomer_handoff_queued", QUEUED, ticket=before, team="", priority="")
        return []

    def _nobody_comes(self, call: Call, status: str, reference: str | None) -> Events:
        call.say("utter_kustomer_unavailable", UNAVAILABLE)
        return slot_events({"kustomer_handoff_status": status, "kustomer_ticket": reference})


async def _compose(call: Call) -> tuple[SessionKey, Handoff]:
    """Record outstanding turns, and make the ticket that belongs to them.

    Raises:
        OutboxUnavailableError: The outbox cannot be used, so nothing may be promised.
    """
    await call.recognise()
    session = await call.plugin.require_turns(call.turns) or call.session_by_events
    configuration = call.plugin.configuration
    settings, routing = configuration.settings, configuration.routing
    events, reading = await call.plugin.words_of_current(call.turns)
    facts = read_handoff(
        sender_id=call.sender_id,
        events=events,
        slots=call.slots,
        active_loop=call.tracker.active_loop,
        forms=call.domain.get("forms"),
        hidden_slots=settings.note_hidden_slots,
        reading=reading,
        named_channels=settings.channels,
    )
    handoff = compose(
        facts,
        routing,
        configuration.handoff,
        slots=call.slots,
        identity=call.identity,
        reference=ticket_reference(session.key),
        customer_tags=await call.plugin.customers.tags(call.identity) if routing.needs_customer_tags else (),
    )
    for slot, sentence in handoff.decision.ignored:
        call.plugin.say_once(
            f"A handoff ignored the slot {slot}: {EXPECTED[slot]}. The agent's note says so.",
            about=(slot, sentence),
        )
    return session, handoff


async def _ticket(call: Call, session: SessionKey, handoff: Handoff) -> Ticket:
    """The records: one that waits is not built twice, one that was delivered is raised, a refused one made anew.

    Raises:
        OutboxUnavailableError: The outbox cannot be asked what became of an earlier one.
    """
    before = (await call.plugin.ticket_state(session)).state
    key, again = f"{session.key}:ticket", f":{_moment(call)}"
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
    return Ticket(session, key, records)


def _moment(call: Call) -> str:
    """What tells a repeated handoff from the one before, and is the same when Rasa asks twice."""
    message_id = word(call.latest_message.get("message_id"))
    if made_by_rasa(message_id):
        return message_id
    said = latest(call.events, "user")
    return str((said and said.at_ms) or len(call.events))


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
