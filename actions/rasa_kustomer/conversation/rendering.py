"""Rich messages as text that an agent can read, and texts in a form that every system on the way takes."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

LONGEST_TEXT = 10_000  # Kustomer's own limit is not known; the reference advises to split here
_LONGEST_JSON = 500
_MOST_TEXTS = 20
_DEEPEST = 8
_LARGEST_LABEL = 10**12
_UNWANTED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f\ud800-\udfff\ufffe\uffff]")
_BUTTON_KEYS = ("buttons", "quick_replies")
_READABLE_KEYS = frozenset(
    {"text", "title", "subtitle", "caption", "label", "description", "body", "message", "alt_text"}
)


def clean(text: object) -> str:
    """Text without NUL, control characters and broken surrogates; anything that is not text is empty."""
    if not isinstance(text, str):
        return ""
    if text.isascii() and text.isprintable():  # nearly all messages
        return text.strip()
    return _UNWANTED.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def split(text: str) -> list[str]:
    """Parts of at most `LONGEST_TEXT` characters, cut between words where there are any."""
    if len(text) <= LONGEST_TEXT:
        return [text] if text else []
    parts, start = [], 0
    while start < len(text):
        end = min(start + LONGEST_TEXT, len(text))
        if end < len(text):
            cut = max(text.rfind(" ", start + LONGEST_TEXT // 2, end), text.rfind("\n", start + LONGEST_TEXT // 2, end))
            end = cut if cut > start else end
        if part := text[start:end].strip():
            parts.append(part)
        start = end
    return parts


def bot_text(event: Mapping[str, Any]) -> str:
    """All that a bot event showed: its text, then buttons, image, attachment, cards and custom content."""
    data = event.get("data")
    lines = [clean(event.get("text")), *(_rich(data) if isinstance(data, Mapping) else ())]
    shown = "\n".join(line for line in lines if line)
    return shown if shown or not isinstance(data, Mapping) else _unknown(data)


def _unknown(data: Mapping[str, Any]) -> str:
    """Content of a kind that is not known: something was shown, so something is said."""
    content = {name: value for name, value in data.items() if value}
    return _custom(content) if content else ""


def label(value: object) -> str:
    """A button's title; ratings come as numbers."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _LARGEST_LABEL:
        return str(value)
    return clean(value)


def listed(value: object) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def _rich(data: Mapping[str, Any]) -> Iterator[str]:
    for element in listed(data.get("elements")):
        yield _card(element)
    image, attachment = data.get("image"), data.get("attachment")
    if image:
        yield f"Image: {_address(image)}"
    if attachment and attachment != image:  # Rasa repeats an image as attachment
        yield f"Attachment: {_address(attachment)}"
    if data.get("custom"):
        yield _custom(data["custom"])
    for name in _BUTTON_KEYS:
        yield _buttons(data.get(name))


def _card(element: object) -> str:
    if not isinstance(element, Mapping):
        return clean(element)
    lines = [label(element.get("title")), label(element.get("subtitle"))]
    if element.get("image_url"):
        lines.append(f"Image: {_address(element['image_url'])}")
    lines.append(_buttons(element.get("buttons")))
    return "\n".join(line for line in lines if line)


def _buttons(value: object) -> str:
    """`[Yes] [No]`; a button that opens a page shows where."""
    shown = []
    for button in listed(value):
        if isinstance(button, Mapping) and (title := label(button.get("title")) or label(button.get("payload"))):
            url = clean(button.get("url"))
            shown.append(f"[{title}: {url}]" if url else f"[{title}]")
    return " ".join(shown)


def _address(value: object) -> str:
    if isinstance(value, str):
        return clean(value)
    payload = value.get("payload") if isinstance(value, Mapping) else None
    found = payload.get("src") or payload.get("url") if isinstance(payload, Mapping) else None
    return clean(found) if isinstance(found, str) else _short_json(value)


def _custom(value: object) -> str:
    found = list(dict.fromkeys(_texts(value)))[:_MOST_TEXTS]
    return "\n".join(found) if found else _short_json(value)


def _texts(value: object, depth: int = 0) -> Iterator[str]:
    if depth > _DEEPEST:
        return
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if isinstance(inner, str) and key in _READABLE_KEYS:
                if text := clean(inner):
                    yield text
            elif key in _BUTTON_KEYS and (buttons := _buttons(inner)):
                yield buttons
            else:
                yield from _texts(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, depth + 1)


def _short_json(value: object) -> str:
    try:
        text = clean(json.dumps(value, ensure_ascii=False, default=str))
    except (ValueError, RecursionError):
        return "(custom content)"
    return text if len(text) <= _LONGEST_JSON else text[: _LONGEST_JSON - 1] + "…"
