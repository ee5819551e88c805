"""Requests as Rasa sends them, with any number of turns, made from a captured one."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

CAPTURE = Path(__file__).parents[1] / "tests" / "compat" / "action_listen.json"
TURN_SECONDS = 20.0


class Payloads:
    """Builds requests whose event list grows by the events of a captured turn, as if the sessions began just now.

    Args:
        metadata: What the channel knows of the visitor, with each message.
    """

    def __init__(self, metadata: Mapping[str, Any] | None = None) -> None:
        self._call: dict[str, Any] = json.loads(CAPTURE.read_text(encoding="utf-8"))
        self._metadata = self._call["tracker"]["latest_message"]["metadata"] if metadata is None else dict(metadata)
        events = self._call["tracker"]["events"]
        later = time.time() - events[0]["timestamp"]
        for event in events:
            event["timestamp"] += later
            if event["event"] == "user":
                event["metadata"] |= self._metadata
                event["parse_data"]["metadata"] = self._metadata
            elif event["event"] == "slot":  # the captured ones are all of the session's metadata
                event["value"] = self._metadata
        first_user = next(position for position, event in enumerate(events) if event["event"] == "user")
        self._head, self._turn = events[:first_user], events[first_user:]
        self._slot = next(event for event in events if event["event"] == "slot")

    def request(self, sender_id: str, turns: int) -> bytes:
        """An HTTP request for `action_listen`, ready to send."""
        body = self.body(sender_id, turns)
        head = f"POST /webhook HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        return f"{head}\r\n\r\n".encode() + body

    def session_start(self, sender_id: str) -> bytes:
        """The JSON of a request for `action_session_start`, the first of a conversation."""
        tracker = {**self._tracker(sender_id), "events": self._head[:1], "latest_input_channel": None}
        nothing: dict[str, Any] = {"intent": {}, "entities": [], "text": None, "message_id": None, "metadata": {}}
        call = {**self._call, "next_action": "action_session_start", "sender_id": sender_id}
        return json.dumps(call | {"tracker": tracker | {"latest_message": nothing}}).encode()

    def _tracker(self, sender_id: str) -> dict[str, Any]:
        captured = self._call["tracker"]
        told = {
            "slots": {**captured["slots"], "session_started_metadata": self._metadata},
            "latest_message": {**captured["latest_message"], "metadata": self._metadata},
        }
        return {**captured, **told, "sender_id": sender_id}

    def body(self, sender_id: str, turns: int) -> bytes:
        """The JSON of a request for `action_listen`."""
        events = [dict(event) for event in self._head]
        for number in range(turns):
            events += [
                self._moved(event, sender_id, number) for event in (*self._turn, self._listen(), self._slot, self._slot)
            ]
        tracker = {**self._tracker(sender_id), "events": events}
        return json.dumps(
            {**self._call, "next_action": "action_listen", "sender_id": sender_id, "tracker": tracker}
        ).encode()

    def _listen(self) -> dict[str, Any]:
        return {**next(event for event in self._turn if event["event"] == "action"), "name": "action_listen"}

    def _moved(self, event: dict[str, Any], sender_id: str, number: int) -> dict[str, Any]:
        moved = {**event, "timestamp": event["timestamp"] + number * TURN_SECONDS}
        if event["event"] == "user":
            moved["message_id"] = uuid5(NAMESPACE_URL, f"{sender_id}-{number}").hex  # in Rasa's own form
            moved["text"] = f"{event['text']} {number}"
        return moved
