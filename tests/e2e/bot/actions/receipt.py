"""An action of the bot's own, which has nothing to do with Kustomer."""

from typing import Any

from rasa_sdk import Action
from rasa_sdk.executor import CollectingDispatcher


class ActionShowReceipt(Action):  # type: ignore[misc]  # rasa-sdk is not followed by the type checker
    """Says something that only the bot's web page understands."""

    def name(self) -> str:
        """Its name in the domain."""
        return "action_show_receipt"

    async def run(self, dispatcher: CollectingDispatcher, _tracker: Any, _domain: Any) -> list[dict[str, Any]]:
        """Send a payload; it has no text of Rasa's own kind."""
        dispatcher.utter_message(json_message={"type": "receipt", "text": "Your receipt: 12.50 EUR"})
        return []
