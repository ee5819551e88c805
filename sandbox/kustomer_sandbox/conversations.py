"""Conversations: the ticket that agents work on, its tags and its state machine."""

from collections.abc import Mapping
from typing import Any

from kustomer_sandbox.bodies import CONVERSATION, NEW_CONVERSATION, checked
from kustomer_sandbox.calls import Answer, Call, Org, bad, row_at, shown
from kustomer_sandbox.changes import apply, authored, check_taken, count_against_limit
from kustomer_sandbox.tables import Row

DEFAULT_PRIORITY = 3


def create(org: Org, call: Call) -> Answer:
    """`POST /v1/conversations`."""
    body = checked(org, NEW_CONVERSATION, call.body)
    _check_assignees(org, body)
    check_taken(org, "conversations", body)
    count_against_limit(org, "conversations", body["customer"], body)
    row: Row = {"externalId": None, "name": None, "status": "open", "priority": DEFAULT_PRIORITY, "direction": None}
    row |= {name: [] for name in ("channels", "tags", "assignedUsers", "assignedTeams")}
    row |= dict.fromkeys(("messageCount", "inboundMessageCount", "outboundMessageCount", "noteCount"), 0)
    row |= {"doneCount": 0, "reopenCount": 0, "custom": {}, "lastActivityAt": org.state.now()}
    row |= {**authored(org, call), **body}
    _count_status(row, None)
    return shown(org, "conversations", org.state.put("conversations", row), 201)


def update(org: Org, call: Call) -> Answer:
    """`PATCH /v1/conversations/{id}`."""
    row = row_at(org, "conversations", call)
    change(org, row, call.body, call.actor)
    return shown(org, "conversations", row)


def change(org: Org, row: Row, body: Any, actor: str) -> None:
    """Applies an update.

    Raises:
        Refusal: 400 for a wrong body, a snooze without its time, a refused assignee or a refused move.
    """
    changes = checked(org, CONVERSATION, body)
    _check_assignees(org, changes)
    check_taken(org, "conversations", changes, row["id"])
    if changes.get("status") == "snoozed" and "snooze" not in changes:
        raise bad("snooze", "a snoozed conversation needs a snooze object")
    if "custom" in changes:
        changes["custom"] = {**row["custom"], **changes["custom"]}
    if changes.get("customer", row["customer"]) != row["customer"]:
        _move(org, row, changes["customer"])
    before = row["status"]
    apply(org, "conversations", row, changes, actor)
    _count_status(row, before)


def reopen(row: Row) -> None:
    """What a customer's reply does to a snoozed or done conversation."""
    before, row["status"] = row["status"], "open"
    _count_status(row, before)


def tag(org: Org, call: Call) -> Answer:
    """`POST /v1/conversations/{id}/tags` with a bare array of names; unknown names are created."""
    row = row_at(org, "conversations", call)
    names = call.body
    if not isinstance(names, list) or not all(isinstance(name, str) and name.strip() for name in names):
        raise bad("body", "should be an array of tag names")
    tags = list(dict.fromkeys([*row["tags"], *(_tag_id(org, name) for name in names)]))
    apply(org, "conversations", row, {"tags": tags}, call.actor)
    return shown(org, "conversations", row)


def _tag_id(org: Org, name: str) -> str:
    found = org.state.tags.where("name", name)
    row = found[0] if found else org.state.put("tags", {"id": org.state.new_id(), "name": name})
    return str(row["id"])


def _check_assignees(org: Org, body: Mapping[str, Any]) -> None:
    if not org.rules.bot_assignable and org.state.machine_user["id"] in body.get("assignedUsers", ()):
        raise bad("assignedUsers", "/assignedUsers machine users cannot be assigned")


def _move(org: Org, row: Row, customer: str) -> None:
    if not org.rules.customer_movable:
        raise bad("customer", "/customer cannot be changed")
    for kind in ("messages", "notes"):
        for child in org.state.table(kind).where("conversation", row["id"]):
            org.state.put(kind, {**child, "customer": customer})


def _count_status(row: Row, before: str | None) -> None:
    if row["status"] == "done" and before != "done":
        row["doneCount"] += 1
        row["lastDone"] = {"createdAt": row["updatedAt"]}
        row.setdefault("firstDone", row["lastDone"])
    elif before == "done" and row["status"] == "open":
        row["reopenCount"] += 1
    if row["status"] != "snoozed":
        row.pop("snooze", None)
