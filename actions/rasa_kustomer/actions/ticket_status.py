"""Answers the question what became of a ticket."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rasa_kustomer.actions.base import Call, Events, KustomerAction, slot_events
from rasa_kustomer.actions.customer import open_and_closed
from rasa_kustomer.conversation.identity import Identity
from rasa_kustomer.conversation.keys import PREFIX, ticket_reference
from rasa_kustomer.conversation.routing import priority_name
from rasa_kustomer.kustomer.errors import KustomerError, NotFound
from rasa_kustomer.kustomer.models import Conversation
from rasa_kustomer.outbox import OutboxUnavailableError

WORDS = {"open": "open", "snoozed": "on hold", "done": "solved"}
UNAVAILABLE = "I cannot reach our support team just now. Please try again in a little while."
NO_TICKET = "You have no open ticket."
STATUS = "Your ticket {ticket} is {status}."
MAX_NAMED = 3  # open ones of a person whom nobody vouches for; each takes a request


@dataclass
class _Known:
    """What could be found out so far.

    Attributes:
        waiting: Tickets that Kustomer does not have yet.
        found: Those that it has.
        whole: Whether there surely are no others.
    """

    waiting: list[dict[str, Any]] = field(default_factory=list)
    found: list[Conversation] = field(default_factory=list)
    whole: bool = False

    def tickets(self) -> list[dict[str, Any]]:
        """Those that are not done, the latest first."""
        latest = sorted(self.found, key=_last_touched, reverse=True)
        return self.waiting + [_described(one) for one in latest if one.status != "done"]


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
        await call.record_turns()
        await call.recognise()
        known = _Known()
        task = call.runtime.background.start(_find(call, known))
        await asyncio.wait({task}, timeout=call.runtime.settings.session_wait_seconds)
        tickets = known.tickets()
        if not tickets and not known.whole:
            return self.fallback(call)
        if not tickets:
            call.say("utter_kustomer_no_ticket", NO_TICKET)
            return []
        latest = tickets[0]
        call.say("utter_kustomer_ticket_status", STATUS, **latest, count=len(tickets))
        return slot_events({"kustomer_ticket": latest["ticket"]})


async def _find(call: Call, known: _Known) -> None:
    """Find out as much as can be; one read that fails does not hide what the others tell."""
    whole, mine = True, list[dict[str, Any]]()
    try:
        mine = [ticket for ticket in await call.runtime.outbox.tickets(call.sender_id) if _is_theirs(ticket, call)]
    except OutboxUnavailableError as error:
        call.runtime.retry_buffer.failed(error)
        whole = False
    known.waiting = [_waiting(ticket["key"]) for ticket in mine if not ticket["conversation_id"]]
    if call.identity.trusted:
        try:
            _, known.found = await open_and_closed(call, {ticket["key"] for ticket in mine})
        except KustomerError:
            return
    else:
        whole &= await _read(call, [ticket["conversation_id"] for ticket in mine if ticket["conversation_id"]], known)
    try:
        known.found += [one for one in await _forgotten(call) if one.id not in {found.id for found in known.found}]
    except (KustomerError, OutboxUnavailableError):
        whole = False
    known.whole = whole


def _is_theirs(ticket: Mapping[str, Any], call: Call) -> bool:
    """Whether it is the ticket of the one who asks, as several people may use one device."""
    owner, asker = Identity(call.sender_id, **ticket["identity"]), call.identity
    if asker.trusted:
        return owner.is_same_person(asker)
    return not owner.trusted


async def _read(call: Call, ids: list[str], known: _Known) -> bool:
    """Read tickets one by one; False when some of them could not be read. Those that are gone are no tickets."""
    whole = True
    for one in ids:
        try:
            conversation = await call.runtime.client.get_conversation(one)
        except NotFound:
            continue
        except KustomerError:
            whole = False
            continue
        if not conversation.is_gone:
            known.found.append(conversation)
        if sum(found.status != "done" for found in known.found) >= MAX_NAMED:
            break
    return whole


async def _forgotten(call: Call) -> list[Conversation]:
    """Tickets of chats that an earlier copy of the outbox knew, and that the worker has not looked up yet."""
    keys = await call.runtime.outbox.not_looked_up(call.sender_id)
    asked = [await call.runtime.conversations.with_people(key) for key in keys]
    return [one for one in asked if one is not None]


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
