"""The bot solved it."""

from rasa_kustomer.actions.base import Call, Events, KustomerAction
from rasa_kustomer.outbox import Kind, NewRecord


class ActionKustomerResolve(KustomerAction):
    """Closes the mirrored conversation as done. A conversation that a human has is left to the human."""

    action_name = "action_kustomer_resolve"

    async def execute(self, call: Call) -> Events:
        """Queue the closing behind the turns so far."""
        session = await call.record_turns()
        await call.recognise()
        if session is None:
            return []
        state = await call.runtime.outbox.session_state(session.key)
        if state and not state["escalated"] and not state["closed"]:
            turn = call.latest_message.get("message_id") or len(call.events)
            await call.record(session, [NewRecord(f"{session.key}:close:{turn}", Kind.CLOSE, {})])
        return []
