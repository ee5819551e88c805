"""What the slots say of the customer; shared by session start and identify."""

import asyncio
from collections.abc import Collection
from typing import Any

from rasa_kustomer.actions.base import Call
from rasa_kustomer.conversation.keys import PREFIX
from rasa_kustomer.kustomer.errors import KustomerError, NotFound
from rasa_kustomer.kustomer.models import Conversation, Customer
from rasa_kustomer.outbox import OutboxUnavailableError

UNKNOWN: dict[str, Any] = {
    "kustomer_customer_id": None,
    "kustomer_customer_name": None,
    "kustomer_open_conversations": None,
    "kustomer_last_conversation_at": None,
}


async def customer_slots(call: Call, seconds: float, *, at_once: bool = False) -> dict[str, Any]:
    """Customer slots, as far as Kustomer tells within the time; a customer whom it does not have is made soon.

    Kustomer is asked only for what the bot can use at once, with one request as a rule, and not at all for an anonymous
    visitor. Name and history are filled only for a trusted identity: what somebody typed must not disclose another
    person.

    Args:
        call: The action's call.
        seconds: Longest wait; the look-up goes on behind it and warms the cache.
        at_once: Look for all that identifies the customer, and make one who is missing now: the bot has asked for it.
    """
    slots = dict(UNKNOWN)
    if call.runtime.breaker.is_open or seconds <= 0:
        return slots
    await asyncio.wait({call.runtime.background.start(_fill(call, slots, at_once=at_once))}, timeout=seconds)
    return dict(slots)


async def _fill(call: Call, slots: dict[str, Any], *, at_once: bool) -> None:
    directory = call.runtime.directory
    try:
        known = await directory.get_or_create(call.identity) if at_once and not call.identity.anonymous else None
        customer = await directory.look_up(call.identity, fresh=call.identity.trusted) or known
        if customer is not None:
            slots["kustomer_customer_id"] = customer.id
            if call.identity.trusted:
                slots["kustomer_customer_name"] = _name(customer)
                await _fill_history(call, customer, slots)
        elif not call.identity.anonymous:
            call.runtime.newcomers.expect(call.identity)
    except (KustomerError, OutboxUnavailableError):
        return  # what is known by now is used; the worker meets the same error and says it


async def _fill_history(call: Call, customer: Customer, slots: dict[str, Any]) -> None:
    """The record's own counts are enough unless something is open, which may be a mirrored chat of ours.

    Source: Kustomer API reference, Customers: `conversationCounts` and `lastMessageAt` were observed, so either may be
    missing.
    """
    counts, last = customer.conversation_counts, customer.last_message_at
    if counts is None or counts.open or (counts.all and last is None):
        tickets = {ticket["key"] for ticket in await call.runtime.outbox.tickets(call.sender_id)}
        conversations = await call.runtime.client.customer_conversations(customer.id)
        slots["kustomer_open_conversations"] = sum(one.status == "open" for one in _told(conversations, tickets))
        moments = (one.last_activity_at or one.updated_at for one in conversations)
        last = last or max((moment for moment in moments if moment), default=None)
    else:
        slots["kustomer_open_conversations"] = 0
    slots["kustomer_last_conversation_at"] = last.isoformat() if last else None


async def open_and_closed(call: Call, tickets: Collection[str]) -> tuple[Customer, list[Conversation]]:
    """The customer and their conversations, without those that are gone or only mirror this bot's own chats.

    Args:
        call: The action's call.
        tickets: Keys of the chats that were handed to a human.

    Raises:
        KustomerError: They could not be read.
    """
    directory, client = call.runtime.directory, call.runtime.client
    customer = await directory.get_or_create(call.identity)
    try:
        found = await client.customer_conversations(customer.id)
    except NotFound:  # the customer was deleted or merged since we met them
        directory.forget(call.identity)
        customer = await directory.get_or_create(call.identity)
        found = await client.customer_conversations(customer.id)
    return customer, _told(found, tickets)


def _told(found: Collection[Conversation], tickets: Collection[str]) -> list[Conversation]:
    return [one for one in found if not one.is_gone and (not _is_chat(one) or one.external_id in tickets)]


def _is_chat(conversation: Conversation) -> bool:
    """Whether it mirrors a bot chat that no agent has: ours, and assigned to no team."""
    ours = (conversation.external_id or "").startswith(PREFIX)
    return ours and not conversation.assigned_teams


def _name(customer: Customer) -> str | None:
    return customer.display_name or customer.name
