"""Calls the actions as rasa-sdk does, with trackers as Rasa sends them."""

import asyncio
from collections.abc import Mapping
from typing import Any

from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher

from rasa_kustomer import actions, runtime
from rasa_kustomer.actions.base import KustomerAction

BY_NAME: dict[str, KustomerAction] = {}
for _name in actions.__all__:
    _action = getattr(actions, _name)()
    BY_NAME[_action.name()] = _action

PATIENCE_SECONDS = 120.0


class Bot:
    """One conversation with a bot: its tracker, and what the bot said."""

    def __init__(self, sender: str = "ann", domain: Mapping[str, Any] | None = None) -> None:
        self.sender = sender
        self.domain = dict(domain or {})
        self.events: list[Any] = []
        self.slots: dict[str, Any] = {}
        self.metadata: dict[str, Any] = {}
        self.said: list[dict[str, Any]] = []
        self.latest: Any = {}
        self._at = 1_795_330_500.0

    def apply(self, event: str, **fields: Any) -> None:
        self._at += 1.0
        self.events.append({"event": event, "timestamp": self._at, **fields})

    def start(self, metadata: dict[str, Any] | None = None) -> None:
        """A session that Rasa has started."""
        if metadata is not None:
            self.slots["session_started_metadata"] = metadata
        self.apply("action", name="action_session_start")
        self.apply("session_started")
        self.apply("action", name="action_listen")

    def user(self, text: str, intent: str = "inform", **fields: Any) -> None:
        message_id = f"{self.sender}-{len(self.events)}"
        self.latest = {
            "intent": {"name": intent, "confidence": 0.9},
            "text": text,
            "message_id": message_id,
            "metadata": self.metadata,
        }
        more = {"input_channel": "rest", "message_id": message_id, "parse_data": self.latest, **fields}
        self.apply("user", text=text, **more)

    def bot(self, text: str) -> None:
        self.apply("bot", text=text, data={}, metadata={})

    async def call(self, name: str, **tracker: Any) -> list[dict[str, Any]]:
        """Run an action; slots that it sets are set."""
        state = {
            "sender_id": self.sender,
            "slots": self.slots,
            "latest_message": self.latest,
            "events": self.events,
            "active_loop": {},
        }
        dispatcher = CollectingDispatcher()
        events = await BY_NAME[name].run(dispatcher, Tracker.from_dict(state | tracker), self.domain)
        self.said += dispatcher.messages
        for event in events:
            if event["event"] == "slot":
                self.slots[event["name"]] = event["value"]
        return events

    async def turn(self, text: str, answer: str, intent: str = "inform") -> None:
        """A whole turn with the hook at its end."""
        self.user(text, intent)
        self.bot(answer)
        assert await self.call("action_listen") == []


async def delivered(pending: int = 0) -> None:
    """Wait until the outbox is empty, or only so much waits."""
    outbox = runtime.current().outbox
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while (await outbox.counts()).pending > pending:
        assert asyncio.get_running_loop().time() < deadline, await outbox.counts()
        outbox.work_arrived.set()
        outbox.handoff_arrived.set()
        await asyncio.sleep(0.005)
