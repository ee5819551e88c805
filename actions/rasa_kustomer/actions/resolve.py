"""The bot solved it."""

from rasa_kustomer.actions.base import Call, Events, KustomerAction


class ActionKustomerResolve(KustomerAction):
    """Closes the mirrored conversation as done. A conversation that a human has is left to the human."""

    action_name = "action_kustomer_resolve"

    async def execute(self, call: Call) -> Events:
        """Queue the closing behind the turns so far."""
        session = await call.catch_up()
        if session is not None:
            turn = call.latest_message.get("message_id") or len(call.events)
            await call.plugin.close(session, call.identity, turn)
        return []
