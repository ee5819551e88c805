"""What an event lets somebody say; empty for all that is not speech, or stands in Kustomer already."""

from collections.abc import Mapping
from typing import Any

from rasa_kustomer.conversation.attachments import addresses, has_metadata
from rasa_kustomer.conversation.cleaning import spoken
from rasa_kustomer.conversation.rendering import bot_text

Event = Mapping[str, Any]
NO_TEXT = "(no text)"


def said_by_user(event: Event) -> str:
    """What the user typed or sent.

    Rasa's own `/session_start` is not speech, nor is a trigger: a user event without message id that is marked as
    external or begins with `EXTERNAL:` (Rasa notes, Events), or that tells nothing at all. A customer who types that
    word is heard, and nobody can hide what they say by sending such metadata themselves.
    """
    text, sent = spoken(event.get("text")), bool(event.get("message_id"))
    if not sent and (_is_external(event) or text.startswith("EXTERNAL:")):
        return ""
    if text:
        return "" if text[0] == "/" and text.partition("{")[0].rstrip() == "/session_start" else text
    return "\n".join(addresses(event)) or NO_TEXT if sent or has_metadata(event) else ""


def has_words(text: str) -> bool:
    """Whether what a user said is more than addresses."""
    return text != NO_TEXT and not all(word.startswith(("http://", "https://")) for word in text.split())


def said_by_bot(event: Event) -> str:
    """All that a bot event showed; nothing when an agent said it in Kustomer."""
    metadata = event.get("metadata")
    return "" if isinstance(metadata, dict) and _from_kustomer(metadata) else bot_text(event)


def _is_external(event: Event) -> bool:
    metadata = event.get("metadata")
    return isinstance(metadata, dict) and bool(metadata.get("is_external"))


def _from_kustomer(metadata: Event) -> bool:
    nested = metadata.get("metadata")
    return _marked(metadata) or (isinstance(nested, dict) and _marked(nested))


def _marked(metadata: Event) -> bool:
    return metadata.get("source") == "kustomer" or bool(metadata.get("kustomer_message_id"))
