"""Turns of a tracker into the outbox, at a cost that follows the new events and not the whole conversation."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from cachetools import LRUCache

from rasa_kustomer.conversation.channels import NOT_NAMED
from rasa_kustomer.conversation.identity import Identity
from rasa_kustomer.conversation.keys import session_key
from rasa_kustomer.conversation.moments import milliseconds
from rasa_kustomer.conversation.offers import Offers
from rasa_kustomer.conversation.turns import Cursor, Message, Reader, Reading, SessionTurns
from rasa_kustomer.delivery.outbox import Kind, NewRecord, Outbox, PastUnknownError, Recorded, Renew, SessionKey

REMEMBERED_SENDERS = 20_000
MESSAGES_AT_ONCE = 500  # some 10 ms in the event loop


class _Place(NamedTuple):
    """How far a sender's tracker is recorded, in which session, and the last message of it that is in the outbox."""

    cursor: Cursor
    session: SessionKey
    last: Recorded


class Recorder:
    """Records what is new in a tracker, and knows the current session of each sender.

    What it remembers only saves work: after a restart, or in another process, a tracker is read whole and the outbox
    ignores what it has. The outbox may be another one than before (damaged and replaced, restored): it is asked whether
    it has the last message that is left out here, in the transaction that records the next one. A long tracker is read
    and recorded in slices, between which others are answered.

    Args:
        outbox: Where the turns go.
        named_channels: Kustomer's channels by the names of input channels (KUSTOMER_CHANNELS).
    """

    def __init__(self, outbox: Outbox, *, named_channels: Mapping[str, str] = NOT_NAMED) -> None:
        self._outbox, self._named_channels = outbox, named_channels
        self._places: LRUCache[str, _Place] = LRUCache(maxsize=REMEMBERED_SENDERS)
        self._offers: LRUCache[str, Offers] = LRUCache(maxsize=REMEMBERED_SENDERS)

    async def record_turns(
        self,
        sender_id: str,
        events: Sequence[Mapping[str, Any]],
        identity: Identity,
        *,
        renew: Renew = Renew.ALWAYS,
    ) -> SessionKey | None:
        """Accept all turns that were not recorded yet.

        A session in which the visitor has said nothing so far is left for a later call, which sees its events again.

        Args:
            sender_id: Rasa's sender id.
            events: `tracker.events`, the latest session and perhaps more.
            identity: The person as known now; a session that is over keeps the one that it had.
            renew: When it replaces the one that the current session has.

        Returns:
            The sender's current session, or None while it has no turn.

        Raises:
            OutboxUnavailableError: Not all was accepted; the next call tries the same turns again.
        """
        try:
            return await self._record_from(self._places.get(sender_id), sender_id, events, identity, renew)
        except PastUnknownError:
            return await self._record_from(None, sender_id, events, identity, renew)

    async def _record_from(
        self,
        place: _Place | None,
        sender_id: str,
        events: Sequence[Mapping[str, Any]],
        identity: Identity,
        renew: Renew,
    ) -> SessionKey | None:
        cursor, session, last = place or (None, None, None)
        reading = await self.read(sender_id, events, cursor)
        reached = reading.cursor
        if cursor is not None and reached == cursor:
            return session
        complete = True
        for position, part in enumerate(reading.sessions):
            continues = session is not None and part.started_ms in {None, session.started_ms}
            over = reached is None or part.started_ms != reached.started_ms
            if not part.messages:
                continue
            if not continues and all(message.direction == "out" for message in part.messages):
                known = await self._known(sender_id, part, reading.sessions[position + 1 :])
                if known is None:
                    complete = over  # nobody will speak in it any more
                    continue
                session = known
            elif not continues:
                session = await self._session(sender_id, part, reading.sessions[position + 1 :])
            if session is not None:
                last = await self.accept(session, identity, part.messages, Renew.NEVER if over else renew, after=last)
        if session is not None and last and complete and reached and reached.started_ms in {None, session.started_ms}:
            self._places[sender_id] = _Place(reached, session, last)
            return session
        self.forget(sender_id)
        return None

    def session_of_events(self, sender_id: str, events: Sequence[Mapping[str, Any]], now_ms: int) -> SessionKey:
        """The session that the events belong to by their own account; one that begins now when they have no start."""
        return session_of(sender_id, _latest_start(events) or now_ms)

    def forget(self, sender_id: str) -> None:
        """Read the sender's tracker whole next time."""
        self._places.pop(sender_id, None)

    async def read(self, sender_id: str, events: Sequence[Mapping[str, Any]], cursor: Cursor | None = None) -> Reading:
        """Read a tracker as it is recorded: whole without a cursor."""
        offers = self._offers.get(sender_id)
        if offers is None:  # it outlives the cursor: Rasa sends earlier sessions no more
            offers = self._offers[sender_id] = Offers()
        return await self._read(Reader(events, sender_id, cursor, offers=offers, named_channels=self._named_channels))

    async def read_copy(self, sender_id: str, events: Sequence[Mapping[str, Any]]) -> Reading:
        """Read events whose times may be moved; what they offer is not remembered."""
        return await self._read(Reader(events, sender_id, None, named_channels=self._named_channels))

    async def _read(self, reader: Reader) -> Reading:
        for _ in reader.slices():
            await asyncio.sleep(0)
        return reader.reading()

    async def accept(
        self,
        session: SessionKey,
        identity: Identity,
        messages: Sequence[Message],
        renew: Renew,
        *,
        after: Recorded | None = None,
    ) -> Recorded:
        """Accept messages of a session; those that the outbox has are ignored.

        Args:
            session: Whose they are.
            identity: The person.
            messages: In order; at least one.
            renew: When the identity replaces the one that the session has.
            after: What is taken for recorded before them.

        Returns:
            The last of them.

        Raises:
            PastUnknownError: The outbox does not have what is taken for recorded.
            OutboxUnavailableError: Not all was accepted.
        """
        fields, last = identity_fields(identity), after
        for start in range(0, len(messages), MESSAGES_AT_ONCE):
            if start:
                await asyncio.sleep(0)
            records = _records(messages[start : start + MESSAGES_AT_ONCE])
            await self._outbox.record(session, fields, records, after=last, renew=renew)
            last = Recorded(session.key, records[-1].key, records[-1].at_ms)
        assert last is not None, "there are messages"  # noqa: S101 - for the type checker
        return last

    async def _session(self, sender_id: str, part: SessionTurns, later: Sequence[SessionTurns]) -> SessionKey:
        if part.started_ms is not None:
            return session_of(sender_id, part.started_ms)
        return await self._known(sender_id, part, later) or session_of(sender_id, part.messages[0].at_ms)

    async def _known(self, sender_id: str, part: SessionTurns, later: Sequence[SessionTurns]) -> SessionKey | None:
        """The session in the outbox that a part belongs to; a part without a start continues the latest one."""
        if part.started_ms is None:
            before = next((other.started_ms for other in later if other.started_ms is not None), None)
            return await self._outbox.latest_session(sender_id, before)
        session = session_of(sender_id, part.started_ms)
        return session if await self._outbox.session_state(session.key) else None


def session_of(sender_id: str, started_ms: int) -> SessionKey:
    """The outbox's name for a Rasa session that started at a moment (epoch ms)."""
    return SessionKey(session_key(sender_id, started_ms), sender_id, started_ms)


def identity_fields(identity: Identity) -> dict[str, Any]:
    """The identity as kept with its session."""
    return {
        "external_id": identity.external_id,
        "email": identity.email,
        "phone": identity.phone,
        "name": identity.name,
        "trusted": identity.trusted,
    }


def _records(messages: Sequence[Message]) -> list[NewRecord]:
    now_ms = int(time.time() * 1000)  # for events without a usable time
    return [
        NewRecord(
            key=message.key,
            kind=Kind.MESSAGE,
            payload={
                "direction": message.direction,
                "text": message.text,
                "at_ms": message.at_ms or now_ms,
                "channel": message.channel,
                "action": message.action,
            },
            at_ms=message.at_ms,
        )
        for message in messages
    ]


def _latest_start(events: Sequence[Mapping[str, Any]]) -> int | None:
    for event in reversed(events):
        if isinstance(event, Mapping) and event.get("event") == "session_started":
            return milliseconds(event)
    return None
