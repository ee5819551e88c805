"""Turns onto the timeline: at the end of every turn, or where a story says so."""

from rasa_kustomer.actions.base import Call, Events, KustomerAction


class ActionListen(KustomerAction):
    """Rasa's own `action_listen`, which runs at the end of every turn; records what is new and returns at once.

    By then the tracker holds all of the turn's bot messages (Rasa notes, Hooks that run on every turn).
    """

    action_name = "action_listen"

    async def execute(self, call: Call) -> Events:
        """Record; there is nothing to tell Rasa."""
        await call.plugin.record_turns(call.turns)
        return []


class ActionKustomerMirror(ActionListen):
    """The same in a story, for bots that do not override `action_listen`."""

    action_name = "action_kustomer_mirror"
