"""External ids of our records in Kustomer: deterministic, so that the same message always has the same one."""

import base64
import hashlib
import re

PREFIX = "rasa:"
_PLAIN_SENDER = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,120}")
_RASA_ID = re.compile(r"[0-9a-f]{32}")
_SPEAKABLE = str.maketrans("ILOU", "WXYZ")  # no letter that looks or sounds like another; base32 has no 0, 1, 8, 9


def sender_part(sender_id: str) -> str:
    """An id as it appears in keys: itself, or a hash when it is very long or holds control characters."""
    if _PLAIN_SENDER.fullmatch(sender_id):
        return sender_id
    return "sha256-" + hashlib.sha256(sender_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def anonymous_id(sender_id: str) -> str:
    """ExternalId of a customer of whom we know nothing but Rasa's sender id."""
    return f"{PREFIX}{sender_part(sender_id)}"


def session_key(sender_id: str, started_ms: int, mark: str = "") -> str:
    """ExternalId of a session's conversation.

    Args:
        sender_id: Rasa's sender id.
        started_ms: Start of the session, epoch milliseconds.
        mark: Of the person, when they are not the first whom the channel names in the session.
    """
    return f"{anonymous_id(sender_id)}:{started_ms}" + (f":{mark}" if mark else "")


def user_key(sender_id: str, message_id: str) -> str:
    """ExternalId of what the user said, of which Rasa made the message id."""
    return f"{anonymous_id(sender_id)}:{sender_part(message_id)}"


def made_by_rasa(message_id: str) -> bool:
    """Whether it is one of Rasa's own ids, 32 hex digits of a UUID (Rasa notes, Events), which never come twice."""
    return _RASA_ID.fullmatch(message_id) is not None


def said_key(sender_id: str, message_id: str, microseconds: int, ordinal: int) -> str:
    """ExternalId of what the user said.

    Rasa's own message id is enough. That of a connector may come again (one that numbers the messages of each call
    says "1" always), also after the event that had it first was cut away: its time and place among equal times tell
    the messages apart, wherever a reading begins.

    Args:
        sender_id: Rasa's sender id.
        message_id: The event's `message_id`, empty if it has none.
        microseconds: Time of the event, epoch microseconds.
        ordinal: 0 for the first user event with this time.
    """
    if not message_id.strip():
        return event_key(sender_id, "u", microseconds, ordinal)
    if made_by_rasa(message_id):
        return user_key(sender_id, message_id)
    return event_key(sender_id, sender_part(message_id), microseconds, ordinal)


def event_key(sender_id: str, kind: str, microseconds: int, ordinal: int) -> str:
    """ExternalId of a message without a unique id of its own: its time, and its place among equal times.

    Args:
        sender_id: Rasa's sender id.
        kind: Empty for a bot's message; for a user's its id as the connector gave it, or `u`.
        microseconds: Time of the event, epoch microseconds.
        ordinal: 0 for the first event of its kind with this time.
    """
    marked = f"{kind}:" if kind else ""
    return f"{anonymous_id(sender_id)}:{marked}{microseconds}:{ordinal}"


def part_key(key: str, number: int) -> str:
    """ExternalId of the second and further parts of a long message."""
    return key if number < 2 else f"{key}:p{number}"


def ticket_reference(key: str) -> str:
    """A short code for a session that a person can read out; known before Kustomer has answered."""
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
    return "RK-" + base64.b32encode(digest).decode()[:7].translate(_SPEAKABLE)
