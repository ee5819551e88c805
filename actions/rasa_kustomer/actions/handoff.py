"""The bot hands over: a ticket with team, priority and summary, and the truth for the user."""

import asyncio
from collections.abc import Mapping
from typing import Any

from rasa_kustomer.actions.base import Call, Events, KustomerAction, slot_events
from rasa_kustomer.actions.ticket import Ticket, accept, compose_ticket
from rasa_kustomer.conversation.keys import ticket_reference
from rasa_kustomer.failures import describe_error
from rasa_kustomer.outbox import DEAD, DELIVERED, PENDING, OutboxUnavailableError

UNAVAILABLE = "I cannot reach our support team just now. Please try again in a little while."
CREATED = "I have passed this on to our support team. Your reference is {ticket}."
QUEUED = "Our support team will get this as soon as possible. Your reference is {ticket}."
LOOK_SECONDS = 1.0  # for what the outbox says of a ticket that it has


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
            ticket = await compose_ticket(call)
            await accept(call, ticket)
        except OutboxUnavailableError as error:
            call.runtime.retry_buffer.failed(error)
            return self._not_accepted(call, "failed")
        state, known = await self._outcome(call, ticket)
        if state == DEAD:
            return self._nobody_comes(call, "failed", ticket.reference)
        created = state == DELIVERED
        values = {"ticket": ticket.reference, "team": ticket.team or "", "priority": ticket.priority}
        if created:
            call.say("utter_kustomer_handoff_created", CREATED, **values)
        else:
            call.say("utter_kustomer_handoff_queued", QUEUED, **values)
        slots: dict[str, Any] = {
            "kustomer_handoff_status": "created" if created else "queued",
            "kustomer_ticket": ticket.reference,
        }
        slots |= {f"kustomer_{name}": known[name] for name in ("conversation_id", "customer_id") if known.get(name)}
        return slot_events(slots)

    async def _outcome(self, call: Call, ticket: Ticket) -> tuple[str, Mapping[str, Any]]:
        """State of the ticket, and what is known of its session. Whatever fails here, the ticket was accepted."""
        outbox, seconds = call.runtime.outbox, call.runtime.settings.handoff_wait_seconds
        state, known = PENDING, None
        try:
            waiting = outbox.wait_until_settled(ticket.confirming_key, seconds)
            settled = await asyncio.wait_for(waiting, seconds + LOOK_SECONDS)
            state = settled or PENDING
            known = await asyncio.wait_for(outbox.session_state(ticket.session.key), LOOK_SECONDS)
        except Exception as error:  # noqa: BLE001 - the truth for the user does not depend on it
            call.runtime.say_once(
                f"The outcome of a handoff could not be read; its delivery continues: {describe_error(error)}"
            )
        return state, known or {}

    def _not_accepted(self, call: Call, status: str) -> Events:
        """Nobody will come, unless an earlier handoff of this session was accepted: that one is under way."""
        before = call.slots.get("kustomer_ticket")
        accepted = call.slots.get("kustomer_handoff_status") in {"queued", "created"}
        theirs = len(call.people.known) < 2 or before == ticket_reference(call.session_by_events.key)
        if not (accepted and theirs and isinstance(before, str) and call.runtime.is_enabled_for(call.sender_id)):
            return self._nobody_comes(call, status, None)
        call.say("utter_kustomer_handoff_queued", QUEUED, ticket=before, team="", priority="")
        return []

    def _nobody_comes(self, call: Call, status: str, reference: str | None) -> Events:
        call.say("utter_kustomer_unavailable", UNAVAILABLE)
        return slot_events({"kustomer_handoff_status": status, "kustomer_ticket": reference})
