"""Turns onto the timeline: at the end of every turn, or where a story says so."""

from rasa_kustomer.actions.base import Call, Events, KustomerAction


class _Recording(KustomerAction):  # abstract still: it has no name
    async def act(self, call: Call) -> Events:
        await call.record_turns()
        return []


class ActionListen(_Recording):
    """Rasa's own `action_listen`, which runs at the end of every turn; records what is new and returns at once.

    By then the tracker holds all of the turn's bot messages (Rasa notes, Hooks that run on every turn).
    """

    def name(self) -> str:
        """Rasa's name for it."""
        return "action_listen"


class ActionKustomerMirror(_Recording):
    """The same in a story, for bots that do not override `action_listen`."""

    def name(self) -> str:
        """Name in stories and rules."""
        return "action_kustomer_mirror"
