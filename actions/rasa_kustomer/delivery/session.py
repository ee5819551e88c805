"""Delivers what one leased session has waiting: customer, conversation, then its records in order.

Nothing is sent twice blindly: each attempt is noted in the outbox before it is made, and a noted attempt without an
outcome is looked up by externalId before it is repeated. Who waits for a person does not wait for the transcript: when
more than a few messages precede a handoff, or one that cannot go now, note, tags and ticket go first.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from rasa_kustomer.delivery import plan
from rasa_kustomer.delivery.bulk_jobs import BulkJobs
from rasa_kustomer.delivery.bulk_results import recover
from rasa_kustomer.delivery.closings import close
from rasa_kustomer.delivery.conversations import Conversations
from rasa_kustomer.delivery.pace import CustomerPace
from rasa_kustomer.delivery.sending import LeaseLostError, identity_of, send_with_fallbacks, surely_unsent
from rasa_kustomer.delivery.ticketing import Ticketing
from rasa_kustomer.directory import CustomerDirectory
from rasa_kustomer.failures import describe_error
from rasa_kustomer.kustomer.client import KustomerClient
from rasa_kustomer.kustomer.errors import (
    BrokenAnswer,
    KeyRefused,
    KustomerError,
    NotAllowed,
    NotFound,
    RateLimited,
    Rejected,
    Unreachable,
)
from rasa_kustomer.kustomer.models import Message
from rasa_kustomer.log import Once
from rasa_kustomer.outbox import HANDOFF_KINDS, Kind, Lease, Outbox, OutboxUnavailableError, Record

logger = logging.getLogger(__name__)

SUPPORTING = frozenset({Kind.NOTE, Kind.TAGS, Kind.REPOINT})  # a missing role for these must not hold up the rest
SUPPORTING_RETRY_SECONDS = 300.0
CONFLICT = 409
CONFLICTS_TO_GIVE_UP = 20  # about a quarter of an hour; by then it is not a transient conflict
SURPRISES_TO_GIVE_UP = 5
QUICK_TURNS = 10  # so many go before a ticket: with a slow Kustomer too, the user hears that it was created
STUCK_ATTEMPTS = 2  # a turn that failed so often before may never go
TURNS_AT_A_TIME = 25  # then others have their turn


class SessionDelivery:
    """Delivers the records of one session.

    Args:
        outbox: Where the records and their progress are kept.
        client: Kustomer's API.
        conversations: Finds or makes the session's conversation.
        directory: Finds the customer.
        ticketing: Makes a handoff's note and ticket.
        jobs: Bulk jobs, whose results may have to be asked for after a crash.
        pace: How many messages of a customer may be sent.
        now: Clock in epoch seconds.
    """

    def __init__(
        self,
        outbox: Outbox,
        client: KustomerClient,
        *,
        conversations: Conversations,
        directory: CustomerDirectory,
        ticketing: Ticketing,
        jobs: BulkJobs,
        pace: CustomerPace,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._outbox, self._client, self._conversations = outbox, client, conversations
        self._directory, self._ticketing = directory, ticketing
        self._jobs, self._pace, self._now = jobs, pace, now
        self._say = Once(logger)

    async def deliver(self, lease: Lease, go_on: Callable[[], bool], *, quick: bool = True) -> None:
        """Send the lease's records in order.

        Args:
            lease: The leased session; its ids are updated as they become known.
            go_on: Asked after every settled record; False ends the delivery early.
            quick: A few messages may go before a handoff; else it goes first, and they are left for later.

        Raises:
            KustomerError: What stopped the delivery; the records not settled stay pending.
            LeaseLostError: Another process has the session.
            InDoubtError: Turns of it are in a bulk job that may still be at work. A ticket does not wait for them.
        """
        await self._conversations.ensure(lease)
        doubt = await recover(self._outbox, self._jobs, lease, self._now())
        await self._conversations.recall(lease)
        handoff = [record for record in lease.records if record.kind in HANDOFF_KINDS]
        if doubt or (handoff and self._too_many_turns(lease, quick=quick)):
            await self._all(lease, handoff if lease.escalated else [], go_on)
            if doubt:
                raise doubt
            return  # the turns come with a lease of their own, that hurries nobody
        for record in lease.records if handoff else lease.records[:TURNS_AT_A_TIME]:
            try:
                if record.kind is Kind.MESSAGE:
                    self._pace.check(str(lease.customer_id))
                await self._attempt(lease, record)
            except (RateLimited, Unreachable, BrokenAnswer) as error:
                if record.kind is Kind.MESSAGE and _holds_up_itself_only(record, error):
                    await self._all(lease, handoff, go_on)
                raise
            if not go_on():
                return

    def _too_many_turns(self, lease: Lease, *, quick: bool) -> bool:
        turns = sum(record.kind is Kind.MESSAGE for record in lease.records)
        return turns > min(QUICK_TURNS if quick else 0, self._pace.left(str(lease.customer_id)))

    async def _all(self, lease: Lease, records: Sequence[Record], go_on: Callable[[], bool]) -> None:
        for record in records:
            await self._attempt(lease, record)
            if not go_on():
                return

    async def _attempt(self, lease: Lease, record: Record) -> None:
        """Send a record; one that keeps failing unexpectedly is moved to dead, so that it holds up no other."""
        try:
            await self._one(lease, record)
        except (KustomerError, OutboxUnavailableError, LeaseLostError):
            raise
        except Exception as error:
            if record.attempts < SURPRISES_TO_GIVE_UP:
                raise
            cause = describe_error(error)
            logger.error("Record %d (%s) cannot be sent; moved to dead: %s", record.id, record.kind.value, cause)  # noqa: TRY400 - a traceback may hold texts
            await self._outbox.dead(lease, record, f"it cannot be sent: {type(error).__name__}")

    async def _one(self, lease: Lease, record: Record) -> None:
        if not await self._outbox.begin(lease, record):
            raise LeaseLostError
        try:
            await self._send(lease, record)
        except Rejected as error:
            logger.warning("Kustomer rejected record %d (%s); moved to dead: %s", record.id, record.kind.value, error)
            await self._outbox.dead(lease, record, str(error))
        except NotFound:
            await self._outbox.unsent(record)
            await self._conversations.invalidate(lease)
            raise NotFound("Kustomer no longer has the conversation; it will be looked up or created again.") from None
        except KustomerError as error:
            if surely_unsent(error):
                await self._outbox.unsent(record)
            if isinstance(error, Unreachable) and error.status == CONFLICT and record.attempts > CONFLICTS_TO_GIVE_UP:
                logger.warning("Record %d (%s) conflicts; moved to dead: %s", record.id, record.kind.value, error)
                await self._outbox.dead(lease, record, str(error))
                return
            if not isinstance(error, NotAllowed) or isinstance(error, KeyRefused) or record.kind not in SUPPORTING:
                raise
            self._say(str(error))
            await self._outbox.defer(record, seconds=SUPPORTING_RETRY_SECONDS, reason=str(error))

    async def _send(self, lease: Lease, record: Record) -> None:
        handlers: dict[Kind, Callable[[Lease, Record], Awaitable[str | None]]] = {
            Kind.MESSAGE: self._message,
            Kind.NOTE: self._ticketing.note,
            Kind.TAGS: self._ticketing.tags,
            Kind.TICKET: self._ticketing.ticket,
            Kind.REPOINT: self._repoint,
            Kind.CLOSE: partial(close, self._client),
        }
        kustomer_id = await handlers[record.kind](lease, record)
        sent = lease.last_sent_ms if record.kind is Kind.MESSAGE else None
        await self._outbox.delivered(lease, record, kustomer_id=kustomer_id, sent_ms=sent)
        logger.debug("Record %d (%s) is delivered", record.id, record.kind.value)

    async def _message(self, lease: Lease, record: Record) -> str:
        conversation_id = str(lease.conversation_id)
        known = await self._client.find_message(record.key, conversation_id) if record.unsure else None
        if known is not None:
            lease.last_sent_ms = max(lease.last_sent_ms, plan.epoch_ms(known.sent_at) or 0)
            return known.id
        at_ms = record.sent_ms or plan.sent_ms(record.payload, lease.last_sent_ms)
        with self._pace.sending({str(lease.customer_id): 1}):
            made = await self._new_message(conversation_id, plan.message_body(record.key, record.payload, at_ms))
        lease.last_sent_ms = max(lease.last_sent_ms, at_ms)
        return made.id

    async def _new_message(self, conversation_id: str, body: dict[str, Any]) -> Message:
        try:
            made, _ = await send_with_fallbacks(
                body, plan.MESSAGE_OPTIONAL, lambda smaller: self._client.create_message(conversation_id, smaller)
            )
        except Rejected as error:
            known = await self._client.find_message(body["externalId"], conversation_id) if error.duplicate else None
            if known is None:
                raise
            return known
        return made

    async def _repoint(self, lease: Lease, _record: Record) -> None:
        """Move the conversation to the customer to whom the session has turned out to belong.

        Whether Kustomer lets a conversation change its customer is not documented; where it refuses, the conversation
        stays with the first customer.
        """
        known = await self._outbox.session_state(lease.key)  # the record may have come after the session was leased
        if known is not None:
            lease.identity = known["identity"]
        customer = await self._directory.get_or_create(identity_of(lease), retry_failed=True)
        if customer.id == lease.customer_id:
            return
        try:
            moved = await self._client.update_conversation(str(lease.conversation_id), {"customer": customer.id})
        except (Rejected, Unreachable) as error:
            if isinstance(error, Unreachable) and error.status != CONFLICT:
                raise
            self._say(f"Kustomer refused to move a conversation to another customer; it stays where it is: {error}")
            return
        if moved.customer_id in {None, customer.id}:
            lease.customer_id = customer.id
            await self._outbox.resolved(lease)


def _holds_up_itself_only(turn: Record, error: KustomerError) -> bool:
    """Whether the failure concerns this message only, so that other records of the session may be sent."""
    if isinstance(error, RateLimited):
        return not error.organisation
    return turn.attempts > STUCK_ATTEMPTS and (isinstance(error, BrokenAnswer) or error.status is not None)
