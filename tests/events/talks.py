"""Conversations as Rasa's tracker and its event broker tell them."""

import json
import random
from typing import Any

MODEL = {"model_id": "m", "assistant_id": "a"}


class Talk:
    """One sender's events; `events` is what the hook's tracker holds at the end of each turn.

    Args:
        sender: Sender id.
        dice: Decides what is said.
    """

    def __init__(self, sender: str, dice: random.Random) -> None:
        self.sender, self._dice = sender, dice
        self.events: list[dict[str, Any]] = []
        self._at = 1_795_330_500.0 + dice.random()
        self._number = 0

    def _add(self, event: str, **fields: Any) -> None:
        self._at += self._dice.choice([0.0, 0.000_002, 0.01, 1.5])
        self.events.append({"event": event, "timestamp": self._at, "metadata": MODEL, **fields})

    def start(self) -> int:
        """A new session; returns where its events begin."""
        self._at += 4_000.0
        begin = len(self.events)
        metadata = {"customer_id": f"crm-{self.sender}", "name": "Ann"}
        self._add("slot", name="session_started_metadata", value=metadata)
        self._add("action", name="action_session_start")
        self._add("session_started")
        self._add("slot", name="session_started_metadata", value=metadata)
        if self._dice.random() < 0.5:
            self._bot("Welcome!")
        self._add("action", name="action_listen")
        return begin

    def turn(self, text: str | None = None) -> None:
        """What the customer says, and the bot's answers."""
        self._number += 1
        self._at += 5.0
        text = text or self._dice.choice(["hello", "/choose{}", "EXTERNAL: remind", "späť 🙂", "hello"])
        message_id = None if text.startswith("EXTERNAL") else f"{self._number:032x}"
        parsed = {"intent": {"name": "x"}, "metadata": {}, "text": text, "message_id": message_id}
        self._add("user", text=text, message_id=message_id, input_channel="rest", parse_data=parsed)
        for number in range(self._dice.randrange(4)):
            self._bot(f"answer {self._number}.{number}")
        self._add("action", name=self._dice.choice(["action_listen"] * 5 + ["utter_bye"]))

    def _bot(self, text: str) -> None:
        buttons = [{"title": "Choose me", "payload": "/choose{}"}] if self._dice.random() < 0.3 else []
        self._add("bot", text=text, data={"buttons": buttons})

    def published(self, begin: int = 0) -> list[bytes]:
        """The broker's messages from an event on."""
        return [json.dumps({"sender_id": self.sender, **event}).encode() for event in self.events[begin:]]
