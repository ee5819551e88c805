"""Conversations: the ticket that agents work on, its tags and its state machine."""

from collections.abc import Mapping
from typing import Any

from kustomer_sandbox.calls import (
    Answer,
    Call,
    Operation,
    Org,
    check_external_id,
    page,
    resource,
    roles,
    row_at,
    take_id,
)
from kustomer_sandbox.changes import apply, authored, dates_normalised, is_replacement
from kustomer_sandbox.errors import bad, missing
from kustomer_sandbox.shapes import CONVERSATION_CREATE, CONVERSATION_UPDATE
from kustomer_sandbox.tables import Row

DEFAULT_PRIORITY = 3


def create(org: Org, call: Call) -> Answer:
    """`POST /v1/conversations` and `POST /v1/customers/{id}/conversations`."""
    body = call.body
    if "id" in call.params and isinstance(body, dict):
        owner = row_at(org, "customers", call)["id"]
        if body.get("customer", owner) != owner:
            raise bad("customer", "should be the customer of the path")
        body = {**body, "customer": owner}
    row = create_conversation(org, call, body)
    return Answer(201, {"data": resource(org, "conversations", row)})


def create_conversation(org: Org, call: Call, body: Any) -> Row:
    """Checks a create body, counts it against the customer's minute, and stores the conversation."""
    body = CONVERSATION_CREATE.check(body, org.state, org.rules)
    _check_assignees(org, body)
    check_external_id(org, "conversations", body)
    row = {**_blank(org, call), "id": take_id(org, "conversations", body)}
    row.update(dates_normalised(body))
    if "importedAt" not in body:
        org.limits.take("conversations", row["customer"])
    _count_status(row, None)
    return org.state.put("conversations", row)


def get(org: Org, call: Call) -> Answer:
    """`GET /v1/conversations/{id}`."""
    return Answer(200, {"data": resource(org, "conversations", row_at(org, "conversations", call))})


def find(org: Org, call: Call) -> Answer:
    """`GET /v1/conversations/externalId={value}`; with doubles, the oldest."""
    found = org.state.conversations.where("externalId", call.params["value"])
    if not found:
        raise missing("externalId")
    return Answer(200, {"data": resource(org, "conversations", found[0])})


def listing(org: Org, call: Call) -> Answer:
    """`GET /v1/conversations`."""
    return page(org, call, "conversations", list(org.state.conversations.values()))


def update(org: Org, call: Call) -> Answer:
    """`PATCH` and `PUT /v1/conversations/{id}`."""
    row = row_at(org, "conversations", call)
    body = CONVERSATION_UPDATE.check(call.body, org.state, org.rules)
    change_conversation(org, row, body, call.actor, replacing=_blank(org, call) if is_replacement(call) else None)
    return Answer(200, {"data": resource(org, "conversations", row)})


def change_conversation(
    org: Org, row: Row, body: Mapping[str, Any], actor: str, *, replacing: Row | None = None
) -> None:
    """Applies an update that has the right shape.

    Raises:
        Refusal: 400 for a snooze without its time, a refused assignee or a refused move.
    """
    _check_assignees(org, body)
    check_external_id(org, "conversations", body, row["id"])
    if body.get("status") == "snoozed" and "snooze" not in body:
        raise bad("snooze", "a snoozed conversation needs a snooze object")
    changes = dates_normalised(body)
    if "custom" in changes:
        changes["custom"] = {**({} if replacing else row["custom"]), **changes["custom"]}
    if body.get("customer", row["customer"]) != row["customer"]:
        _move(org, row, body["customer"])
    before = row["status"]
    if replacing:
        kept = ("id", "customer", "createdAt", "createdBy", "rev")
        row.update({name: value for name, value in replacing.items() if name not in kept})
    apply(row, changes, org.state.now(), actor)
    _count_status(row, before)
    org.state.put("conversations", row)


def reopen(org: Org, row: Row) -> None:
    """What a customer's reply does to a snoozed or done conversation."""
    if row["status"] != "open":
        before, row["status"] = row["status"], "open"
        row.pop("snooze", None)
        row["reopenCount"] += before == "done"
        row["lastActivityAt"] = org.state.now()


def delete(org: Org, call: Call) -> Answer:
    """`DELETE /v1/conversations/{id}`, with its messages and notes."""
    row = row_at(org, "conversations", call)
    for kind in ("messages", "notes"):
        for child in org.state.table(kind).where("conversation", row["id"]):
            org.state.drop(kind, child["id"])
    org.state.drop("conversations", row["id"])
    return Answer(204)


def tag(org: Org, call: Call) -> Answer:
    """`POST` and `DELETE /v1/conversations/{id}/tags` with a bare array of names; unknown names are created."""
    row = row_at(org, "conversations", call)
    names = call.body
    if not isinstance(names, list) or not all(isinstance(name, str) and name.strip() for name in names):
        raise bad("body", "should be an array of tag names")
    if call.method == "POST":
        changed = list(dict.fromkeys([*row["tags"], *(_tag_id(org, name) for name in names)]))
    else:
        changed = [tag_id for tag_id in row["tags"] if org.state.tags[tag_id]["name"] not in names]
    apply(row, {"tags": changed}, org.state.now(), call.actor)
    org.state.put("conversations", row)
    return Answer(200, {"data": resource(org, "conversations", row)})


def _tag_id(org: Org, name: str) -> str:
    found = org.state.tags.where("name", name)
    row = found[0] if found else org.state.put("tags", {"id": org.state.new_id(), "name": name})
    return str(row["id"])


def _blank(org: Org, call: Call) -> Row:
    written = authored(org, call)
    row: Row = {"externalId": None, "name": None, "status": "open", "priority": DEFAULT_PRIORITY, "direction": None}
    row |= {name: [] for name in ("channels", "tags", "assignedUsers", "assignedTeams")}
    row |= dict.fromkeys(("messageCount", "inboundMessageCount", "outboundMessageCount", "noteCount"), 0)
    row |= {"doneCount": 0, "reopenCount": 0, "custom": {}, "lastActivityAt": written["createdAt"]}
    return {**row, **written}


def _check_assignees(org: Org, body: Mapping[str, Any]) -> None:
    machines = {user["id"] for user in org.state.users.values() if user["userType"] == "machine"}
    if not org.rules.bot_assignable and machines.intersection(body.get("assignedUsers", ())):
        raise bad("assignedUsers", "/assignedUsers machine users cannot be assigned")


def _move(org: Org, row: Row, customer: str) -> None:
    if not org.rules.customer_movable:
        raise bad("customer", "/customer cannot be changed")
    for kind in ("messages", "notes"):
        for child in org.state.table(kind).where("conversation", row["id"]):
            org.state.put(kind, {**child, "customer": customer})


def _count_status(row: Row, before: str | None) -> None:
    now = row["updatedAt"]
    if row["status"] == "done" and before != "done":
        row["doneCount"] += 1
        row.setdefault("firstDone", {"createdAt": now})
        row["lastDone"] = {"createdAt": now}
    elif before == "done" and row["status"] == "open":
        row["reopenCount"] += 1
    if row["status"] != "snoozed":
        row.pop("snooze", None)


_READ, _CREATE = roles("conversation", "read"), roles("conversation", "create")
_UPDATE = roles("conversation", "update")
OPERATIONS = (
    Operation("GET", "/v1/conversations", _READ, listing),
    Operation("POST", "/v1/conversations", _CREATE, create),
    Operation("POST", "/v1/customers/{id}/conversations", _CREATE, create),
    Operation("GET", "/v1/conversations/externalId={value}", _READ, find),
    Operation("GET", "/v1/conversations/{id}", _READ, get),
    Operation("PATCH", "/v1/conversations/{id}", _UPDATE, update),
    Operation("PUT", "/v1/conversations/{id}", _UPDATE, update),
    Operation("DELETE", "/v1/conversations/{id}", roles("conversation", "delete"), delete),
    Operation("POST", "/v1/conversations/{id}/tags", _UPDATE, tag),
    Operation("DELETE", "/v1/conversations/{id}/tags", _UPDATE, tag),
)
