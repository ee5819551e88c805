"""What goes into the outbox and comes out of it, as plain values."""

import json
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from pydantic_core import to_json

from rasa_kustomer.outbox.schema import EMPTIED


class Kind(str, Enum):
    """What a record does in Kustomer; each is one request."""

    MESSAGE = "message"  # one message on the timeline
    NOTE = "note"  # the summary for the agent
    TAGS = "tags"  # tags of the ticket
    TICKET = "ticket"  # the PATCH that makes the conversation a ticket
    REPOINT = "repoint"  # the conversation belongs to another customer than we thought
    CLOSE = "close"  # the bot solved it, or the visitor left


HANDOFF_KINDS = frozenset({Kind.NOTE, Kind.TAGS, Kind.TICKET})
"""What a user waits for: they go before a session's messages when many of these are pending."""


class IdentityUpdate(Enum):
    """When the identity that comes with records replaces the one that a session has."""

    ALWAYS = "always"
    UNLESS_BEHIND = "unless behind"  # not while others have recorded later messages: their identity is newer then
    NEVER = "never"  # the session is over, and keeps the identity that it had


@dataclass(frozen=True, slots=True)
class SessionKey:
    """A Rasa session as the outbox knows it.

    Attributes:
        key: externalId of its Kustomer conversation.
        started_ms: Start of the session, epoch milliseconds.
    """

    key: str
    sender_id: str
    started_ms: int


class NewRecord(NamedTuple):
    """One thing to deliver; `key` makes recording idempotent."""

    key: str
    kind: Kind
    payload: dict[str, Any]
    at_ms: int = 0


class Recorded(NamedTuple):
    """A message that was recorded, and with it all before it in its conversation.

    Attributes:
        key: Its session.
        message: Its own key.
        at_ms: Its time; a purge may have deleted it since, but remembers up to when it deleted.
    """

    key: str
    message: str
    at_ms: int


@dataclass(slots=True)
class Record:
    """A record as the worker gets it.

    Attributes:
        unsure: It was sent before and the outcome is unknown: look it up before sending it again.
        attempts: How often it was begun; counted up by `begin`, and from then on the number of this very attempt.
        bulk_at: When it was sent in a bulk job whose result is not known, epoch seconds.
        bulk_job: Id of that job; None while even this is unknown.
        sent_ms: The `sentAt` that it was given, epoch milliseconds.
        marked: It was never begun here before, but perhaps sent from an earlier copy of the outbox.
    """

    id: int
    key: str
    kind: Kind
    payload: dict[str, Any]
    unsure: bool
    attempts: int
    bulk_at: float | None = None
    bulk_job: str | None = None
    sent_ms: int | None = None
    marked: bool = field(init=False)

    def __post_init__(self) -> None:
        self.marked = self.unsure and not self.attempts and self.bulk_at is None


@dataclass(slots=True)
class Lease:
    """A session leased to one worker, with its due records in order.

    Attributes:
        creating: Its conversation has to be looked up first: a create was sent whose answer may have been missed, or
            an earlier copy of the outbox may have made it.
        people: Its conversation was just looked up, and a team or a user has it.
        bulk_at: When that was part of a bulk job, epoch seconds.
        attempts: Failed attempts in a row.
    """

    id: int
    key: str
    sender_id: str
    identity: dict[str, Any]
    customer_id: str | None
    conversation_id: str | None
    creating: bool
    escalated: bool
    attempts: int
    last_sent_ms: int
    bulk_at: float | None = None
    people: bool = False
    records: list[Record] = field(default_factory=list)


class Attempt(NamedTuple):
    """A record that is sent, on its own or in a bulk job.

    Attributes:
        session_id: Row of its session.
        record: The record, with the number of its attempt.
        sent_ms: The `sentAt` that it is given, epoch milliseconds; 0 for what has none.
    """

    session_id: int
    record: Record
    sent_ms: int


class Outcome(NamedTuple):
    """How a record ends: delivered, with its id in Kustomer, or dead, with the reason."""

    part: Attempt
    kustomer_id: str | None = None
    dead_because: str | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """How much the outbox holds.

    Attributes:
        accepted: Counted when a record is accepted, independently of the other three.
        oldest_pending_at: Epoch seconds at which the oldest waiting record was accepted; None when nothing waits.
    """

    accepted: int
    delivered: int
    pending: int
    dead: int
    oldest_pending_at: float | None

    @property
    def balanced(self) -> bool:
        """Whether nothing is lost: accepted = delivered + pending + dead."""
        return self.accepted == self.delivered + self.pending + self.dead


def dump(payload: dict[str, Any]) -> str:
    """Payload as stored in the database."""
    return to_json(payload).decode()  # a quarter of the time of json.dumps, on the bot's path


def load(text: str) -> dict[str, Any]:
    """Payload as read from the database; empty when it cannot be read, so that other rows are still delivered."""
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def known_identity(text: str) -> dict[str, Any]:
    """The identity in a row; an anonymous one when it cannot be read, so that other sessions are still delivered."""
    known, nobody = load(text), load(EMPTIED)
    sound = {name for name, value in known.items() if isinstance(value, bool if name == "trusted" else str)}
    return {name: known[name] if name in sound else nobody[name] for name in nobody}
