"""The text to mirror for a tracker event, that an agent can read; empty if there is none, or an agent said it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rasa_kustomer.conversation.attachments import addresses, has_metadata
from rasa_kustomer.conversation.choices import Choice, contents
from rasa_kustomer.conversation.events import Event, mapping
from rasa_kustomer.conversation.texts import clean, label, spoken

NO_TEXT = "(no text)"
MAX_TEXT_LENGTH = 10_000  # Kustomer's own limit is not known; the reference advises to split here
_LONGEST_JSON = 500
_MOST_TEXTS = 20
_SHOWN_OF_A_CARD = frozenset({"title", "subtitle", "image_url"})
_KNOWN = frozenset({"elements", "image", "attachment", "custom", "buttons", "quick_replies"})


def split(text: str) -> list[str]:
    """Parts of at most `MAX_TEXT_LENGTH` characters, cut between words where there are any."""
    if len(text) <= MAX_TEXT_LENGTH:
        return [text] if text else []
    parts, start = [], 0
    while start < len(text):
        end = min(start + MAX_TEXT_LENGTH, len(text))
        if end < len(text):
            cut = max(
                text.rfind(" ", start + MAX_TEXT_LENGTH // 2, end), text.rfind("\n", start + MAX_TEXT_LENGTH // 2, end)
            )
            end = cut if cut > start else end
        if part := text[start:end].strip():
            parts.append(part)
        start = end
    return parts


def said_by_user(event: Event) -> str:
    """What the user typed or sent.

    Rasa's own `/session_start` is not speech, nor is a trigger: a user event without message id that is marked as
    external or begins with `EXTERNAL:` (Rasa notes, Events), or that tells nothing at all. A customer who types that
    word is heard, and nobody can hide what they say by sending such metadata themselves.
    """
    text, sent = spoken(event.text), event.has_message_id
    if not sent and (event.is_external or text.startswith("EXTERNAL:")):
        return ""
    if text:
        return "" if text[0] == "/" and text.partition("{")[0].rstrip() == "/session_start" else text
    return "\n".join(addresses(event)) or NO_TEXT if sent or has_metadata(event) else ""


def has_words(text: str) -> bool:
    """Whether what a user said is more than addresses."""
    return text != NO_TEXT and not all(word.startswith(("http://", "https://")) for word in text.split())


def said_by_bot(event: Event) -> str:
    """All that a bot event showed: its text, then buttons, image, attachment, cards and custom content."""
    if event.from_kustomer:
        return ""
    shown = "\n".join(line for line in (clean(event.text), *_rich(event.data)) if line)
    return shown or _unknown(event.data)


def _unknown(data: Mapping[str, Any]) -> str:
    """Content of a kind that is not known: something was shown, so something is said."""
    content = {name: value for name, value in data.items() if value}
    return _custom(content) if content else ""


def _rich(data: Mapping[str, Any]) -> Iterator[str]:
    elements = data.get("elements")
    for element in elements if isinstance(elements, list) else ():
        yield _card(element)
    image, attachment = data.get("image"), data.get("attachment")
    if image:
        yield f"Image: {_address(image)}"
    if attachment and attachment != image:  # Rasa repeats an image as attachment
        yield f"Attachment: {_address(attachment)}"
    if data.get("custom"):
        yield _custom(data["custom"])
    for name in ("buttons", "quick_replies"):
        yield _buttons({name: data.get(name)})
    yield _buttons({name: value for name, value in data.items() if name not in _KNOWN})


def _card(element: object) -> str:
    if not isinstance(element, Mapping):
        return clean(element)
    lines = [label(element.get("title")), label(element.get("subtitle"))]
    if element.get("image_url"):
        lines.append(f"Image: {_address(element['image_url'])}")
    lines.append(_buttons({name: value for name, value in element.items() if name not in _SHOWN_OF_A_CARD}))
    return "\n".join(line for line in lines if line)


def _buttons(content: Mapping[str, Any]) -> str:
    """Only what can be pressed."""
    return " ".join(_pressable(found) for found in contents(content) if isinstance(found, list))


def _pressable(choices: Sequence[Choice]) -> str:
    """`[Yes] [No]`; a button that opens a page shows where."""
    return " ".join(f"[{one.title}: {one.url}]" if one.url else f"[{one.title}]" for one in choices)


def _address(value: object) -> str:
    if isinstance(value, str):
        return clean(value)
    payload = mapping(mapping(value).get("payload"))
    found = payload.get("src") or payload.get("url")
    return clean(found) if isinstance(found, str) else _custom(value)


def _custom(value: object) -> str:
    lines = [one if isinstance(one, str) else _pressable(one) for one in contents(value)]
    found = list(dict.fromkeys(line for line in lines if line))[:_MOST_TEXTS]
    return "\n".join(found) if found else _short_json(value)


def _short_json(value: object) -> str:
    try:
        text = clean(json.dumps(value, ensure_ascii=False, default=str))
    except (ValueError, RecursionError):
        return "(custom content)"
    return text if len(text) <= _LONGEST_JSON else text[: _LONGEST_JSON - 1] + "…"
