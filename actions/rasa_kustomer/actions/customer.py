"""What the slots say of the customer; shared by session start and identify."""

import asyncio
from collections.abc import Sequence
from typing import Any

from rasa_kustomer.actions.base import Call
from rasa_kustomer.conversation.keys import PREFIX
from rasa_kustomer.kustomer.errors import KustomerError
from rasa_kustomer.kustomer.models import Conversation, Customer
from rasa_kustomer.runtime import Runtime

UNKNOWN: dict[str, Any] = {
    "kustomer_customer_id": None,
    "kustomer_customer_name": None,
    "kustomer_open_conversations": None,
    "kustomer_last_conversation_at": None,
}


async def customer_slots(call: Call, seconds: float) -> dict[str, Any]:
    """Customer slots, as far as Kustomer tells within the time; a customer whom it does not have is made soon.

    Kustomer is asked only for what the bot can use at once, with one request as a rule, and not at all for an anonymous
    visitor. Name and history are filled only for a trusted identity: what somebody typed must not disclose another
    person.

    Args:
        call: The action's call.
        seconds: Longest wait; the look-up goes on behind it and warms the cache.
    """
    slots = dict(UNKNOWN)
    if call.runtime.breaker.is_open or seconds <= 0:
        return slots
    task = asyncio.create_task(_fill(call, slots))
    call.runtime.background.add(task)
    task.add_done_callback(call.runtime.background.discard)
    await asyncio.wait({task}, timeout=seconds)
    return dict(slots)


async def _fill(call: Call, slots: dict[str, Any]) -> None:
    try:
        customer = await call.runtime.directory.look_up(call.identity, fresh=call.identity.trusted)
        if customer is not None:
            slots["kustomer_customer_id"] = customer.id
            if call.identity.trusted:
                slots["kustomer_customer_name"] = _name(customer)
                await _fill_history(call, customer, slots)
        elif not call.identity.anonymous:
            call.runtime.newcomers.expect(call.identity)
    except KustomerError:
        return  # what is known by now is used; the courier meets the same error and says it


async def _fill_history(call: Call, customer: Customer, slots: dict[str, Any]) -> None:
    """The record's own counts are enough unless something is open, which may be a mirrored chat of ours.

    Source: Kustomer API reference, Customers: `conversationCounts` and `lastMessageAt` were observed, so either may be
    missing.
    """
    counts, last = customer.conversation_counts, customer.last_message_at
    if counts is None or counts.open or (counts.all and last is None):
        conversations = await call.runtime.client.customer_conversations(customer.id)
        theirs = await _without_chats(call.runtime, conversations, call.sender_id)
        slots["kustomer_open_conversations"] = sum(one.status == "open" for one in theirs)
        moments = (one.last_activity_at or one.updated_at for one in conversations)
        last = last or max((moment for moment in moments if moment), default=None)
    else:
        slots["kustomer_open_conversations"] = 0
    slots["kustomer_last_conversation_at"] = last.isoformat() if last else None


async def open_and_closed(runtime: Runtime, customer_id: str, sender_id: str) -> list[Conversation]:
    """The customer's conversations, without the ones that only mirror this bot's own chats.

    Raises:
        KustomerError: They could not be read.
    """
    return await _without_chats(runtime, await runtime.client.customer_conversations(customer_id), sender_id)


async def _without_chats(runtime: Runtime, found: Sequence[Conversation], sender_id: str) -> list[Conversation]:
    tickets = {ticket["key"] for ticket in await runtime.outbox.tickets(sender_id)}
    return [one for one in found if not _is_chat(one) or one.external_id in tickets]


def _is_chat(conversation: Conversation) -> bool:
    """Whether it mirrors a bot chat that no agent has: ours, and assigned to no team."""
    ours = (conversation.external_id or "").startswith(PREFIX)
    return ours and not conversation.assigned_teams


def _name(customer: Customer) -> str | None:
    return customer.display_name or customer.name
