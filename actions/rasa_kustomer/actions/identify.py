"""After a form: the bot knows an e-mail address, phone number or id that it did not know before."""

import hashlib
import json

from rasa_kustomer.actions.base import Call, Events, KustomerAction, slot_events
from rasa_kustomer.actions.customer import customer_slots
from rasa_kustomer.actions.ticket import ticket_slots
from rasa_kustomer.outbox import OutboxUnavailableError
from rasa_kustomer.records import identity_fields, moved


class ActionKustomerIdentify(KustomerAction):
    """Resolves the customer again and moves the session's conversation to them."""

    action_name = "action_kustomer_identify"

    async def execute(self, call: Call) -> Events:
        """Point the session to the person; returns the customer slots."""
        session = await call.record_turns()
        await call.recognise()
        if session is not None:
            fields = identity_fields(call.identity)
            digest = hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:12]
            move = moved(session, digest)
            try:
                await call.record(session, [move])
            except OutboxUnavailableError as error:
                call.runtime.retry_buffer.failed(error)
                call.keep_trying(session, [move])
        slots = await customer_slots(call, call.runtime.settings.session_wait_seconds, at_once=True)
        return slot_events({**slots, **(await ticket_slots(call) if len(call.people.known) > 1 else {})})
