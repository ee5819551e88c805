"""(a) The floor: an action that does nothing, on the bare SDK."""

from typing import Any

from rasa_sdk import Action


class ActionListen(Action):  # type: ignore[misc]  # rasa-sdk ships no types
    def name(self) -> str:
        return "action_listen"

    async def run(self, _dispatcher: Any, _tracker: Any, _domain: Any) -> list[dict[str, Any]]:
        return []
