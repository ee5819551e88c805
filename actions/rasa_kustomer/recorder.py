"""Records the turns of a tracker, at a cost that follows the new events and not the whole conversation.

A turn that could not be written comes again with the conversation's next turn, but there may be none: so it is kept in
memory and tried again.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from cachetools import LRUCache

from rasa_kustomer.conversation.identity import Identity
from rasa_kustomer.conversation.messages import Cursor
from rasa_kustomer.conversation.people import People, begun_with
from rasa_kustomer.failures import describe_error
from rasa_kustomer.outbox import IdentityUpdate, Outbox, OutboxUnavailableError, PastUnknownError, Recorded, SessionKey
from rasa_kustomer.reading import REMEMBERED_SENDERS, Trackers
from rasa_kustomer.records import accept, identity_fields, of_person, session_of_part

logger = logging.getLogger(__name__)

MAX_SENDERS = 100  # their trackers are kept whole, a few hundred kB each at the most; others wait for their next turn
RETRY_SECONDS = 2.0
FAILURES_TO_PAUSE = 3  # in a row: it is the outbox then, and not a turn of its own; each may take a second


class Turns(NamedTuple):
    """A tracker as an action was called with it, in the form of `TurnRecorder.record_turns`."""

    sender_id: str
    events: Sequence[Mapping[str, Any]]
    identity: Identity
    at_start: Identity | None


class _Place(NamedTuple):
    """How far a sender is recorded."""

    cursor: Cursor
    session: SessionKey  # the sender's latest, as the first person in it has it
    spoken: frozenset[str]  # marks of the people in it who have said something
    last: Recorded  # the last message of the sender that is in the outbox
    claimed: Identity  # who speaks by their own account, as stored with it


class TurnRecorder:
    """Records what is new in a tracker, and knows the current session of each sender.

    What it remembers only saves work: after a restart, or in another process, a tracker is read whole and the outbox
    ignores what it has. The outbox may be another one than before (damaged and replaced, restored): it is asked whether
    it has the last message that is left out here, in the transaction that records the next one. A long tracker is read
    and recorded in slices, between which others are answered.

    Args:
        outbox: Where messages wait for Kustomer.
        trackers: Reads them.
    """

    def __init__(self, outbox: Outbox, trackers: Trackers) -> None:
        self._outbox, self.trackers = outbox, trackers
        self._places: LRUCache[str, _Place] = LRUCache(maxsize=REMEMBERED_SENDERS)

    async def record_turns(
        self,
        sender_id: str,
        events: Sequence[Mapping[str, Any]],
        identity: Identity,
        at_start: Identity | None = None,
        *,
        update: IdentityUpdate = IdentityUpdate.ALWAYS,
    ) -> SessionKey | None:
        """Accept all turns that were not recorded yet, each for the person whom its message names.

        A session in which the visitor has said nothing so far is left for a later call, which sees its events again.

        Args:
            sender_id: Rasa's sender id.
            events: `tracker.events`, the latest session and perhaps more.
            identity: Who speaks by their own account, for turns of whom the channel names nobody; a session that is
                over keeps the one that it had.
            at_start: Whom the slot with the metadata of the session's start names, if the channel vouches for them.
            update: When it replaces the one that the current session has.

        Returns:
            The session of the one who speaks now, or None while it has no turn.

        Raises:
            OutboxUnavailableError: Not all was accepted; the next call tries the same turns again.
        """
        turns = Turns(sender_id, events, identity, at_start)
        try:
            return await self._record_from(self._places.get(sender_id), turns, update)
        except PastUnknownError:
            return await self._record_from(None, turns, update)

    async def _record_from(self, place: _Place | None, turns: Turns, update: IdentityUpdate) -> SessionKey | None:
        sender_id, events, identity, at_start = turns
        reading = await self.trackers.read_on(sender_id, events, place and place.cursor, at_start)
        reached = reading.cursor
        if place is not None and reached == place.cursor:
            return self._speaking(place)
        session, spoken, last = (place.session, place.spoken, place.last) if place else (None, frozenset[str](), None)
        complete = True
        for position, part in enumerate(reading.sessions):
            if session is None or part.started_ms not in {None, session.started_ms}:
                session = await session_of_part(self._outbox, sender_id, part, reading.sessions[position + 1 :])
                spoken = frozenset()
            over = reached is None or part.started_ms != reached.started_ms
            theirs = of_person(session, part.person.mark)
            silent = part.person.mark not in spoken and all(message.direction == "out" for message in part.messages)
            if silent and not await self._outbox.session_state(theirs.key):
                complete = complete and over  # nobody will speak in it any more
                continue
            late = IdentityUpdate.UNLESS_BEHIND if part.person.identity else IdentityUpdate.NEVER
            person = part.person.identity or identity
            last = await accept(self._outbox, theirs, person, part, late if over else update, after=last)
            spoken |= {part.person.mark}
        if session is not None and last and complete and reached and reached.started_ms in {None, session.started_ms}:
            if place and not reading.sessions and identity != place.claimed and not reached.people.known:
                await self._outbox.record(session, identity_fields(identity), [], after=last, update=update)
            place = self._places[sender_id] = _Place(reached, session, spoken, last, identity)
            return self._speaking(place)
        self.forget(sender_id)
        return None

    async def people(self, sender_id: str, events: Sequence[Any], at_start: Identity | None = None) -> People:
        """Who speaks in the latest session, and who spoke before."""
        if not self.trackers.vouched_for:
            return begun_with(at_start)
        place = self._places.get(sender_id)
        reached = (await self.trackers.read_on(sender_id, events, place and place.cursor, at_start)).cursor
        return reached.people if reached else begun_with(at_start)

    async def is_kept(self, sender_id: str) -> bool:
        """Whether the outbox alone tells who speaks in the sender's session, as a new process will have to find out.

        It does not know somebody who was named and has said nothing so far.

        Raises:
            OutboxUnavailableError: The outbox cannot be asked.
        """
        place = self._places.get(sender_id)
        if not self.trackers.vouched_for or place is None:
            return place is not None
        return place.cursor.people.matches(await self.trackers.people_of(place.session))

    def forget(self, sender_id: str) -> None:
        """Read the sender's tracker whole next time."""
        self._places.pop(sender_id, None)

    def _speaking(self, place: _Place) -> SessionKey | None:
        mark = place.cursor.people.current.mark
        return of_person(place.session, mark) if mark in place.spoken else None


class RetryBuffer:
    """Calls that could not be recorded in time: counted, logged once, and recorded as soon as the outbox works.

    Args:
        recorder: Writes to the outbox.

    Attributes:
        calls: How many calls could not be recorded at once, since the start.
        losing: Whether recording fails at the moment.
    """

    def __init__(self, recorder: TurnRecorder) -> None:
        self._recorder = recorder
        self._waiting: dict[str, Turns] = {}
        self._task: asyncio.Task[None] | None = None
        self.calls = 0
        self.losing = False

    def failed(self, error: Exception) -> None:
        """Count a call that could not be recorded, and log the first one."""
        self.calls += 1
        if not self.losing:
            self.losing = True
            cause = str(error) if isinstance(error, OutboxUnavailableError) else describe_error(error)
            logger.error(
                "Cannot write to the outbox (KUSTOMER_OUTBOX_URL); the bot continues, nothing is recorded for now: %s",
                cause,
            )

    async def record_turns(self, turns: Turns) -> SessionKey | None:
        """Record now; what cannot be recorded is kept and tried again, and the failure raised."""
        try:
            return await self._recorder.record_turns(*turns)
        except Exception:
            self._keep(turns)
            raise

    def _keep(self, turns: Turns) -> None:
        """Try a sender's turns again later; the latest tracker has all of them."""
        if turns.sender_id in self._waiting or len(self._waiting) < MAX_SENDERS:
            self._waiting[turns.sender_id] = turns
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._retry_all(), name="kustomer_unrecorded")

    def succeeded(self, sender_id: str) -> None:
        """A sender's turns are recorded, those of earlier calls among them."""
        self._waiting.pop(sender_id, None)
        if self.losing:
            self.losing = False
            logger.info("Recording works again; %d calls so far could not be recorded at once.", self.calls)

    async def stop(self) -> None:
        """Try one last time."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._try()

    async def _retry_all(self) -> None:
        while self._waiting:
            await asyncio.sleep(RETRY_SECONDS)
            await self._try()

    async def _try(self) -> None:
        failures = 0
        for sender_id, turns in list(self._waiting.items()):
            try:
                await self._recorder.record_turns(*turns, update=IdentityUpdate.UNLESS_BEHIND)
            except Exception as error:  # noqa: BLE001 - one odd tracker must not keep the others waiting
                logger.debug("Recording is retried later: %s", describe_error(error))
                failures += 1
                if self._waiting.get(sender_id) is turns:  # the others go first next time
                    self._waiting[sender_id] = self._waiting.pop(sender_id)
                if failures == FAILURES_TO_PAUSE:
                    return
            else:
                failures = 0
                if self._waiting.get(sender_id) is turns:  # else there is a later one by now
                    self.succeeded(sender_id)
