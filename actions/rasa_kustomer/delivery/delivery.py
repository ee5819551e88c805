"""Delivers what one leased session has waiting: customer, conversation, then its records in order.

Nothing is sent blindly twice: each attempt is noted in the outbox before it is made, and a noted attempt without an
outcome is looked up by externalId before it is repeated.
"""

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from rasa_kustomer.conversation.identity import Identity
from rasa_kustomer.delivery import plan
from rasa_kustomer.delivery.jobs import DOUBT_SECONDS, Jobs, NotPermittedError
from rasa_kustomer.delivery.outbox import Claim, Kind, Outbox, Record
from rasa_kustomer.delivery.plan import Parking
from rasa_kustomer.delivery.recovery import InDoubtError, recover
from rasa_kustomer.delivery.teams import Teams
from rasa_kustomer.directory import Directory
from rasa_kustomer.kustomer.client import KustomerClient
from rasa_kustomer.kustomer.errors import (
    KeyRefused,
    KustomerError,
    NotAllowed,
    NotFound,
    RateLimited,
    Rejected,
    Unreachable,
)
from rasa_kustomer.kustomer.models import Message, Note

R = TypeVar("R")
logger = logging.getLogger(__name__)

SUPPORTING = frozenset({Kind.NOTE, Kind.TAGS, Kind.REPOINT})  # a missing role for these must not hold up the rest
SUPPORTING_RETRY_SECONDS = 300.0
REFUSALS_TO_GIVE_UP = 3
TICKETING = frozenset({Kind.NOTE, Kind.TAGS, Kind.TICKET})


class LeaseLostError(Exception):
    """Another process has the session by now; nothing more may be sent for it here."""


class Delivery:
    """Carries the records of one session to Kustomer.

    Args:
        outbox: Where the records and their progress are kept.
        client: Kustomer's API.
        directory: Finds the customer.
        teams: Finds the team of a ticket.
        jobs: Bulk jobs, whose results may have to be asked for after a crash.
        parking: `assign-bot`, `queue:<id>` or `none` (KUSTOMER_PARKING).
        default_team: Team when the wanted one does not exist (KUSTOMER_DEFAULT_TEAM_ID).
        now: Clock in epoch seconds.
    """

    def __init__(
        self,
        outbox: Outbox,
        client: KustomerClient,
        directory: Directory,
        teams: Teams,
        jobs: Jobs,
        *,
        parking: str,
        default_team: str | None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._outbox, self._client, self._directory, self._teams = outbox, client, directory, teams
        self._jobs, self._now = jobs, now
        self._default_team = default_team
        self._parking_wish = parking
        self._parking: Parking | None = None
        self._said: set[str] = set()

    async def deliver(self, claim: Claim, go_on: Callable[[], bool]) -> None:
        """Send the claim's records in order.

        Args:
            claim: The leased session; its ids are updated as they become known.
            go_on: Asked after every settled record; False ends the delivery early.

        Raises:
            KustomerError: What stopped the delivery; the records not settled stay pending.
            LeaseLostError: Another process has the session.
            InDoubtError: Turns of it are in a bulk job that may still be at work. A ticket does not wait for them.
        """
        await self.resolve(claim)
        doubt = await recover(self._outbox, self._jobs, claim, self._now())
        for record in claim.records:
            if doubt and not (claim.escalated and record.kind in TICKETING):
                continue
            await self._one(claim, record)
            if not go_on():
                return
        if doubt:
            raise doubt

    async def resolve(self, claim: Claim) -> None:
        """Find or make the session's customer and conversation; raises as `deliver`."""
        if claim.conversation_id:
            return
        if claim.creating and claim.bulk_at and 0 <= (age := self._now() - claim.bulk_at) < DOUBT_SECONDS:
            raise InDoubtError(DOUBT_SECONDS - age)
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
        await self._forget(claim)
        if claim.attempts >= REFUSALS_TO_GIVE_UP:
            for record in claim.records:
                await self._outbox.dead(claim, record, f"its conversation was refused: {error}")

    async def _forget(self, claim: Claim) -> None:
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
            made, sent = await self._mended(body, plan.CONVERSATION_OPTIONAL, self._client.create_conversation)
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

    async def _one(self, claim: Claim, record: Record) -> None:
        if not await self._outbox.begin(claim, record):
            raise LeaseLostError
        try:
            await self._send(claim, record)
        except Rejected as error:
            logger.warning("Record %d (%s) was refused and set aside: %s", record.id, record.kind.value, error)
            await self._outbox.dead(claim, record, str(error))
        except NotFound:
            await self._outbox.unsent(record)
            await self._forget(claim)
            raise NotFound("The conversation is gone from Kustomer; it is looked up or made anew.") from None
        except KustomerError as error:
            if surely_unsent(error):
                await self._outbox.unsent(record)
            if not isinstance(error, NotAllowed) or isinstance(error, KeyRefused) or record.kind not in SUPPORTING:
                raise
            self._say(str(error))
            await self._outbox.defer(record, seconds=SUPPORTING_RETRY_SECONDS, reason=str(error))

    async def _send(self, claim: Claim, record: Record) -> None:
        handlers: dict[Kind, Callable[[Claim, Record], Awaitable[str | None]]] = {
            Kind.MESSAGE: self._message,
            Kind.NOTE: self._note,
            Kind.TAGS: self._tags,
            Kind.TICKET: self._ticket,
            Kind.REPOINT: self._repoint,
            Kind.CLOSE: self._close,
        }
        kustomer_id = await handlers[record.kind](claim, record)
        sent = claim.last_sent_ms if record.kind is Kind.MESSAGE else None
        await self._outbox.delivered(claim, record, kustomer_id=kustomer_id, sent_ms=sent)
        logger.debug("Record %d (%s) is in Kustomer as %s", record.id, record.kind.value, kustomer_id)

    async def _message(self, claim: Claim, record: Record) -> str:
        conversation_id = str(claim.conversation_id)
        known = await self._client.find_message(record.key, conversation_id) if record.unsure else None
        if known is not None:
            claim.last_sent_ms = max(claim.last_sent_ms, plan.epoch_ms(known.sent_at) or 0)
            return known.id
        at_ms = record.sent_ms or plan.sent_ms(record.payload, claim.last_sent_ms)
        made = await self._new_message(conversation_id, plan.message_body(record.key, record.payload, at_ms))
        claim.last_sent_ms = max(claim.last_sent_ms, at_ms)
        return made.id

    async def _new_message(self, conversation_id: str, body: dict[str, Any]) -> Message:
        try:
            made, _ = await self._mended(
                body, plan.MESSAGE_OPTIONAL, lambda smaller: self._client.create_message(conversation_id, smaller)
            )
        except Rejected as error:
            known = await self._client.find_message(body["externalId"], conversation_id) if error.duplicate else None
            if known is None:
                raise
            return known
        return made

    async def _note(self, claim: Claim, record: Record) -> str:
        conversation_id = str(claim.conversation_id)
        known = await self._known_note(record, conversation_id) if record.unsure else None
        if known is not None:
            return known.id
        _, problem = await self._teams.pick(record.payload.get("team"), self._default_team)
        missing = await self._outbox.dead_turns(claim)
        remarks = [problem, f"Turns that could not be shown here: {missing}." if missing else None]
        text = "\n\n".join(filter(None, (record.payload["text"], *remarks)))
        made, _ = await self._mended(
            plan.note_body(record.key, text),
            plan.NOTE_OPTIONAL,
            lambda smaller: self._client.create_note(conversation_id, smaller),
        )
        return made.id

    async def _known_note(self, record: Record, conversation_id: str) -> Note | None:
        """A key that may write notes need not be able to read them; a summary twice is better than none."""
        try:
            return await self._client.find_note(record.key, conversation_id)
        except KeyRefused:
            raise
        except NotAllowed as error:
            self._say(str(error))
            return None

    async def _tags(self, claim: Claim, record: Record) -> None:
        await self._client.tag_conversation(str(claim.conversation_id), list(record.payload["tags"]))

    async def _ticket(self, claim: Claim, record: Record) -> str:
        team_id, problem = await self._teams.pick(record.payload.get("team"), self._default_team)
        if problem:
            self._say(problem)
        patch = plan.ticket_patch(record.payload, team_id, await self.find_parking())
        made, sent = await self._mended(
            patch,
            plan.TICKET_OPTIONAL,
            lambda smaller: self._client.update_conversation(str(claim.conversation_id), smaller),
        )
        if left_out := sorted(patch.keys() - sent.keys()):
            logger.warning("Kustomer refused %s of a ticket; it was opened without.", ", ".join(left_out))
        return made.id

    async def _repoint(self, claim: Claim, _record: Record) -> None:
        """Move the conversation to the customer that the session is known to belong to by now.

        Whether Kustomer lets a conversation change its customer is not documented; where it refuses, the conversation
        stays with the first customer.
        """
        customer = await self._directory.resolve(identity_of(claim), retry_failed=True)
        if customer.id == claim.customer_id:
            return
        try:
            moved = await self._client.update_conversation(str(claim.conversation_id), {"customer": customer.id})
        except (Rejected, Unreachable) as error:
            if isinstance(error, Unreachable) and error.status != 409:
                raise
            self._say(f"Kustomer does not move conversations to another customer, they stay where they are: {error}")
            return
        if moved.customer_id in {None, customer.id}:
            claim.customer_id = customer.id
            await self._outbox.resolved(claim)

    async def _close(self, claim: Claim, _record: Record) -> None:
        await self._client.update_conversation(str(claim.conversation_id), {"status": "done"})

    async def find_parking(self) -> Parking:
        """How conversations are kept from agents; asks for the key's own user once."""
        if self._parking is None:
            if self._parking_wish == "assign-bot":
                try:
                    self._parking = Parking(user_id=(await self._client.current_user()).id)
                except (NotAllowed, NotFound) as error:
                    if isinstance(error, KeyRefused):
                        raise
                    self._say(f"Bot chats are created unparked, the key's own user cannot be read: {error}")
                    self._parking = Parking()
            else:
                self._parking = Parking(queue_id=self._parking_wish.partition(":")[2] or None)
        return self._parking

    async def _mended(
        self, body: dict[str, Any], optional: tuple[str, ...], send: Callable[[dict[str, Any]], Awaitable[R]]
    ) -> tuple[R, dict[str, Any]]:
        """Send; after a rejection send again without what was refused. Returns the answer and the body that went."""
        while True:
            try:
                return await send(body), body
            except Rejected as error:
                smaller = None if error.duplicate else plan.without_refused(body, error, optional)
                if smaller is None:
                    raise
                body = smaller

    def _say(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            logger.warning("%s", sentence)


def identity_of(claim: Claim) -> Identity:
    """The person of a session."""
    return Identity(sender_id=claim.sender_id, **claim.identity)


def surely_unsent(error: Exception) -> bool:
    """Whether a request that ended so was certainly not carried out."""
    if isinstance(error, Unreachable):
        return not error.ambiguous
    return isinstance(error, (RateLimited, NotAllowed, Rejected, NotPermittedError))
