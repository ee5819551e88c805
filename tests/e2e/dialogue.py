"""A user who talks to the bot over the REST channel and remembers what was said."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import httpx
from tests.e2e.services import eventually

Turn = tuple[str, str]  # "in" or "out", and the text
Row = dict[str, Any]

SHOWN: dict[str, list[Turn]] = {}  # what Kustomer was seen to hold, by sender


class Dialogue:
    """One conversation; `said` is what Kustomer must show in the end.

    Args:
        rasa: The Rasa server.
        sender_id: Rasa's id of the conversation.
        metadata: What the channel sends with each message.
    """

    def __init__(self, rasa: httpx.Client, sender_id: str, metadata: Mapping[str, Any] | None = None) -> None:
        self.sender_id = sender_id
        self.said: list[Turn] = []
        self._metadata = metadata
        self._http = rasa

    def say(self, text: str, shown_as: str | None = None) -> list[dict[str, Any]]:
        """Say something; returns the bot's messages.

        Args:
            text: What is sent.
            shown_as: What an agent reads, when it is another text (the title of a button).
        """
        body = {"sender": self.sender_id, "message": text} | ({"metadata": self._metadata} if self._metadata else {})
        answer = self._http.post("/webhooks/rest/webhook", json=body)
        answer.raise_for_status()
        messages: list[dict[str, Any]] = answer.json()
        self.said.append(("in", shown_as or text))
        for message in messages:
            if message.keys() == {"recipient_id", "image"}:  # this channel sends a message's image by itself
                self.said[-1] = ("out", f"{self.said[-1][1]}\nImage: {message['image']}")
            else:
                self.said.append(("out", as_read(message)))
        return messages

    def hear(self, text: str) -> str:
        """Say something; returns the bot's texts, joined."""
        return "\n".join(message["text"] for message in self.say(text) if "text" in message)

    @property
    def slots(self) -> dict[str, Any]:
        """The slots as the Rasa server has them."""
        slots: dict[str, Any] = self._tracker()["slots"]
        return slots

    @property
    def last_said_at(self) -> float:
        """When the user last said something, epoch seconds by Rasa's clock."""
        return max(float(event["timestamp"]) for event in self._tracker()["events"] if event["event"] == "user")

    def _tracker(self) -> dict[str, Any]:
        answer = self._http.get(f"/conversations/{self.sender_id}/tracker")
        answer.raise_for_status()
        tracker: dict[str, Any] = answer.json()
        return tracker


def as_read(message: Mapping[str, Any]) -> str:
    """A bot's message of the REST channel as an agent should read it."""
    lines = [message.get("text", ""), message.get("custom", {}).get("text", "")]
    lines.append(" ".join(f"[{button['title']}]" for button in message.get("buttons", [])))
    return "\n".join(line for line in lines if line)


class Desk:
    """What the agents see of one sender in Kustomer.

    Args:
        kustomer: Address of the sandbox, which must be up when something is asked.
        sender_id: Rasa's id of the conversation.
    """

    def __init__(self, kustomer: str, sender_id: str) -> None:
        self._kustomer, self._sender_id, self._prefix = kustomer, sender_id, f"rasa:{sender_id}:"

    @property
    def conversations(self) -> list[Row]:
        """The sender's conversations, oldest first."""
        return [row for row in self._rows("conversations") if str(row.get("externalId")).startswith(self._prefix)]

    @property
    def messages(self) -> list[Row]:
        """The messages of all the sender's conversations, by the time at which they were said."""
        wanted = {row["id"] for row in self.conversations}
        return sorted(self._of("messages", wanted), key=lambda row: str(row["sentAt"]))

    def notes(self, conversation: Row) -> list[Row]:
        """The conversation's notes."""
        return self._of("notes", {conversation["id"]})

    def customer(self, conversation: Row) -> Row:
        """Whose conversation it is."""
        return next(row for row in self._rows("customers") if row["id"] == conversation["customer"])

    def team(self, name: str) -> Row:
        """A team by its name."""
        return next(row for row in self._rows("teams") if row["name"] == name)

    def shows(self, said: list[Turn], seconds: float = 30) -> None:
        """Assert that in the end every turn is there once, in order, and nothing else."""
        eventually(lambda: len(self.messages) >= len(said), f"{self._prefix} has {len(said)} messages", seconds)
        messages = self.messages
        assert [(row["direction"], row["preview"]) for row in messages] == said
        sent = [row["sentAt"] for row in messages]
        assert all(earlier < later for earlier, later in pairwise(sent)), sent
        assert len({row["externalId"] for row in messages}) == len(messages)
        SHOWN[self._sender_id] = list(said)

    def ticket(self, seconds: float = 30) -> Row:
        """The sender's conversation that was handed off: the one with a team."""
        return eventually(
            lambda: next((row for row in self.conversations if row["assignedTeams"]), None),
            f"{self._prefix} is handed off",
            seconds,
        )

    def _of(self, kind: str, conversations: set[str]) -> list[Row]:
        return [row for row in self._rows(kind) if row["conversation"] in conversations]

    def _rows(self, kind: str) -> list[Row]:
        rows: list[Row] = httpx.get(f"{self._kustomer}/sandbox/state", timeout=10).json()[kind]
        return rows
