"""What the slots say of the customer; shared by session start and identify."""

from typing import Any

from rasa_kustomer.actions.base import Call
from rasa_kustomer.kustomer.errors import KustomerError
from rasa_kustomer.outbox import OutboxUnavailableError

UNKNOWN: dict[str, Any] = {
    "kustomer_customer_id": None,
    "kustomer_customer_name": None,
    "kustomer_open_conversations": None,
    "kustomer_last_conversation_at": None,
}


async def customer_slots(call: Call, *, at_once: bool = False) -> dict[str, Any]:
    """Customer slots, as far as Kustomer tells in time; a customer whom it does not have is made soon.

    Kustomer is asked only for what the bot can use at once, with one request as a rule, and not at all for an anonymous
    visitor. Name and history are filled only for a trusted identity: what somebody typed must not disclose another
    person.

    Args:
        call: The action's call.
        at_once: Look for all that identifies the customer, and make one who is missing now: the bot has asked for it.
    """
    slots = dict(UNKNOWN)
    if call.plugin.configuration.settings.session_wait_seconds > 0:
        await call.plugin.for_a_moment(_fill(call, slots, at_once=at_once))
    return dict(slots)


async def _fill(call: Call, slots: dict[str, Any], *, at_once: bool) -> None:
    customers = call.plugin.customers
    try:
        customer = await customers.customer(call.identity, at_once=at_once)
        if customer is None:
            return
        slots["kustomer_customer_id"] = customer.id
        if call.identity.trusted:
            slots["kustomer_customer_name"] = customer.display_name or customer.name
            history = await customers.history(call.sender_id, customer)
            slots["kustomer_open_conversations"] = history.open_conversations
            slots["kustomer_last_conversation_at"] = history.last_at.isoformat() if history.last_at else None
    except (KustomerError, OutboxUnavailableError):
        return  # what is known by now is used; the worker meets the same error and says it
