"""What the actions ask of the plugin: each question in one step, and nothing of how it is done."""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from rasa_kustomer.background import Background
from rasa_kustomer.configuration import Configuration
from rasa_kustomer.conversation.identity import Identity
from rasa_kustomer.conversation.messages import Reading
from rasa_kustomer.conversation.people import People
from rasa_kustomer.failures import describe_error
from rasa_kustomer.log import Once
from rasa_kustomer.lookup import CustomerLookup
from rasa_kustomer.outbox import (
    DELIVERED,
    PENDING,
    Kind,
    NewRecord,
    Outbox,
    OutboxUnavailableError,
    OutcomeUnknownError,
    SessionKey,
)
from rasa_kustomer.recorder import RetryBuffer, TurnRecorder, Turns
from rasa_kustomer.records import identity_fields

RETRY_SECONDS = 2.0
_LOOK_SECONDS = 1.0  # for what the outbox says of a ticket that it has


class Ticket(NamedTuple):
    """A handoff, ready to be accepted.

    Attributes:
        session: Whose conversation becomes a ticket.
        key: The record whose delivery means that the ticket is there.
        records: What is to be recorded; empty when the handoff is queued already.
    """

    session: SessionKey
    key: str
    records: Sequence[NewRecord]


class TicketState(NamedTuple):
    """What became of a ticket.

    Attributes:
        state: Of its record; None when there is none.
        conversation_id: The session's conversation, when Kustomer is known to have it.
        customer_id: The same for its customer.
    """

    state: str | None
    conversation_id: str | None = None
    customer_id: str | None = None


class Plugin:
    """The face of the plugin towards its actions.

    Args:
        configuration: Of this deployment.
        outbox: Takes everything that is for Kustomer.
        recorder: Records turns in it.
        retry_buffer: Records later what could not be recorded in time.
        background: Runs what nobody waits for.
        customers: What Kustomer can tell.
        say_once: Logs what an admin should hear once.
    """

    def __init__(
        self,
        configuration: Configuration,
        outbox: Outbox,
        recorder: TurnRecorder,
        retry_buffer: RetryBuffer,
        *,
        background: Background,
        customers: CustomerLookup,
        say_once: Once,
    ) -> None:
        self.configuration, self.customers, self.say_once = configuration, customers, say_once
        self._outbox, self._recorder, self._retry_buffer = outbox, recorder, retry_buffer
        self._background = background

    async def record_turns(self, turns: Turns) -> SessionKey | None:
        """Accept the turns that are new; whatever fails is counted and said, and the turns are tried again.

        Returns:
            The current session, or None when it has no turn or nothing was accepted.
        """
        if not self.configuration.settings.enable_sync:
            return None
        try:
            session = await self._retry_buffer.record_turns(turns)
        except Exception as error:  # noqa: BLE001 - whatever it is, the turn is kept and said
            self._retry_buffer.failed(error)
            return None
        self._retry_buffer.succeeded(turns.sender_id)
        return session

    async def require_turns(self, turns: Turns) -> SessionKey | None:
        """The same before a promise to the user, which must not be made when the turns cannot be recorded.

        Raises:
            OutboxUnavailableError: They are not recorded; they are kept and tried again.
        """
        return await self._retry_buffer.record_turns(turns) if self.configuration.settings.enable_sync else None

    def not_recorded(self, error: OutboxUnavailableError) -> None:
        """An action failed since the outbox cannot be used: count it, and say so once."""
        self._retry_buffer.failed(error)

    async def people(self, turns: Turns) -> People | None:
        """Who speaks, and who spoke before; None when the outbox, which alone may know it, cannot be asked."""
        try:
            return await self._recorder.people(turns.sender_id, turns.events, turns.at_start)
        except OutboxUnavailableError as error:
            self._retry_buffer.failed(error)
            return None

    async def words_of_current(self, turns: Turns) -> tuple[Sequence[Any], Reading]:
        """The events without the words of others than who speaks now, and what was said in them."""
        trackers = self._recorder.trackers
        events = await trackers.words_of_current(turns.sender_id, turns.events, turns.at_start)
        return events, await trackers.read(turns.sender_id, events)

    async def move(self, session: SessionKey, identity: Identity, move: NewRecord) -> None:
        """Have the session's conversation moved to the person; later, if it cannot be recorded now."""
        try:
            await self._record(session, identity, [move])
        except OutboxUnavailableError as error:
            self._retry_buffer.failed(error)
            self._keep_trying(session, identity, [move])

    async def close(self, session: SessionKey, identity: Identity, turn: object) -> None:
        """Have the session's conversation closed, unless a human has it or it is closed.

        Args:
            session: The session.
            identity: Who it is.
            turn: Tells this from other closings of it.

        Raises:
            OutboxUnavailableError: It was not recorded.
        """
        known = await self._outbox.session_state(session.key)
        if known and not known["escalated"] and not known["closed"]:
            await self._record(session, identity, [NewRecord(f"{session.key}:close:{turn}", Kind.CLOSE, {})])

    async def ticket_state(self, session: SessionKey) -> TicketState:
        """State of the session's first ticket; one that was purged since (KUSTOMER_RETENTION_DAYS) was delivered.

        Raises:
            OutboxUnavailableError: The outbox cannot be asked.
        """
        known = await self._outbox.session_state(session.key)
        state = await self._outbox.record_state(f"{session.key}:ticket")
        if state is None and known is not None and known["escalated"]:
            state = DELIVERED
        return TicketState(state, **_ids(known))

    async def hand_off(self, ticket: Ticket, identity: Identity) -> TicketState:
        """Accept a ticket, and wait KUSTOMER_HANDOFF_WAIT_SECONDS at most until Kustomer has it.

        From the moment of its acceptance it will be opened, whatever else fails.

        Raises:
            OutboxUnavailableError: It was not accepted, and will not come by itself.
        """
        if ticket.records:
            await self._accept(ticket, identity)
        seconds, state, known = self.configuration.settings.handoff_wait_seconds, PENDING, None
        try:
            waiting = self._outbox.wait_until_settled(ticket.key, seconds)
            settled = await asyncio.wait_for(waiting, seconds + _LOOK_SECONDS)
            state = settled or PENDING
            known = await asyncio.wait_for(self._outbox.session_state(ticket.session.key), _LOOK_SECONDS)
        except Exception as error:  # noqa: BLE001 - the truth for the user does not depend on it
            self.say_once(
                f"The outcome of a handoff could not be read; its delivery continues: {describe_error(error)}"
            )
        return TicketState(state, **_ids(known))

    async def for_a_moment(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something, and wait KUSTOMER_SESSION_WAIT_SECONDS at most; it goes on behind that."""
        task = self._background.start(work)
        await asyncio.wait({task}, timeout=self.configuration.settings.session_wait_seconds)

    async def _accept(self, ticket: Ticket, identity: Identity) -> None:
        try:
            await self._record(ticket.session, identity, ticket.records, escalate=True)
        except OutcomeUnknownError:
            try:
                known = await asyncio.wait_for(self._outbox.record_state(ticket.key), _LOOK_SECONDS)
            except (OutboxUnavailableError, asyncio.TimeoutError):  # it may be there, so it has to be
                self._keep_trying(ticket.session, identity, ticket.records, escalate=True)
                return
            if known is None:
                raise

    async def _record(
        self, session: SessionKey, identity: Identity, records: Sequence[NewRecord], *, escalate: bool = False
    ) -> None:
        await self._outbox.record(session, identity_fields(identity), records, escalate=escalate)

    def _keep_trying(
        self, session: SessionKey, identity: Identity, records: Sequence[NewRecord], *, escalate: bool = False
    ) -> None:
        """Accept records as soon as the outbox can be used, while this process lives; those that it has do no harm."""

        async def work() -> None:
            while True:
                await asyncio.sleep(RETRY_SECONDS)
                with suppress(OutboxUnavailableError):
                    await self._record(session, identity, records, escalate=escalate)
                    return

        self._background.start(work())


def _ids(known: dict[str, Any] | None) -> dict[str, str | None]:
    return {name: known[name] if known else None for name in ("conversation_id", "customer_id")}
