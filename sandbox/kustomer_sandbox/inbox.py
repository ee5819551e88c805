"""What the desk page shows, computed from the rows: an inbox, and one conversation with its customer."""

from typing import Any

from kustomer_sandbox.state import State
from kustomer_sandbox.tables import Row

PRIORITY_WORDS = {1: "Lowest", 2: "Low", 3: "Medium", 4: "High", 5: "Urgent"}
MAX_IN_INBOX = 300
MAX_OTHERS = 10
SECTIONS = ("waiting", "answered", "snoozed", "parked", "done")


def inbox(state: State) -> list[dict[str, Any]]:
    """The conversations in the order of an agent's day: who waits, most urgent and longest first; then the latest."""
    rows = sorted(state.conversations.values(), key=lambda row: str(row["lastActivityAt"]), reverse=True)
    entries = [_entry(state, row) for row in rows[:MAX_IN_INBOX]]
    waiting = [entry for entry in entries if entry["section"] == "waiting"]
    waiting.sort(key=lambda entry: (-entry["priority"], entry["waitingSince"]))
    return waiting + [entry for section in SECTIONS[1:] for entry in entries if entry["section"] == section]


def opened(state: State, conversation_id: str) -> dict[str, Any] | None:
    """One conversation with timeline and customer; None when there is no such conversation."""
    row = state.conversations.get(conversation_id)
    if row is None:
        return None
    entry = _entry(state, row)
    return {**entry, "timeline": _timeline(state, row, entry["who"]), "customer": _customer(state, row)}


def _waiting_since(timeline: list[Row]) -> str | None:
    """When the customer last said something that no human has answered; the bot's words do not count."""
    since: str | None = None
    for message in timeline:
        if _speaker(message) == "agent":
            since = None
        elif message["direction"] == "in":
            since = since or str(message["sentAt"])
    return since


def _section(state: State, row: Row, since: str | None) -> str:
    if row["status"] != "open":
        return str(row["status"])
    if state.machine_user["id"] in row["assignedUsers"]:  # so that routing leaves it alone while the bot talks
        return "parked"
    return "waiting" if since else "answered"


def _entry(state: State, row: Row) -> dict[str, Any]:
    timeline = state.timeline(row["id"])
    since = _waiting_since(timeline)
    section = _section(state, row, since)
    owner = state.customers.get(row["customer"])
    shown = {name: row[name] for name in ("id", "status", "priority", "channels", "externalId", "lastActivityAt")}
    return shown | {
        "subject": row["name"] or (str(timeline[0]["preview"])[:120] if timeline else ""),
        "who": owner["displayName"] if owner else "Deleted customer",
        "section": section,
        "priorityWord": PRIORITY_WORDS[row["priority"]],
        "teams": [state.teams[team]["name"] for team in row["assignedTeams"]],
        "agents": [state.users[user]["name"] for user in row["assignedUsers"]],
        "team": next(iter(row["assignedTeams"]), None),
        "tags": state.tag_names(row),
        "waitingSince": since if section == "waiting" else None,
        "lastText": str(timeline[-1]["preview"] or "")[:160] if timeline else "",
        "lastBy": _speaker(timeline[-1]) if timeline else None,
    }


def _speaker(message: Row) -> str:
    return "customer" if message["direction"] == "in" else "bot" if message["auto"] else "agent"


def _timeline(state: State, row: Row, who: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = [
        {
            "id": message["id"],
            "kind": _speaker(message),
            "text": message["preview"] or message.get("subject") or "",
            "at": message["sentAt"],
            "by": who if message["direction"] == "in" else _author(state, message),
        }
        for message in state.timeline(row["id"])
    ]
    for note in state.notes.where("conversation", row["id"]):
        by = _author(state, note)
        entries.append({"id": note["id"], "kind": "note", "text": note["body"], "at": note["createdAt"], "by": by})
    return sorted(entries, key=lambda entry: str(entry["at"]))


def _author(state: State, row: Row) -> str:
    user = state.users.get(row["createdBy"])
    return str(user["name"]) if user else "Unknown"


def _customer(state: State, row: Row) -> dict[str, Any] | None:
    owner = state.customers.get(row["customer"])
    if owner is None:
        return None
    others = [one for one in state.conversations.where("customer", owner["id"]) if one["id"] != row["id"]]
    return {
        "name": owner["displayName"],
        "emails": [entry["email"] for entry in owner["emails"]],
        "phones": [entry["phone"] for entry in owner["phones"]],
        "externalIds": [entry["externalId"] for entry in owner["externalIds"]],
        "tags": state.tag_names(owner),
        "others": [
            {"id": other["id"], "subject": other["name"] or "No subject", "status": other["status"]}
            for other in others[: -MAX_OTHERS - 1 : -1]
        ],
    }
