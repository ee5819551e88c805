"""The bot hands over: a ticket with team, priority and summary, and the truth for the user."""

from typing import Any

from rasa_kustomer.actions.base import Call, Events, KustomerAction, slot_events
from rasa_kustomer.actions.ticket import Ticket, compose_ticket
from rasa_kustomer.delivery.outbox import DEAD, DELIVERED, PENDING, OutboxUnavailableError
from rasa_kustomer.recorder import identity_fields

UNAVAILABLE = "I cannot reach our support team just now. Please try again in a little while."
CREATED = "I have passed this on to our support team. Your reference is {ticket}."
QUEUED = "Our support team will get this as soon as possible. Your reference is {ticket}."


class ActionKustomerHandoff(KustomerAction):
    """Makes the session's conversation a ticket.

    "Created" is said only after Kustomer confirmed within `KUSTOMER_HANDOFF_WAIT_SECONDS`; until then the handoff is
    queued in the outbox, which is said instead. A second handoff in the same session raises the same ticket.
    """

    def name(self) -> str:
        """Name in stories and rules."""
        return "action_kustomer_handoff"

    def otherwise(self, call: Call) -> Events:
        """Nobody will come: say so."""
        call.say("utter_kustomer_unavailable", UNAVAILABLE)
        return slot_events({"kustomer_handoff_status": "unavailable", "kustomer_ticket": None})

    async def act(self, call: Call) -> Events:
        """Queue the ticket behind the turns so far, wait for the confirmation, tell the user."""
        try:
            ticket = await compose_ticket(call)
            if ticket.records:
                await call.runtime.outbox.record(
                    ticket.session, identity_fields(call.identity), ticket.records, escalate=True
                )
        except OutboxUnavailableError as error:
            call.runtime.unrecorded.failed(error)
            return self._failed(call, None)
        call.runtime.breaker.probe_soon()
        state = await self._confirmation(call, ticket)
        if state == DEAD:
            return self._failed(call, ticket)
        known = await call.runtime.outbox.session_state(ticket.session.key) or {}
        created = state == DELIVERED
        values = {"ticket": ticket.reference, "team": ticket.team or "", "priority": ticket.priority}
        if created:
            call.say("utter_kustomer_handoff_created", CREATED, **values)
        else:
            call.say("utter_kustomer_handoff_queued", QUEUED, **values)
        slots: dict[str, Any] = {
            "kustomer_handoff_status": "created" if created else "queued",
            "kustomer_ticket": ticket.reference,
            "kustomer_conversation_id": known.get("conversation_id"),
        }
        if known.get("customer_id"):
            slots["kustomer_customer_id"] = known["customer_id"]
        return slot_events(slots)

    async def _confirmation(self, call: Call, ticket: Ticket) -> str:
        try:
            seconds = call.runtime.settings.handoff_wait_seconds
            return await call.runtime.outbox.wait_until_settled(ticket.confirming_key, seconds) or PENDING
        except OutboxUnavailableError:
            return PENDING  # it was accepted before, so it will go

    def _failed(self, call: Call, ticket: Ticket | None) -> Events:
        call.say("utter_kustomer_unavailable", UNAVAILABLE)
        reference = ticket.reference if ticket else None
        return slot_events({"kustomer_handoff_status": "failed", "kustomer_ticket": reference})
