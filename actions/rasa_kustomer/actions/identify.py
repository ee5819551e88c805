"""After a form: the bot knows an e-mail address, phone number or id that it did not know before."""

import hashlib
import json
from typing import Any

from rasa_kustomer.actions.base import Call, Events, KustomerAction, slot_events
from rasa_kustomer.actions.customer import customer_slots
from rasa_kustomer.conversation.keys import ticket_reference
from rasa_kustomer.outbox import DEAD, PENDING
from rasa_kustomer.records import identity_fields, moved


class ActionKustomerIdentify(KustomerAction):
    """Resolves the customer again and moves the session's conversation to them."""

    action_name = "action_kustomer_identify"

    async def execute(self, call: Call) -> Events:
        """Point the session to the person; returns the customer slots."""
        session = await call.catch_up()
        if session is not None:
            fields = identity_fields(call.identity)
            digest = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:12]
            await call.plugin.move(session, call.identity, moved(session, digest))
        slots = await customer_slots(call, at_once=True)
        return slot_events({**slots, **(await _ticket_slots(call) if len(call.people.known) > 1 else {})})


async def _ticket_slots(call: Call) -> dict[str, Any]:
    """The slots about conversation and ticket for the one who speaks now, after another person did."""
    session = call.session_by_events
    ticket = await call.plugin.ticket_state(session)
    return {
        "kustomer_conversation_id": ticket.conversation_id if ticket.state else None,
        "kustomer_handoff_status": {None: "none", PENDING: "queued", DEAD: "failed"}.get(ticket.state, "created"),
        "kustomer_ticket": ticket_reference(session.key) if ticket.state else None,
    }
