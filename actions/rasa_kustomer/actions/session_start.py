"""Rasa's own `action_session_start`: the session begins as always, and the bot knows who it talks to."""

from rasa_sdk.events import ActionExecuted, SessionStarted

from rasa_kustomer.actions.base import Call, Events, KustomerAction, slot_events
from rasa_kustomer.actions.customer import customer_slots
from rasa_kustomer.conversation.carried import carried_slots
from rasa_kustomer.conversation.events import mapping

FRESH = {"kustomer_conversation_id": None, "kustomer_handoff_status": "none", "kustomer_ticket": None}


class ActionSessionStart(KustomerAction):
    """Looks up an identified customer, waiting at most `KUSTOMER_SESSION_WAIT_SECONDS`.

    It also records the turns of the session that ends, since no later call has those of a /restart (Rasa notes,
    action_session_start).
    """

    action_name = "action_session_start"

    async def execute(self, call: Call) -> Events:
        """Start the session with the customer's slots filled."""
        await call.catch_up()
        slots = await customer_slots(call)
        return _session(call, slot_events({**slots, **FRESH}))

    def fallback(self, call: Call) -> Events:
        """Exactly what Rasa does without us."""
        return _session(call, [])


def _session(call: Call, more: Events) -> Events:
    return [SessionStarted(), *_carried_over(call), *more, ActionExecuted("action_listen")]


def _carried_over(call: Call) -> Events:
    """Slots of the old session, unless the domain says that there are none to carry over."""
    if not mapping(call.domain.get("session_config")).get("carry_over_slots_to_new_session", True):
        return []
    return slot_events(carried_slots(call.events))
