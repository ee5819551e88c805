"""What Kustomer can tell an action of a person: their record, their conversations, the tickets of their chats."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from rasa_kustomer.conversation.identity import Identity
from rasa_kustomer.conversation.keys import PREFIX
from rasa_kustomer.delivery.circuit_breaker import CircuitBreaker
from rasa_kustomer.delivery.conversations import Conversations
from rasa_kustomer.delivery.newcomers import Newcomers
from rasa_kustomer.directory import CustomerDirectory
from rasa_kustomer.kustomer.client import KustomerClient
from rasa_kustomer.kustomer.errors import KustomerError, NotFound
from rasa_kustomer.kustomer.models import Conversation, Customer
from rasa_kustomer.outbox import Outbox, OutboxUnavailableError
from rasa_kustomer.recorder import RetryBuffer

MAX_READ = 3  # open tickets of a person whom nobody vouches for; each takes a request
_TAGS_WAIT_SECONDS = 0.5


class History(NamedTuple):
    """A customer's conversations in short, without mirrored chats."""

    open_conversations: int
    last_at: datetime | None


@dataclass
class Tickets:
    """The tickets that could be found so far.

    Attributes:
        waiting: Keys of the sessions whose ticket Kustomer does not have yet.
        found: Those that it has.
        whole: Whether there surely are no others.
    """

    waiting: list[str] = field(default_factory=list)
    found: list[Conversation] = field(default_factory=list)
    whole: bool = False


class CustomerLookup:
    """Asks Kustomer, and the outbox for what only it knows.

    Args:
        outbox: Knows which chats were handed to a human.
        retry_buffer: Hears when the outbox cannot be asked.
        client: Kustomer's API.
        directory: Finds customers.
        breaker: Whether asking makes sense just now.
        newcomers: Make customers whom Kustomer does not have.
        conversations: Look up the chats of an earlier copy of the outbox.
    """

    def __init__(
        self,
        outbox: Outbox,
        retry_buffer: RetryBuffer,
        client: KustomerClient,
        directory: CustomerDirectory,
        *,
        breaker: CircuitBreaker,
        newcomers: Newcomers,
        conversations: Conversations,
    ) -> None:
        self._outbox, self._retry_buffer, self._client, self._directory = outbox, retry_buffer, client, directory
        self._breaker, self._newcomers, self._conversations = breaker, newcomers, conversations

    async def customer(self, identity: Identity, *, at_once: bool) -> Customer | None:
        """The person's record; whoever has none is made soon. None while Kustomer is away.

        Args:
            identity: The person; of an anonymous one nothing is asked.
            at_once: Look for all that identifies the person, and make who is missing now.

        Raises:
            KustomerError: Kustomer could not be asked.
        """
        if self._breaker.is_open:
            return None
        known = await self._directory.get_or_create(identity) if at_once and not identity.anonymous else None
        customer = await self._directory.look_up(identity, fresh=identity.trusted) or known
        if customer is None and not identity.anonymous:
            self._newcomers.expect(identity)
        return customer

    async def tags(self, identity: Identity) -> tuple[str, ...]:
        """The customer's tags as Kustomer returns them; none when they do not come at once."""
        if self._breaker.is_open:
            return ()
        try:
            customer = await asyncio.wait_for(self._directory.get_or_create(identity), _TAGS_WAIT_SECONDS)
        except (KustomerError, asyncio.TimeoutError):
            return ()  # a rule that does not match is better than no ticket
        return tuple(customer.tags)

    async def history(self, sender_id: str, customer: Customer) -> History:
        """The record's own counts are enough unless something is open, which may be a mirrored chat of ours.

        Source: Kustomer API reference, Customers: `conversationCounts` and `lastMessageAt` were observed, so either may
        be missing.

        Raises:
            KustomerError: Kustomer could not be asked.
            OutboxUnavailableError: The outbox could not.
        """
        counts, last = customer.conversation_counts, customer.last_message_at
        if not (counts is None or counts.open or (counts.all and last is None)):
            return History(0, last)
        tickets = {ticket["key"] for ticket in await self._outbox.tickets(sender_id)}
        conversations = await self._client.customer_conversations(customer.id)
        moments = (one.last_activity_at or one.updated_at for one in conversations)
        last = last or max((moment for moment in moments if moment), default=None)
        return History(sum(one.status == "open" for one in _without_chats(conversations, tickets)), last)

    async def find_tickets(self, identity: Identity, sender_id: str, tickets: Tickets) -> None:
        """Find as many as can be; one read that fails does not hide what the others tell.

        For a person whom the channel vouches for these are all of theirs, for anybody else those of the sender's chats.

        Args:
            identity: Who asks.
            sender_id: Rasa's sender id.
            tickets: Filled step by step, as nobody may wait for the end.
        """
        whole, owned = True, list[dict[str, Any]]()
        try:
            known = await self._outbox.tickets(sender_id)
            owned = [ticket for ticket in known if _is_theirs(ticket, sender_id, identity)]
        except OutboxUnavailableError as error:
            self._retry_buffer.failed(error)
            whole = False
        tickets.waiting = [ticket["key"] for ticket in owned if not ticket["conversation_id"]]
        if identity.trusted:
            try:
                tickets.found = await self._all_of(identity, {ticket["key"] for ticket in owned})
            except KustomerError:
                return
        else:
            ids = [ticket["conversation_id"] for ticket in owned if ticket["conversation_id"]]
            whole &= await self._read(ids, tickets.found)
        try:
            forgotten, ids = await self._forgotten(sender_id), [one.id for one in tickets.found]
            tickets.found += [one for one in forgotten if one.id not in ids]
        except (KustomerError, OutboxUnavailableError):
            whole = False
        tickets.whole = whole

    async def _all_of(self, identity: Identity, tickets: Collection[str]) -> list[Conversation]:
        """A person's conversations, without those that are gone or only mirror this bot's own chats."""
        customer = await self._directory.get_or_create(identity)
        try:
            found = await self._client.customer_conversations(customer.id)
        except NotFound:  # the customer was deleted or merged since we met them
            self._directory.forget(identity)
            customer = await self._directory.get_or_create(identity)
            found = await self._client.customer_conversations(customer.id)
        return _without_chats(found, tickets)

    async def _read(self, ids: list[str], found: list[Conversation]) -> bool:
        """Read tickets one by one; False when some of them could not be read. Those that are gone are no tickets."""
        whole = True
        for conversation_id in ids:
            try:
                conversation = await self._client.get_conversation(conversation_id)
            except NotFound:
                continue
            except KustomerError:
                whole = False
                continue
            if not conversation.is_gone:
                found.append(conversation)
            if sum(one.status != "done" for one in found) >= MAX_READ:
                break
        return whole

    async def _forgotten(self, sender_id: str) -> list[Conversation]:
        """Tickets of chats that an earlier copy of the outbox knew, and that the worker has not looked up yet."""
        keys = await self._outbox.not_looked_up(sender_id)
        asked = [await self._conversations.with_people(key) for key in keys]
        return [conversation for conversation in asked if conversation is not None]


def _is_theirs(ticket: Mapping[str, Any], sender_id: str, asker: Identity) -> bool:
    """Whether it is the ticket of the one who asks, as several people may use one device."""
    owner = Identity(sender_id, **ticket["identity"])
    if asker.trusted:
        return owner.is_same_person(asker)
    return not owner.trusted


def _without_chats(found: Collection[Conversation], tickets: Collection[str]) -> list[Conversation]:
    return [one for one in found if not one.is_gone and (not _is_chat(one) or one.external_id in tickets)]


def _is_chat(conversation: Conversation) -> bool:
    """Whether it mirrors a bot chat that no agent has: ours, and assigned to no team."""
    ours = (conversation.external_id or "").startswith(PREFIX)
    return ours and not conversation.assigned_teams
