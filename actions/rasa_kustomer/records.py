"""What the outbox is given: sessions, people, and messages as records."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from rasa_kustomer.conversation.events import latest
from rasa_kustomer.conversation.identity import Identity
from rasa_kustomer.conversation.keys import session_key
from rasa_kustomer.conversation.messages import Message, SessionMessages
from rasa_kustomer.conversation.people import mark_of
from rasa_kustomer.outbox import IdentityUpdate, Kind, NewRecord, Outbox, Recorded, SessionKey

MESSAGES_AT_ONCE = 500  # some 10 ms in the event loop


def session_of(sender_id: str, started_ms: int, mark: str = "") -> SessionKey:
    """The outbox's name for a Rasa session that started at a moment (epoch ms).

    Args:
        sender_id: Rasa's sender id.
        started_ms: Start of the session.
        mark: Of the person, when they are not the first in it.
    """
    return SessionKey(session_key(sender_id, started_ms, mark), sender_id, started_ms)


def session_of_events(sender_id: str, events: Sequence[Any], now_ms: int, mark: str = "") -> SessionKey:
    """The session that the events belong to by their own account; one that begins now when they have no start."""
    start = latest(events, "session_started")
    return session_of(sender_id, (start and start.at_ms) or now_ms, mark)


async def session_of_part(
    outbox: Outbox, sender_id: str, part: SessionMessages, later: Sequence[SessionMessages]
) -> SessionKey:
    """The session that a part of a tracker belongs to; one without a start continues the latest one in the outbox."""
    started_ms = part.started_ms
    if started_ms is None:
        before = next((other.started_ms for other in later if other.started_ms is not None), None)
        known = await outbox.latest_session(sender_id, before)
        started_ms = known.started_ms if known else part.messages[0].at_ms
    return session_of(sender_id, started_ms)


def of_person(session: SessionKey, mark: str) -> SessionKey:
    """The session as a person in it has it."""
    return session_of(session.sender_id, session.started_ms, mark) if mark else session


def moved(session: SessionKey, mark: str) -> NewRecord:
    """The session's conversation goes to the customer that it is known to belong to by now.

    Args:
        session: Whose conversation.
        mark: Tells this from other moves of it.
    """
    return NewRecord(f"{session.key}:customer:{mark}", Kind.REPOINT, {})


def identity_fields(identity: Identity) -> dict[str, Any]:
    """The identity as kept with its session."""
    return {
        "external_id": identity.external_id,
        "email": identity.email,
        "phone": identity.phone,
        "name": identity.name,
        "trusted": identity.trusted,
    }


async def accept(
    outbox: Outbox,
    session: SessionKey,
    person: Identity,
    part: SessionMessages,
    update: IdentityUpdate,
    *,
    after: Recorded | None = None,
) -> Recorded:
    """Accept the messages of a part of a session; those that the outbox has are ignored.

    Args:
        outbox: Where to.
        session: The session of the person in the outbox.
        person: Whose they are.
        part: What was said.
        update: When the person replaces the one whom the session has.
        after: What is taken for recorded before it.

    Returns:
        The last of the messages.

    Raises:
        PastUnknownError: The outbox does not have what is taken for recorded.
        OutboxUnavailableError: Not all was accepted.
    """
    fields, last = identity_fields(person), after
    for start in range(0, len(part.messages), MESSAGES_AT_ONCE):
        if start:
            await asyncio.sleep(0)
        records = _records(part.messages[start : start + MESSAGES_AT_ONCE])
        newest = Recorded(session.key, records[-1].key, records[-1].at_ms)
        if part.signed_in and part.person.identity:
            records.append(moved(session, mark_of(part.person.identity)))
        await outbox.record(session, fields, records, after=last, update=update)
        last = newest
    assert last is not None, "there are messages"  # noqa: S101 - for the type checker
    return last


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
