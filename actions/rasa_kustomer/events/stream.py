"""Rasa's event stream into the outbox, with the keys and sessions that the hook at the end of a turn gives.

Rasa publishes each tracker event once, at the end of the turn (Rasa notes, Event broker). The latest events of a sender
are kept, and the same reader goes over them that reads the hook's trackers; both may run at once, since recording
ignores what it knows.
"""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from cachetools import LRUCache

from rasa_kustomer.conversation.keys import sender_part
from rasa_kustomer.delivery.outbox import OutboxUnavailableError, Renew, SessionKey
from rasa_kustomer.events.history import History
from rasa_kustomer.failures import where
from rasa_kustomer.runtime import Runtime

logger = logging.getLogger(__name__)

REMEMBERED_EVENTS = 100_000  # of all senders, about 1 KB each
QUIET_SECONDS = 0.5  # a turn without its action_listen (a paused conversation) is over after this
CALM_SECONDS = 1.0  # the same where events may come in another order than they happened
UNSETTLED_SECONDS = 10.0  # after a connection is made; Rasa comes back within 5 s of its broker, as it is
HELD_SECONDS = 600.0  # RabbitMQ closes channels that hold messages for half an hour
MOST_HELD = 500


class Receipt(Protocol):
    """A message of the broker, as far as it can be acknowledged."""

    async def ack(self) -> None:
        """Tell the broker that it may forget the message."""


@dataclass
class _Sender:
    """What is known of one sender.

    Attributes:
        receipts: Of messages that are not acknowledged yet.
        turn_ended: Whether the turn is complete.
        disordered: Whether an event came after others that happened later; there may be more.
    """

    history: History
    receipts: list[Receipt] = field(default_factory=list)
    turn_ended: bool = False
    disordered: bool = False
    changed: bool = False
    heard_at: float = 0.0
    held_since: float = 0.0


class Stream:
    """Collects events and records turns.

    Args:
        runtime: Where turns are recorded, and for whom.
        now: Monotonic clock in seconds.

    Attributes:
        recorded: How many events are safe in the outbox, or need not be.
        broken: How many messages could not be read.
    """

    def __init__(self, runtime: Runtime, *, now: Callable[[], float] = time.monotonic) -> None:
        self._runtime, self._now = runtime, now
        self._senders: LRUCache[str, _Sender] = LRUCache(
            maxsize=REMEMBERED_EVENTS, getsizeof=lambda sender: 1 + len(sender.history.events)
        )
        self._waiting: dict[str, _Sender] = {}
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
            self.left_out("it is no event of Rasa")
            return False
        sender_id = sender_part(str(event["sender_id"]))
        if not self._runtime.settings.enable_sync or not self._runtime.serves(sender_id):
            return False
        sender = self._sender(sender_id)
        if not sender.receipts:
            sender.held_since = self._now()
        sender.receipts.append(receipt)
        sender.disordered |= sender.history.add(body, event)
        sender.turn_ended = event["event"] == "action" and event.get("name") == "action_listen"
        sender.changed, sender.heard_at = True, self._now()
        self._waiting[sender_id] = sender
        return True

    def left_out(self, why: str) -> None:
        """A message cannot be used; said once, and counted."""
        self.broken += 1
        if self.broken == 1:
            logger.warning("A message of the event stream is left out, and so are others like it: %s.", why)

    async def record(self, *, everything: bool = False) -> None:
        """Record the turns that are complete (or everything, before the end) and acknowledge their messages.

        Raises:
            OutboxUnavailableError: Nothing more can be recorded just now; try again later.
        """
        for sender_id, sender in list(self._waiting.items()):
            if sender.changed and (everything or self._is_over(sender)):
                session = await self._record(sender_id, sender)
                sender.changed = sender.disordered = False
                if session is not None:
                    sender.history.settle()
                    await self._release(sender_id, sender)
                    continue
            # Nobody has spoken yet: if this process dies, the start of the session is to be seen by the next.
            known = sender.history.safe == len(sender.history.events)
            too_long = self._now() - sender.held_since >= HELD_SECONDS
            if not sender.changed and (known or too_long or len(self._waiting) > MOST_HELD):
                await self._release(sender_id, sender)

    def forget_receipts(self) -> None:
        """The connection is gone: the broker sends what was not acknowledged again, and it is known by then."""
        for sender in self._waiting.values():
            sender.receipts = []

    def _sender(self, sender_id: str) -> _Sender:
        sender = self._senders.get(sender_id) or self._waiting.get(sender_id)
        if sender is None:
            sender = _Sender(History(self._runtime.settings.identity_names))
        self._senders[sender_id] = sender  # with its size as it is now
        return sender

    def _is_over(self, sender: _Sender) -> bool:
        """Whether the turn is complete, as far as can be told."""
        quiet = self._now() - sender.heard_at
        if sender.disordered or self._now() < self._unsettled_until:
            return quiet >= CALM_SECONDS
        return sender.turn_ended or quiet >= QUIET_SECONDS

    async def _record(self, sender_id: str, sender: _Sender) -> SessionKey | None:
        """Record what is new, each session with the person as known at its end; the current session.

        None while nobody has spoken in it. A turn that cannot be recorded for a reason of its own is left out: it must
        not hold up all others for ever.
        """
        history, session = sender.history, None
        try:
            if not history.whole:
                latest = await self._runtime.outbox.latest_session(sender_id)
                state = await self._runtime.outbox.session_state(latest.key) if latest else None
                history.recall(state["identity"] if state else {})
            for end in history.ends():
                told = history.knowledge(end)
                person = self._runtime.person(sender_id, told.slots, told.message_metadata)
                events = history.events[:end]
                session = await self._runtime.recorder.record_turns(
                    sender_id, events, person, renew=Renew.WITH_NEW_TURNS
                )
        except OutboxUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the other conversations go on
            logger.error("A turn of the event stream was left out: %s", where(error))  # noqa: TRY400 - may hold texts
            self._runtime.recorder.forget(sender_id)
            history.safe = len(history.events)
        return session

    async def _release(self, sender_id: str, sender: _Sender) -> None:
        receipts, sender.receipts = sender.receipts, []
        self._waiting.pop(sender_id, None)
        self.recorded += len(receipts)
        for receipt in receipts:
            await receipt.ack()


def _read(body: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and event.get("sender_id") and isinstance(event.get("event"), str) else None
