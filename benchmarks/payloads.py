"""Requests as Rasa sends them, with any number of turns, made from a captured one."""

import json
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

CAPTURE = Path(__file__).parents[1] / "tests" / "compat" / "action_listen.json"
TURN_SECONDS = 20.0


class Payloads:
    """Builds requests whose event list grows by the events of a captured turn."""

    def __init__(self) -> None:
        self._call: dict[str, Any] = json.loads(CAPTURE.read_text(encoding="utf-8"))
        events = self._call["tracker"]["events"]
        first_user = next(position for position, event in enumerate(events) if event["event"] == "user")
        self._head, self._turn = events[:first_user], events[first_user:]
        self._slot = next(event for event in events if event["event"] == "slot")

    def request(self, sender_id: str, turns: int) -> bytes:
        """An HTTP request for `action_listen`, ready to send."""
        body = self.body(sender_id, turns)
        head = f"POST /webhook HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        return f"{head}\r\n\r\n".encode() + body

    def body(self, sender_id: str, turns: int) -> bytes:
        """Its JSON."""
        events = [dict(event) for event in self._head]
        for number in range(turns):
            events += [
                self._moved(event, sender_id, number) for event in (*self._turn, self._listen(), self._slot, self._slot)
            ]
        tracker = {**self._call["tracker"], "sender_id": sender_id, "events": events}
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
