"""Turns pending records into request bodies. Pure: no clock, no network, no database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from rasa_kustomer.kustomer.errors import Rejected
from rasa_kustomer.kustomer.models import Conversation
from rasa_kustomer.outbox import Kind, Lease

APP = "rasa"
HANDOFF_TAG = "bot-handoff"
MESSAGE_OPTIONAL = ("meta", "auto", "status", "sentAt")
CONVERSATION_OPTIONAL = ("queue", "assignedUsers", "name", "direction", "status")
NOTE_OPTIONAL = ("externalId",)
TICKET_OPTIONAL = ("name", "queue", "assignedUsers")  # its team is looked up anew first
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_LAST_MS = int((datetime(9999, 12, 31, tzinfo=timezone.utc) - _EPOCH).total_seconds() * 1000)
_SUBJECT_LENGTH = 80


@dataclass(frozen=True, slots=True)
class Parking:
    """How a conversation is kept from agents while the bot talks (KUSTOMER_PARKING).

    Attributes:
        user_id: Assign it to this user, the key's own machine user.
        queue_id: Or put it into this queue.
    """

    user_id: str | None = None
    queue_id: str | None = None

    def on_create(self) -> dict[str, Any]:
        """Fields for the create body.

        Source: Kustomer API reference, Queue rules: conversations with a user or a queue are not routed.
        """
        if self.user_id:
            return {"assignedUsers": [self.user_id]}
        return {"queue": {"id": self.queue_id}} if self.queue_id else {}

    def on_handoff(self) -> dict[str, Any]:
        """Fields for the handoff PATCH that lift the parking again."""
        if self.user_id:
            return {"assignedUsers": []}
        return {"queue": None} if self.queue_id else {}


def people_have(found: Conversation, parking: Parking) -> bool:
    """Whether a conversation belongs to a team or to a user other than the one that keeps it from agents."""
    return bool(found.assigned_teams or set(found.assigned_users) - {parking.user_id, found.created_by_id})


def is_parked(found: Conversation, parking: Parking) -> bool:
    """Whether a conversation is kept from agents; the user of an earlier key, who made it, does so too."""
    users = set(found.assigned_users) & {parking.user_id, found.created_by_id}
    return bool(users) or (parking.queue_id is not None and found.queue_id == parking.queue_id)


def iso(ms: int) -> str:
    """Epoch milliseconds as Kustomer writes dates: ISO-8601, UTC, milliseconds."""
    moment = _EPOCH + timedelta(milliseconds=min(max(ms, 0), _LAST_MS))
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def epoch_ms(moment: datetime | None) -> int | None:
    """The reverse of `iso`, for what Kustomer sent back."""
    return None if moment is None else int((moment - _EPOCH) / timedelta(milliseconds=1))


def sent_ms(payload: Mapping[str, Any], last_sent_ms: int) -> int:
    """The message's own time, moved up where needed so that `sentAt` strictly increases within a conversation."""
    return max(int(payload["at_ms"]), last_sent_ms + 1)


def conversation_body(key: str, customer_id: str, first_text: str | None, parking: Parking) -> dict[str, Any]:
    """Create body of the mirrored conversation.

    Args:
        key: The session's key, which becomes the externalId.
        customer_id: Whose conversation it is.
        first_text: What the customer said first, for the subject line; None when there is nothing to quote.
        parking: How to keep it from agents.
    """
    subject = " ".join((first_text or "").split())
    if len(subject) > _SUBJECT_LENGTH:
        subject = subject[: _SUBJECT_LENGTH - 1].rstrip() + "…"
    return {
        "customer": customer_id,
        "externalId": key,
        "name": f"Bot chat: {subject}" if subject else "Bot chat",
        "status": "open",
        "direction": "in",
        **parking.on_create(),
    }


def message_body(key: str, payload: Mapping[str, Any], at_ms: int) -> dict[str, Any]:
    """Create body of a message; the bot's are marked as automation so that they don't count as human responses."""
    inbound = payload["direction"] == "in"
    body = {
        "channel": payload["channel"],
        "app": APP,
        "direction": payload["direction"],
        "preview": payload["text"],
        "externalId": key,
        "status": "received" if inbound else "sent",
        "sentAt": iso(at_ms),
    }
    if not inbound:
        body["auto"] = True
        if payload.get("action"):
            body["meta"] = {"rasaAction": payload["action"]}
    return body


def is_sound(payload: Mapping[str, Any]) -> bool:
    """Whether a message can be sent; a row that cannot be read has none of this."""
    texts = all(isinstance(payload.get(name), str) for name in ("direction", "text", "channel"))
    return texts and isinstance(payload.get("at_ms"), int)


def first_text(lease: Lease) -> str | None:
    """The first text of a session's pending messages: the customer's words before the bot's."""
    messages = [one.payload for one in lease.records if one.kind is Kind.MESSAGE]
    messages.sort(key=lambda payload: payload.get("direction") != "in")
    return str(messages[0].get("text") or "") if messages else None


def note_body(key: str, text: str) -> dict[str, Any]:
    """Create body of the summary note."""
    return {"body": text, "externalId": key}


def ticket_patch(payload: Mapping[str, Any], team_id: str | None, parking: Parking) -> dict[str, Any]:
    """The one PATCH of a handoff: open, with priority and team, no longer parked.

    A repeated handoff reopens and raises, but leaves users and teams to the agents who have them by now.
    """
    patch: dict[str, Any] = {"status": "open", "priority": payload["priority"]}
    if payload.get("repeated"):
        return patch
    if payload.get("subject"):
        patch["name"] = payload["subject"]
    if team_id:
        patch["assignedTeams"] = [team_id]
    return patch | parking.on_handoff()


def without_refused(body: Mapping[str, Any], error: Rejected, optional: Sequence[str]) -> dict[str, Any] | None:
    """A smaller body to try after a rejection.

    Args:
        body: What was refused.
        error: The refusal; when it names an optional field, that one goes.
        optional: Fields that may be dropped, the most dispensable first.

    Returns:
        None when the refusal is about a required field, or nothing optional is left to drop.
    """
    named = (error.field or "").strip("/").split("/", 1)[0].split(".", 1)[0]
    if named in body and named not in optional:
        return None
    dropped = named if named in body else next((name for name in optional if name in body), None)
    return None if dropped is None else {name: value for name, value in body.items() if name != dropped}
