"""A conversation as Rasa has it, at the clock of the world."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from tests.actions.bot import Bot
from tests.golden.one_lane import World

WAITING = {
    "action_session_start",
    "action_kustomer_handoff",
    "action_kustomer_identify",
    "action_kustomer_ticket_status",
}  # for Kustomer, so they take a time that is not always quite the same
QUIET_SECONDS = 0.001  # they pass when all is done that can be done now, in however many steps


class Chat(Bot):
    """One conversation with a bot, at the clock's time; what the user hears and what the bot knows is noted."""

    def __init__(self, sender: str, world: World, note: Callable[..., None]) -> None:
        super().__init__(sender)
        self._world, self._note = world, note
        self.age_seconds = 0.0  # how long ago it is

    def apply(self, event: str, **fields: Any) -> None:
        self._world.pass_to(1.0)
        self.events.append({"event": event, "timestamp": time.time() - self.age_seconds, **fields})

    async def call(self, name: str, **tracker: Any) -> list[dict[str, Any]]:
        before = len(self.said)
        events = await super().call(name, **tracker)
        await asyncio.sleep(QUIET_SECONDS)
        slots = {event["name"]: event["value"] for event in events if event["event"] == "slot"}
        if slots:
            self._note(action=name, slots=slots)
        for message in self.said[before:]:
            self._note(hears=message["text"])
        if name in WAITING:
            self._world.pass_to(5.0)
        return events

    async def starts(self) -> None:
        """Rasa starts the session by our action, as it does for the first message."""
        for event in await self.call("action_session_start"):
            kind = event.pop("event")
            self.apply(kind, **{name: value for name, value in event.items() if name != "timestamp"})

    async def says(self, *texts: str) -> None:
        """Whole turns, each answered by the bot and with the hook at its end."""
        for text in texts:
            await self.turn(text, f"You said: {text}")

    async def wants_a_human(self, text: str = "I want a human") -> None:
        """A turn that ends in a handoff."""
        self.user(text, "human_handoff")
        await self.call("action_kustomer_handoff")

    async def starts_with_a_handoff(self) -> None:
        """Nothing was said before."""
        self.start()
        await self.wants_a_human()

    async def is_done(self) -> None:
        """The bot closes the chat."""
        self.user("thanks", "thanks")
        await self.call("action_kustomer_resolve")
