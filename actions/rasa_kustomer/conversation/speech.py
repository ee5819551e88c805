"""What an event lets somebody say; empty for all that is not speech, or stands in Kustomer already."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rasa_kustomer.conversation.rendering import bot_text, clean, label, listed

Event = Mapping[str, Any]


def said_by_user(events: Sequence[Any], index: int) -> str:
    """What the user typed, or the title of the button that was pressed.

    Rasa's own `/session_start` is not speech, nor is a trigger: a user event without message id that is marked as
    external or begins with `EXTERNAL:` (Rasa notes, Events). A customer who types that word is heard, and nobody can
    hide what they say by sending such metadata themselves.
    """
    event = events[index]
    text = clean(event.get("text"))
    if not text:
        return ""
    metadata = event.get("metadata")
    if isinstance(metadata, dict) and metadata.get("is_external") and not event.get("message_id"):
        return ""
    if text[0] == "/":
        if text.partition("{")[0].rstrip() == "/session_start":
            return ""
        return _button_title(events, index, text) or text
    return "" if text.startswith("EXTERNAL:") and not event.get("message_id") else text


def said_by_bot(event: Event) -> str:
    """All that a bot event showed; nothing when an agent said it in Kustomer."""
    metadata = event.get("metadata")
    return "" if isinstance(metadata, dict) and _from_kustomer(metadata) else bot_text(event)


def _from_kustomer(metadata: Event) -> bool:
    nested = metadata.get("metadata")
    return _marked(metadata) or (isinstance(nested, dict) and _marked(nested))


def _marked(metadata: Event) -> bool:
    return metadata.get("source") == "kustomer" or bool(metadata.get("kustomer_message_id"))


def _button_title(events: Sequence[Any], index: int, payload: str) -> str:
    """Title of the latest button before the event that sends this payload."""
    for position in range(index - 1, -1, -1):
        event = events[position]
        if isinstance(event, dict) and event.get("event") == "bot":
            for button in _buttons(event.get("data")):
                if clean(button.get("payload")) == payload:
                    return label(button.get("title"))
    return ""


def _buttons(data: object) -> Iterator[Event]:
    """The buttons of a bot event's data, those on its cards included."""
    if not isinstance(data, dict):
        return
    offered = [*listed(data.get("buttons")), *listed(data.get("quick_replies"))]
    for card in listed(data.get("elements")):
        if isinstance(card, dict):
            offered += listed(card.get("buttons"))
    yield from (button for button in offered if isinstance(button, dict))
