"""Records Rasa's event stream, with the keys and sessions that the hook at the end of a turn gives.

Rasa publishes each tracker event once, at the end of the turn (Rasa notes, Event broker). The latest events of a sender
are kept, and the same reader goes over them that reads the hook's trackers; both may run at once, since recording
ignores what it knows.
"""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from cachetools import LRUCache

from rasa_kustomer.configuration import Configuration
from rasa_kustomer.conversation.keys import sender_part
from rasa_kustomer.events.exported import HEADER, Exported
from rasa_kustomer.events.history import History
from rasa_kustomer.failures import describe_error
from rasa_kustomer.outbox import IdentityUpdate, Outbox, OutboxUnavailableError, SessionKey
from rasa_kustomer.recorder import TurnRecorder

logger = logging.getLogger(__name__)

REMEMBERED_EVENTS = 100_000  # of all senders, about 1 KB each
QUIET_SECONDS = 0.5  # a turn without its action_listen (a paused conversation) is over after this
CALM_SECONDS = 1.0  # the same where events may come in another order than they happened
UNSETTLED_SECONDS = 10.0  # after a connection is made; Rasa comes back within 5 s of its broker, as it is
HELD_SECONDS = 600.0  # RabbitMQ closes channels that hold messages for half an hour
MAX_HELD = 500  # messages of all senders; RabbitMQ sends no more than 1,000 that are not acknowledged


_Whose: TypeAlias = tuple[str, bool]
"""A sender, and whether the events are a copy that was exported."""


class Receipt(Protocol):
    """A message of the broker, as far as it can be acknowledged; it may have `headers`."""

    async def ack(self) -> None:
        """Tell the broker that it may forget the message."""


@dataclass
class _Sender:
    """What is known of one sender.

    Attributes:
        exported: Records the events if they are a copy that was exported.
        receipts: Of messages that are not acknowledged yet.
        turn_ended: Whether the turn is complete.
        disordered: Whether an event came after others that happened later; there may be more.
        kept: Whether a new process finds in the outbox all that the events told.
    """

    history: History
    exported: Exported | None = None
    receipts: list[Receipt] = field(default_factory=list)
    turn_ended: bool = False
    disordered: bool = False
    kept: bool = False
    changed: bool = False
    heard_at: float = 0.0
    held_since: float = 0.0


class Stream:
    """Collects events and records turns.

    Args:
        configuration: For whom turns are recorded, and how it is read who somebody is.
        recorder: Records them.
        outbox: Where they go.
        now: Monotonic clock in seconds.

    Attributes:
        recorded: How many events are safe in the outbox, or need not be.
        broken: How many messages could not be read.
    """

    def __init__(
        self,
        configuration: Configuration,
        recorder: TurnRecorder,
        outbox: Outbox,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._configuration, self._recorder, self._outbox, self._now = configuration, recorder, outbox, now
        self._senders: LRUCache[_Whose, _Sender] = LRUCache(
            maxsize=REMEMBERED_EVENTS, getsizeof=lambda sender: 1 + len(sender.history.events)
        )
        self._waiting: dict[_Whose, _Sender] = {}
        self._unsettled_until = 0.0
        self.recorded = 0
        self.broken = 0

    def connected(self) -> None:
        """A connection is made: what Rasa could not publish meanwhile comes now, and not always in order."""
        self._unsettled_until = self._now() + UNSETTLED_SECONDS

    def take(self, body: bytes, receipt: Receipt) -> bool:
        """Keep an event until its turn is recorded.

        Returns:
            False when there is nothing to keep: acknowledge the message.
        """
        event = _read(body)
        if event is None:
            self.left_out("it is not a Rasa event")
            return False
        sender_id = sender_part(str(event["sender_id"]))
        if not self._configuration.settings.enable_sync or not self._configuration.is_enabled_for(sender_id):
            return False
        whose = sender_id, HEADER in (getattr(receipt, "headers", None) or {})
        sender = self._sender(whose)
        if not sender.receipts:
            sender.held_since = self._now()
        sender.receipts.append(receipt)
        sender.disordered |= sender.history.add(body, event)
        sender.turn_ended = event["event"] == "action" and event.get("name") == "action_listen"
        sender.changed, sender.heard_at = True, self._now()
        self._waiting[whose] = sender
        return True

    def left_out(self, why: str) -> None:
        """Count a message that cannot be used, and log the first one."""
        self.broken += 1
        if self.broken == 1:
            logger.warning("A message of the event stream was skipped, as others like it will be: %s.", why)

    async def record(self, *, everything: bool = False) -> None:
        """Record the turns that are complete (or everything, before the end) and acknowledge their messages.

        Raises:
            OutboxUnavailableError: Nothing more can be recorded at the moment; try again later.
        """
        held = sum(len(sender.receipts) for sender in self._waiting.values())
        for whose, sender in list(self._waiting.items()):
            ends = everything and not sender.exported  # of what was exported the broker keeps the whole
            if sender.changed and (ends or self._is_over(sender)):
                sender.kept = await self._record(whose, sender)
                sender.changed = sender.disordered = False
            # Somebody was named who has said nothing so far: if this process dies, the next one is to see it again.
            too_long = self._now() - sender.held_since >= HELD_SECONDS
            if not sender.changed and (sender.kept or too_long or held > MAX_HELD):
                held -= len(sender.receipts)
                await self._release(whose, sender)

    def forget_receipts(self) -> None:
        """The connection is gone: the broker sends what was not acknowledged again, and it is known by then."""
        for sender in self._waiting.values():
            sender.receipts = []

    def _sender(self, whose: _Whose) -> _Sender:
        sender = self._senders.get(whose) or self._waiting.get(whose)
        if sender is None:
            _, copied = whose
            exported = Exported(self._recorder.trackers, self._outbox) if copied else None
            sender = _Sender(History(self._configuration.identity_names), exported)
        self._senders[whose] = sender  # with its size as it is now
        return sender

    def _is_over(self, sender: _Sender) -> bool:
        """Whether the turn is complete, as far as can be told."""
        quiet = self._now() - sender.heard_at
        if sender.exported or sender.disordered or self._now() < self._unsettled_until:
            return quiet >= CALM_SECONDS
        return sender.turn_ended or quiet >= QUIET_SECONDS

    async def _record(self, whose: _Whose, sender: _Sender) -> bool:
        """Record what is new, each session with the person as known at its end.

        A turn that cannot be recorded for a reason of its own is left out: it must not hold up all others for ever.

        Returns:
            Whether a new process finds in the outbox all that the events told.
        """
        (sender_id, _), history = whose, sender.history
        session: SessionKey | None = None
        try:
            if not history.whole and not sender.exported:
                latest = await self._outbox.latest_session(sender_id)
                state = await self._outbox.session_state(latest.key) if latest else None
                history.recall(state["identity"] if state else {})
            for end in history.ends():
                told = history.knowledge(end)
                person = self._configuration.claimed(sender_id, told.slots, told.message_metadata)
                events = history.events[:end]
                if sender.exported:
                    await sender.exported.record(sender_id, events, person)
                    continue
                late = IdentityUpdate.UNLESS_BEHIND
                session = await self._recorder.record_turns(sender_id, events, person, update=late)
            if session is None and not sender.exported:
                return history.safe == len(history.events)
            history.settle()
            return sender.exported is not None or await self._recorder.is_kept(sender_id)
        except OutboxUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the other conversations go on
            logger.error("A turn of the event stream was skipped: %s", describe_error(error))  # noqa: TRY400 - may hold texts
            self._recorder.forget(sender_id)
            history.safe = len(history.events)
            return True

    async def _release(self, whose: _Whose, sender: _Sender) -> None:
        receipts, sender.receipts = sender.receipts, []
        self._waiting.pop(whose, None)
        self.recorded += len(receipts)
        for receipt in receipts:
            await receipt.ack()


def _read(body: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and event.get("sender_id") and isinstance(event.get("event"), str) else None
