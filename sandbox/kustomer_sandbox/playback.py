"""Speaks to an action server as a Rasa server does, so that the demo needs no trained bot.

Requests and events have the shapes that Rasa 3.6 sends (Rasa notes, The wire and Events).
"""

import time
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import httpx

INPUT_CHANNEL = "rest"


class Playback:
    """One conversation: keeps the tracker, calls the actions, applies what they return.

    Args:
        http: Client whose base URL is the action server.
        sender_id: The conversation's id.
        domain: Domain as Rasa would send it.
        metadata: What the channel knows of the user.
    """

    def __init__(
        self, http: httpx.AsyncClient, sender_id: str, domain: Mapping[str, Any], metadata: Mapping[str, Any]
    ) -> None:
        self._http, self._sender_id, self._domain, self._metadata = http, sender_id, domain, metadata
        self._events: list[dict[str, Any]] = []
        self._latest: dict[str, Any] = {"intent": {}, "entities": [], "text": None, "message_id": None, "metadata": {}}
        self.slots: dict[str, Any] = dict.fromkeys(domain["slots"])
        if metadata:
            self._apply({"event": "slot", "name": "session_started_metadata", "value": metadata})

    def user_says(self, text: str, intent: str) -> None:
        """The user types something that was understood as an intent."""
        understood = {"intent": {"name": intent, "confidence": 0.97}, "entities": [], "text": text}
        self._latest = {**understood, "message_id": uuid4().hex, "metadata": self._metadata}
        event = {"event": "user", "text": text, "parse_data": self._latest, "input_channel": INPUT_CHANNEL}
        self._apply({**event, "message_id": self._latest["message_id"]})

    def bot_says(self, text: str) -> str:
        """The bot utters something of its own; returns the text."""
        data = dict.fromkeys(("elements", "quick_replies", "attachment", "image", "custom", "buttons"))
        self._apply({"event": "bot", "text": text, "data": data})
        return text

    async def call(self, action: str) -> list[str]:
        """Run a custom action and apply its answer; returns what the bot says.

        Raises:
            httpx.HTTPError: The action server did not answer with success.
        """
        answer = await self._http.post("/webhook", json=self._request(action))
        answer.raise_for_status()
        self._apply({"event": "action", "name": action, "policy": None, "confidence": 1.0})
        said = [self.bot_says(self._text_of(response)) for response in answer.json()["responses"]]
        for event in answer.json()["events"]:
            self._apply(event)
        return said

    def _text_of(self, response: Mapping[str, Any]) -> str:
        variations = self._domain["responses"].get(response.get("response")) or [{}]
        text = str(response.get("text") or variations[0].get("text") or "")
        return text.format_map({**{k: v for k, v in self.slots.items() if v is not None}, **response})

    def _request(self, action: str) -> dict[str, Any]:
        tracker: dict[str, Any] = {"sender_id": self._sender_id, "slots": self.slots, "events": self._events}
        tracker |= {"latest_message": self._latest, "latest_event_time": time.time(), "followup_action": None}
        tracker |= {"paused": False, "latest_input_channel": INPUT_CHANNEL, "active_loop": {}}
        tracker |= {"latest_action": {}, "latest_action_name": None}
        request = {"next_action": action, "sender_id": self._sender_id, "version": "3.6.21"}
        return {**request, "tracker": tracker, "domain": self._domain}

    def _apply(self, event: Mapping[str, Any]) -> None:
        stamped = {**event, "timestamp": event.get("timestamp") or time.time(), "metadata": {"model_id": "demo"}}
        self._events.append(stamped)
        if event["event"] == "slot":
            self.slots[event["name"]] = event["value"]
