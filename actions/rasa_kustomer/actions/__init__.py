"""The custom actions: point Rasa's action server here, or import everything into a bot's own `actions`."""

from rasa_kustomer import server
from rasa_kustomer.actions.handoff import ActionKustomerHandoff
from rasa_kustomer.actions.identify import ActionKustomerIdentify
from rasa_kustomer.actions.mirror import ActionKustomerMirror, ActionListen
from rasa_kustomer.actions.resolve import ActionKustomerResolve
from rasa_kustomer.actions.session_start import ActionSessionStart
from rasa_kustomer.actions.ticket_status import ActionKustomerTicketStatus

__all__ = [
    "ActionKustomerHandoff",
    "ActionKustomerIdentify",
    "ActionKustomerMirror",
    "ActionKustomerResolve",
    "ActionKustomerTicketStatus",
    "ActionListen",
    "ActionSessionStart",
]

server.register()
