"""The Kustomer conversation of a session: found, or made with its customer and parked, so that no agent gets it yet."""

import asyncio
import logging
import time
from collections.abc import Callable

from rasa_kustomer.delivery import plan
from rasa_kustomer.delivery.jobs import DOUBT_SECONDS
from rasa_kustomer.delivery.outbox import Claim, Outbox
from rasa_kustomer.delivery.plan import Parking
from rasa_kustomer.delivery.recovery import InDoubtError
from rasa_kustomer.delivery.sending import LeaseLostError, Spoken, identity_of, mended, surely_unsent
from rasa_kustomer.directory import Directory
from rasa_kustomer.kustomer.client import KustomerClient
from rasa_kustomer.kustomer.errors import KeyRefused, KustomerError, NotAllowed, NotFound, Rejected

REFUSALS_TO_GIVE_UP = 3
LOOK_AGAIN_SECONDS = 1.0  # for a conversation that a job is making, and an agent waits for


class Conversations:
    """Finds or makes them.

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
        directory: Directory,
        *,
        parking: str,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._outbox, self._client, self._directory, self._now = outbox, client, directory, now
        self._parking_wish = parking
        self._parking: Parking | None = None
        self._one_asks = asyncio.Lock()
        self._say = Spoken(logging.getLogger(__name__))

    async def resolve(self, claim: Claim) -> None:
        """Make sure that the session has a customer and a conversation.

        Args:
            claim: The leased session; its ids are updated.

        Raises:
            KustomerError: Kustomer could not or would not.
            LeaseLostError: Another process has the session.
            InDoubtError: It is in a bulk job that may still be at work.
        """
        if claim.conversation_id:
            return
        if claim.creating and claim.bulk_at and 0 <= (age := self._now() - claim.bulk_at) < DOUBT_SECONDS:
            found = await self._client.find_conversation(claim.key) if claim.escalated else None
            if found is None:
                raise InDoubtError(min(DOUBT_SECONDS - age, LOOK_AGAIN_SECONDS if claim.escalated else DOUBT_SECONDS))
        if not claim.customer_id:
            claim.customer_id = (await self._directory.resolve(identity_of(claim), retry_failed=True)).id
        try:
            found = await self._client.find_conversation(claim.key) if claim.creating else None
            claim.conversation_id = found.id if found else await self._create_conversation(claim, claim.customer_id)
        except (Rejected, NotFound) as error:
            await self._refused_conversation(claim, error)
            raise
        claim.creating, claim.bulk_at = False, None
        await self._outbox.resolved(claim)

    async def _refused_conversation(self, claim: Claim, error: KustomerError) -> None:
        """Look the customer up anew next time; after several refusals give the records up, with the reason."""
        await self.forget(claim)
        if claim.attempts >= REFUSALS_TO_GIVE_UP:
            for record in claim.records:
                await self._outbox.dead(claim, record, f"its conversation was refused: {error}")

    async def forget(self, claim: Claim) -> None:
        """Kustomer does not know the ids any more: look both up anew next time."""
        self._directory.forget(identity_of(claim))
        claim.customer_id = claim.conversation_id = None
        claim.creating = True  # it may exist under another id after a merge: look before making a new one
        await self._outbox.resolved(claim)

    async def _create_conversation(self, claim: Claim, customer_id: str) -> str:
        parking = await self.find_parking()
        body = plan.conversation_body(claim.key, customer_id, plan.first_text(claim), parking)
        if not await self._outbox.begin_conversation(claim):
            raise LeaseLostError
        claim.creating = True
        try:
            made, sent = await mended(body, plan.CONVERSATION_OPTIONAL, self._client.create_conversation)
        except Rejected as error:
            if error.duplicate and (found := await self._client.find_conversation(claim.key)):
                return found.id
            raise
        except KustomerError as error:
            if surely_unsent(error):
                claim.creating = False
                await self._outbox.resolved(claim)
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
            self._say(f"Bot chats are created unparked, the key's own user cannot be read: {error}")
            return Parking()
