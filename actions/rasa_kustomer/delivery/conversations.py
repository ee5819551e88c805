"""The Kustomer conversation of a session: found, or made with its customer and parked, so that no agent gets it yet."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from rasa_kustomer.delivery import plan
from rasa_kustomer.delivery.bulk_jobs import DOUBT_SECONDS
from rasa_kustomer.delivery.bulk_results import InDoubtError
from rasa_kustomer.delivery.plan import Parking
from rasa_kustomer.delivery.sending import LeaseLostError, identity_of, send_with_fallbacks, surely_unsent
from rasa_kustomer.directory import CustomerDirectory
from rasa_kustomer.kustomer.client import MAX_ITEMS, KustomerClient
from rasa_kustomer.kustomer.errors import KeyRefused, KustomerError, NotAllowed, NotFound, Rejected
from rasa_kustomer.kustomer.models import Conversation
from rasa_kustomer.log import Once
from rasa_kustomer.outbox import Found, Kind, Lease, Outbox, Turn

REFUSALS_TO_GIVE_UP = 3
LOOK_AGAIN_SECONDS = 1.0  # for a conversation that a job is making, and an agent waits for


class Conversations:
    """Finds or creates conversations.

    Args:
        outbox: Where what is known of a session is kept.
        client: Kustomer's API.
        directory: Finds the customer.
        parking: `assign-bot`, `queue:<id>` or `none` (KUSTOMER_PARKING).
        now: Clock in epoch seconds.
    """

    def __init__(
        self,
        outbox: Outbox,
        client: KustomerClient,
        directory: CustomerDirectory,
        *,
        parking: str,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._outbox, self._client, self._directory, self._now = outbox, client, directory, now
        self._parking_wish = parking
        self._parking: Parking | None = None
        self._one_asks = asyncio.Lock()
        self._say = Once(logging.getLogger(__name__))

    async def ensure(self, lease: Lease) -> None:
        """Make sure that the session has a customer and a conversation.

        Args:
            lease: The leased session; its ids are updated.

        Raises:
            KustomerError: Kustomer could not or would not.
            LeaseLostError: Another process has the session.
            InDoubtError: It is in a bulk job that may still be at work.
        """
        await self.look_up(lease)
        if lease.conversation_id:
            return
        if not lease.customer_id:
            lease.customer_id = await self._customer(lease)
        try:
            lease.conversation_id = await self._create_conversation(lease, lease.customer_id)
        except (Rejected, NotFound) as error:
            await self._refused_conversation(lease, error)
            raise
        lease.creating, lease.bulk_at = False, None
        await self._outbox.resolved(lease)

    async def look_up(self, lease: Lease) -> None:
        """Find the conversation of a session that may have one; without `creating` nothing is asked.

        Raises:
            KustomerError: Kustomer could not be asked.
            InDoubtError: It is not there, and a bulk job that may make it is perhaps still at work.
        """
        if not lease.creating:
            return
        found = await self._find(lease)
        if found is not None:
            await self._found(lease, found)
            return
        if lease.bulk_at and 0 <= (age := self._now() - lease.bulk_at) < DOUBT_SECONDS:
            raise InDoubtError(min(DOUBT_SECONDS - age, LOOK_AGAIN_SECONDS if lease.escalated else DOUBT_SECONDS))
        await self._outbox.recalling.nothing_there(lease)
        lease.records = await self._outbox.due(lease)
        lease.conversation_id, lease.creating = None, False

    async def _find(self, lease: Lease) -> Conversation | None:
        if lease.conversation_id:
            with suppress(NotFound):  # merged or deleted
                return await self._client.get_conversation(lease.conversation_id)
        return await self._client.find_conversation(lease.key)

    async def _found(self, lease: Lease, found: Conversation) -> None:
        """Adopt a conversation that exists already, and leave it to the people who have it."""
        lease.conversation_id = found.id
        lease.customer_id = found.customer_id or lease.customer_id or await self._customer(lease)
        lease.people = plan.people_have(found, await self.find_parking())
        lease.escalated = lease.escalated or await self.handed_off(found, lease.key)
        lease.creating, lease.bulk_at = False, None
        await self._outbox.resolved(lease)
        lease.records = await self._outbox.due(lease)

    async def recall(self, lease: Lease) -> None:
        """Find the messages that an earlier copy of the outbox may have sent, with one list for the whole session.

        Args:
            lease: The leased session, whose conversation is known; its records are read again when there were such.

        Raises:
            KustomerError: Kustomer could not be asked.
            LeaseLostError: Another process has the session.
        """
        if not any(record.marked and record.kind is Kind.MESSAGE for record in lease.records):
            return
        turns = await self._outbox.recalling.turns(lease)
        try:
            listed = await self._client.messages_of(str(lease.conversation_id))
        except NotFound:
            await self.invalidate(lease)
            raise
        there = {one.external_id: Found(one.id, plan.epoch_ms(one.sent_at) or 0) for one in reversed(listed)}
        found = {turn.id: there[turn.key] for turn in turns if turn.key in there}
        places, all_seen = _places(turns, found, lease.last_sent_ms), len(listed) < MAX_ITEMS
        if not await self._outbox.recalling.compared(lease, found, places, all_seen=all_seen):
            raise LeaseLostError
        lease.records = await self._outbox.due(lease)

    async def with_people(self, key: str) -> Conversation | None:
        """The conversation of a session, if there is one and it was handed to people."""
        found = await self._client.find_conversation(key)
        return found if found is not None and await self.handed_off(found, key) else None

    async def handed_off(self, found: Conversation, key: str) -> bool:
        """Whether a conversation belongs to people, or was given to them and nobody has taken it yet.

        Kustomer tells tags by ids, so a tag may be anybody's: then the note of the handoff decides.
        """
        parking = await self.find_parking()
        if plan.people_have(found, parking) or not found.tags or plan.is_parked(found, parking):
            return plan.people_have(found, parking)
        if plan.HANDOFF_TAG in found.tags:
            return True
        try:
            notes = await self._client.notes_of(found.id)
        except NotAllowed as error:
            if isinstance(error, KeyRefused):
                raise
            return True  # a bot chat that stays open does less harm than a ticket that is taken from its agent
        return any((note.external_id or "").startswith(f"{key}:note") for note in notes)

    async def _customer(self, lease: Lease) -> str:
        return (await self._directory.get_or_create(identity_of(lease), retry_failed=True)).id

    async def _refused_conversation(self, lease: Lease, error: KustomerError) -> None:
        """Look the customer up again next time; after several refusals move the records to dead, with the reason."""
        await self.invalidate(lease)
        if lease.attempts >= REFUSALS_TO_GIVE_UP:
            for record in lease.records:
                await self._outbox.dead(lease, record, f"its conversation was refused: {error}")

    async def invalidate(self, lease: Lease) -> None:
        """Kustomer no longer knows the ids: look both up again next time."""
        self._directory.forget(identity_of(lease))
        lease.customer_id = lease.conversation_id = None
        lease.creating = True  # it may exist under another id after a merge: look before making a new one
        await self._outbox.resolved(lease)

    async def _create_conversation(self, lease: Lease, customer_id: str) -> str:
        parking = await self.find_parking()
        body = plan.conversation_body(lease.key, customer_id, plan.first_text(lease), parking)
        if not await self._outbox.begin_conversation(lease):
            raise LeaseLostError
        lease.creating = True
        try:
            made, sent = await send_with_fallbacks(body, plan.CONVERSATION_OPTIONAL, self._client.create_conversation)
        except Rejected as error:
            if error.duplicate and (found := await self._client.find_conversation(lease.key)):
                return found.id
            raise
        except KustomerError as error:
            if surely_unsent(error):
                lease.creating = False
                await self._outbox.resolved(lease)
            raise
        if parking.on_create().keys() - sent.keys():
            self._say("Kustomer refused to park bot chats (KUSTOMER_PARKING); they are created unparked.")
            self._parking = Parking()
        return made.id

    async def find_parking(self) -> Parking:
        """How conversations are kept from agents; asks for the key's own user once."""
        async with self._one_asks:
            if self._parking is None:
                self._parking = await self._wished_parking()
            return self._parking

    async def _wished_parking(self) -> Parking:
        if self._parking_wish != "assign-bot":
            return Parking(queue_id=self._parking_wish.partition(":")[2] or None)
        try:
            return Parking(user_id=(await self._client.current_user()).id)
        except (NotAllowed, NotFound) as error:
            if isinstance(error, KeyRefused):
                raise
            self._say(f"Bot chats are created unparked because the key's own user cannot be read: {error}")
            return Parking()


def _places(turns: Sequence[Turn], found: Mapping[int, Found], last_sent_ms: int) -> dict[int, int | None]:
    """The `sentAt` of each message that was not found: its own between found ones, none after the last of them."""
    places: dict[int, int | None] = {}
    latest = last_sent_ms
    for turn in turns:
        if turn.id in found:
            latest = max(latest, found[turn.id].sent_ms)
        else:
            places[turn.id] = latest = plan.sent_ms({"at_ms": turn.at_ms}, latest)
    for turn in reversed(turns):
        if turn.id in found:
            break
        places[turn.id] = None
    return places
