"""Answers the question what became of a ticket."""

from typing import Any

from rasa_kustomer.actions.base import Call, Events, KustomerAction, slot_events
from rasa_kustomer.conversation.keys import PREFIX, ticket_reference
from rasa_kustomer.conversation.routing import priority_name
from rasa_kustomer.kustomer.models import Conversation
from rasa_kustomer.lookup import Tickets

WORDS = {"open": "open", "snoozed": "on hold", "done": "solved"}
UNAVAILABLE = "I cannot reach our support team just now. Please try again in a little while."
NO_TICKET = "You have no open ticket."
STATUS = "Your ticket {ticket} is {status}."


class ActionKustomerTicketStatus(KustomerAction):
    """Answers from the customer's open conversations.

    For a person whom the channel vouches for, these are all of theirs; for anybody else only the tickets that were
    opened from this very chat.
    """

    action_name = "action_kustomer_ticket_status"

    def fallback(self, call: Call) -> Events:
        """Say that it cannot be said."""
        call.say("utter_kustomer_unavailable", UNAVAILABLE)
        return []

    async def execute(self, call: Call) -> Events:
        """Tell the latest ticket that is not done, and how many there are."""
        await call.catch_up()
        found = Tickets()
        await call.plugin.for_a_moment(call.plugin.customers.find_tickets(call.identity, call.sender_id, found))
        tickets = _not_done(found)
        if not tickets and not found.whole:
            return self.fallback(call)
        if not tickets:
            call.say("utter_kustomer_no_ticket", NO_TICKET)
            return []
        latest = tickets[0]
        call.say("utter_kustomer_ticket_status", STATUS, **latest, count=len(tickets))
        return slot_events({"kustomer_ticket": latest["ticket"]})


def _not_done(tickets: Tickets) -> list[dict[str, Any]]:
    """Those that are not done, the latest first."""
    latest = sorted(tickets.found, key=_last_touched, reverse=True)
    return [_waiting(key) for key in tickets.waiting] + [_described(one) for one in latest if one.status != "done"]


def _last_touched(conversation: Conversation) -> float:
    moment = conversation.last_activity_at or conversation.updated_at or conversation.created_at
    return moment.timestamp() if moment else 0.0


def _waiting(key: str) -> dict[str, Any]:
    return {"ticket": ticket_reference(key), "status": "waiting to be passed on", "priority": "", "name": ""}


def _described(conversation: Conversation) -> dict[str, Any]:
    ours = (conversation.external_id or "").startswith(PREFIX)
    return {
        "ticket": ticket_reference(str(conversation.external_id)) if ours else (conversation.name or conversation.id),
        "status": WORDS.get(conversation.status or "", conversation.status or "open"),
        "priority": priority_name(conversation.priority) if conversation.priority else "",
        "name": conversation.name or "",
    }
