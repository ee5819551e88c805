"""Rasa's event stream into the outbox, with the keys and sessions that the hook at the end of a turn gives.

Rasa publishes each tracker event once, at the end of the turn, in order for each sender (Rasa notes, Event broker). The
events of a sender's session are kept here until the next one begins, and the same reader goes over them that reads the
hook's trackers; both may run at once, since recording ignores what it knows.
"""

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from cachetools import LRUCache

from rasa_kustomer.conversation.identity import Identity
from rasa_kustomer.conversation.keys import sender_part
from rasa_kustomer.runtime import Runtime

logger = logging.getLogger(__name__)

REMEMBERED_SENDERS = 20_000
KEPT_EVENTS = 2_000  # of one session; a reading goes on where it was when the head is cut
QUIET_SECONDS = 0.5  # a turn without its action_listen (a paused conversation) is over after this
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
        seen: Marks of the latest messages: a broker that died may send again what it was told to forget.
        safe: How many of `events` are recorded.
        receipts: Of messages that are not acknowledged yet.
        whole: Whether the start of the session was seen.
        turn_ended: Whether the turn is complete.
    """

    events: list[dict[str, Any]] = field(default_factory=list)
    seen: dict[int, None] = field(default_factory=dict)
    safe: int = 0
    receipts: list[Receipt] = field(default_factory=list)
    slots: dict[str, Any] = field(default_factory=dict)
    metadata: Any = None
    whole: bool = False
    turn_ended: bool = False
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
        self._senders: LRUCache[str, _Sender] = LRUCache(maxsize=REMEMBERED_SENDERS)
        self._waiting: dict[str, _Sender] = {}
        self.recorded = 0
        self.broken = 0

    def take(self, body: bytes, receipt: Receipt) -> bool:
        """Keep an event until its turn is recorded.

        Returns:
            False when there is nothing to keep: acknowledge the message.
        """
        event = _read(body)
        if event is None:
            self.broken += 1
            if self.broken == 1:
                logger.warning("A message of the event stream is no event of Rasa; such messages are left out.")
            return False
        sender_id = sender_part(str(event["sender_id"]))
        if not self._runtime.settings.enable_sync or not self._runtime.serves(sender_id):
            return False
        sender = self._senders.get(sender_id)
        if sender is None:
            sender = self._senders[sender_id] = self._waiting.get(sender_id) or _Sender()
        if not sender.receipts:
            sender.held_since = self._now()
        sender.receipts.append(receipt)
        if (mark := hash(body)) not in sender.seen:
            sender.seen[mark] = None
            if len(sender.seen) > KEPT_EVENTS:
                del sender.seen[next(iter(sender.seen))]
            self._keep(sender, event)
        self._waiting[sender_id] = sender
        return True

    def _keep(self, sender: _Sender, event: dict[str, Any]) -> None:
        kind = event.get("event")
        if kind in {"session_started", "restart", "reset_slots"}:  # what is carried over is told again
            sender.slots.clear()
        if kind == "session_started":
            sender.events, sender.safe, sender.whole = sender.events[sender.safe :], 0, True
        elif kind == "slot" and isinstance(event.get("name"), str):
            sender.slots[event["name"]] = event.get("value")
        elif kind == "user":
            parsed = event.get("parse_data")
            sender.metadata = parsed.get("metadata") if isinstance(parsed, Mapping) else None
        sender.events.append(event)
        if len(sender.events) > KEPT_EVENTS:
            del sender.events[0]
            sender.safe = max(0, sender.safe - 1)
        sender.turn_ended = kind == "action" and event.get("name") == "action_listen"
        sender.changed = True
        sender.heard_at = self._now()

    async def record(self, *, everything: bool = False) -> None:
        """Record the turns that are complete (or everything, before the end) and acknowledge their messages.

        Raises:
            OutboxUnavailableError: Nothing more can be recorded just now; try again later.
        """
        for sender_id, sender in list(self._waiting.items()):
            quiet = self._now() - sender.heard_at >= QUIET_SECONDS
            if sender.changed and (everything or sender.turn_ended or quiet):
                session = await self._runtime.recorder.record_turns(
                    sender_id, sender.events, await self._identity(sender_id, sender)
                )
                sender.changed = False
                if session is not None:
                    sender.safe = len(sender.events)
                    await self._release(sender_id, sender)
                    continue
            # Nobody has spoken yet: if this process dies, the start of the session is to be seen by the next.
            known = sender.safe == len(sender.events)
            too_long = self._now() - sender.held_since >= HELD_SECONDS
            if not sender.changed and (known or too_long or len(self._waiting) > MOST_HELD):
                await self._release(sender_id, sender)

    def forget_receipts(self) -> None:
        """The connection is gone: the broker sends what was not acknowledged again, and it is known by then."""
        for sender in self._waiting.values():
            sender.receipts = []

    async def _release(self, sender_id: str, sender: _Sender) -> None:
        receipts, sender.receipts = sender.receipts, []
        self._waiting.pop(sender_id, None)
        self.recorded += len(receipts)
        for receipt in receipts:
            await receipt.ack()

    async def _identity(self, sender_id: str, sender: _Sender) -> Identity:
        """The person as the hook would know them.

        After a restart in mid-session the slots of its beginning are missing; what the outbox has is better then.
        """
        if not sender.whole:
            session = await self._runtime.outbox.latest_session(sender_id)
            state = await self._runtime.outbox.session_state(session.key) if session else None
            if state is not None:
                return Identity(sender_id=sender_id, **state["identity"])
        return self._runtime.person(sender_id, sender.slots, sender.metadata)


def _read(body: bytes) -> dict[str, Any] | None:
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return event if isinstance(event, dict) and event.get("sender_id") and isinstance(event.get("event"), str) else None
