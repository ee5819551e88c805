"""What a new sandbox holds: an organisation with teams, agents, a queue and the machine user of the key."""

from kustomer_sandbox.state import State
from kustomer_sandbox.tables import Row

TEAMS = ("Support", "Billing", "Sales", "Technical", "Returns")
AGENTS = ("Dana Whitfield", "Jonas Berg")
MACHINE_USER = "Rasa Assistant"


def seed(state: State, org: str) -> None:
    """Fills an empty state; stored data is left alone."""
    if not state.empty:
        return
    now = state.now()
    dates = {"createdAt": now, "updatedAt": now}
    state.put("org", {"id": state.new_id(), "name": org, "tokenId": state.new_id()})
    agents = [_user(state, name, "user") for name in AGENTS]
    _user(state, MACHINE_USER, "machine")
    for name in TEAMS:
        team: Row = {"id": state.new_id(), "name": name, "displayName": name, "icon": name.lower(), **dates}
        state.put("teams", {**team, "members": [agent["id"] for agent in agents], "deleted": False})
    queue: Row = {"id": state.new_id(), "name": "DEFAULT_QUEUE", "key": "DEFAULT_QUEUE", "displayName": "Default"}
    state.put("queues", {**queue, "priority": 1, "itemSize": 1, "system": True, **dates})
    state.commit()


def _user(state: State, name: str, kind: str) -> Row:
    now = state.now()
    dates = {"createdAt": now, "updatedAt": now}
    return state.put("users", {"id": state.new_id(), "name": name, "displayName": name, "userType": kind, **dates})
