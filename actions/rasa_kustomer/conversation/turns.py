"""What was said, read from a tracker's events; only from the new ones when the last seen is known.

The event list grows with the conversation and is sent whole with every call (Rasa notes, Events), so reading starts at
its end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Literal

from rasa_kustomer.conversation import keys
from rasa_kustomer.conversation.channels import DEFAULT, kustomer_channel
from rasa_kustomer.conversation.rendering import bot_text, clean, split

Event = Mapping[str, Any]
_LATEST_SECONDS = 253_402_000_000.0  # the year 9999


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a turn.

    Attributes:
        key: externalId in Kustomer.
        direction: `in` from the customer, `out` from the bot.
        at_ms: When it was said, epoch milliseconds.
        channel: Kustomer's channel.
        action: The response or action that uttered it, if Rasa says so.
    """

    key: str
    direction: Literal["in", "out"]
    text: str
    at_ms: int
    channel: str
    action: str | None = None


@dataclass(frozen=True, slots=True)
class SessionTurns:
    """Messages of one Rasa session.

    Attributes:
        started_ms: When the session began, epoch milliseconds; None when its beginning is not among the events: then
            the messages belong to the latest session that is known of the sender.
    """

    started_ms: int | None
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a sender's events were read.

    Attributes:
        marker: Kind and time of the last event, and its place among those that share both.
        started_ms: Start of the session at that point.
    """

    marker: tuple[object, object, int]
    started_ms: int | None


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read: the messages by session, oldest first, and where to go on next time."""

    sessions: tuple[SessionTurns, ...]
    cursor: Cursor | None


def read_turns(events: Sequence[Any], sender_id: str, cursor: Cursor | None) -> Reading:
    """Read the messages that follow the cursor; all of them without one, or when its event is not there any more.

    Never raises: what is malformed is skipped.

    Args:
        events: The tracker's events.
        sender_id: Rasa's sender id.
        cursor: Where the last reading of this sender ended.
    """
    first = _first_new(events, cursor)
    started_ms = cursor.started_ms if cursor is not None and first else None
    channel = _channel_before(events, first)
    sessions: list[SessionTurns] = []
    messages: list[Message] = []
    for index in range(first, len(events)):
        event = events[index]
        if not isinstance(event, dict):
            continue
        kind = event.get("event")
        if kind == "session_started":
            if messages:
                sessions.append(SessionTurns(started_ms, tuple(messages)))
                messages = []
            started_ms = milliseconds(event)
        elif kind == "user":
            channel = kustomer_channel(event.get("input_channel"))
            messages += _user(events, index, sender_id, channel)
        elif kind == "bot":
            messages += _bot(events, index, sender_id, channel)
    if messages:
        sessions.append(SessionTurns(started_ms, tuple(messages)))
    last = len(events) - 1
    marker = _marker(events[last]) if events else None
    reached = Cursor((*marker, _ordinal(events, last)), started_ms) if marker else cursor
    return Reading(tuple(sessions), reached)


def _first_new(events: Sequence[Any], cursor: Cursor | None) -> int:
    if cursor is not None:
        for index in range(len(events) - 1, -1, -1):
            if _marker(events[index]) == cursor.marker[:2] and _ordinal(events, index) == cursor.marker[2]:
                return index + 1
    return 0


def _marker(event: object) -> tuple[object, object] | None:
    return (event.get("event"), event.get("timestamp")) if isinstance(event, dict) else None


def _channel_before(events: Sequence[Any], first: int) -> str:
    for index in range(first - 1, -1, -1):
        event = events[index]
        if isinstance(event, dict) and event.get("event") == "user":
            return kustomer_channel(event.get("input_channel"))
    for event in events[first:]:
        if isinstance(event, dict) and event.get("event") == "user":
            return kustomer_channel(event.get("input_channel"))
    return DEFAULT


def _user(events: Sequence[Any], index: int, sender_id: str, channel: str) -> list[Message]:
    event = events[index]
    text = clean(event.get("text"))
    metadata = event.get("metadata")
    if not text or text == "/session_start" or text.startswith("EXTERNAL: "):
        return []
    if isinstance(metadata, dict) and (metadata.get("is_external") or _from_kustomer(metadata)):
        return []
    if text.startswith("/"):
        text = _button_title(events, index, text) or text
    message_id = event.get("message_id")
    if isinstance(message_id, (str, int)) and clean(str(message_id)):
        key = keys.user_key(sender_id, clean(str(message_id)))
    else:
        key = keys.event_key(sender_id, "u", _microseconds(event), _ordinal(events, index))
    return _parts(key, "in", text, event, channel, None)


def _bot(events: Sequence[Any], index: int, sender_id: str, channel: str) -> list[Message]:
    event = events[index]
    metadata = event.get("metadata")
    if isinstance(metadata, dict) and _from_kustomer(metadata):
        return []
    key = keys.event_key(sender_id, "", _microseconds(event), _ordinal(events, index))
    action = metadata.get("utter_action") if isinstance(metadata, dict) else None
    return _parts(key, "out", bot_text(event), event, channel, action if isinstance(action, str) else None)


def _parts(  # noqa: PLR0917 - the fields of a Message, in their order
    key: str, direction: Literal["in", "out"], text: str, event: Event, channel: str, action: str | None
) -> list[Message]:
    at_ms = milliseconds(event) or 0
    return [
        Message(keys.part_key(key, number), direction, part, at_ms, channel, action)
        for number, part in enumerate(split(text), start=1)
    ]


def _from_kustomer(metadata: Mapping[str, Any]) -> bool:
    """Whether an agent said it in Kustomer, where it stands already."""
    nested = metadata.get("metadata")
    return any(
        one.get("source") == "kustomer" or bool(one.get("kustomer_message_id"))
        for one in (metadata, nested)
        if isinstance(one, dict)
    )


def _button_title(events: Sequence[Any], index: int, payload: str) -> str | None:
    """Title of the latest button that sends this payload."""
    for position in range(index - 1, -1, -1):
        event = events[position]
        if not isinstance(event, dict) or event.get("event") != "bot":
            continue
        data = event.get("data")
        if not isinstance(data, dict):
            continue
        for name in ("buttons", "quick_replies"):
            offered = data.get(name)
            for button in offered if isinstance(offered, list) else ():
                if isinstance(button, dict) and button.get("payload") == payload:
                    return clean(button.get("title")) or None
    return None


def _ordinal(events: Sequence[Any], index: int) -> int:
    """How many events of the same kind and time come before."""
    marker, moment, ordinal = _marker(events[index]), _seconds(events[index]), 0
    for position in range(index - 1, -1, -1):
        event = events[position]
        if isinstance(event, dict) and 0.0 < _seconds(event) < moment:
            break  # events are in the order of their times, but for those that were added by hand
        ordinal += _marker(event) == marker
    return ordinal


def _seconds(event: Event) -> float:
    value = event.get("timestamp")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
        return 0.0
    return min(max(float(value), 0.0), _LATEST_SECONDS)


def milliseconds(event: Event) -> int | None:
    """Time of an event in epoch milliseconds; None when it has no usable one."""
    return int(_seconds(event) * 1000) or None


def _microseconds(event: Event) -> int:
    return round(_seconds(event) * 1_000_000)
