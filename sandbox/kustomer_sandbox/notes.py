"""Notes: what agents read and customers never see."""

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
from kustomer_sandbox.changes import apply, authored, dates_normalised
from kustomer_sandbox.errors import bad
from kustomer_sandbox.shapes import NOTE_CREATE, NOTE_UPDATE, admin_only
from kustomer_sandbox.tables import Row


def create(org: Org, call: Call) -> Answer:
    """`POST /v1/notes`; every note belongs to one conversation."""
    body = NOTE_CREATE.check(call.body, org.state, org.rules)
    if "conversation" not in body:
        raise bad("conversation", "should have required property conversation", title="Missing required property")
    return _created(org, call, body, org.state.conversations[body["conversation"]])


def create_in_conversation(org: Org, call: Call) -> Answer:
    """`POST /v1/conversations/{id}/notes`."""
    conversation = row_at(org, "conversations", call)
    body = NOTE_CREATE.check(call.body, org.state, org.rules)
    if body.get("conversation", conversation["id"]) != conversation["id"]:
        raise bad("conversation", "should be the conversation of the path")
    return _created(org, call, body, conversation)


def get(org: Org, call: Call) -> Answer:
    """`GET /v1/notes/{id}`."""
    return Answer(200, {"data": resource(org, "notes", row_at(org, "notes", call))})


def listing(org: Org, call: Call) -> Answer:
    """`GET /v1/notes`."""
    return page(org, call, "notes", list(org.state.notes.values()))


def in_conversation(org: Org, call: Call) -> Answer:
    """`GET /v1/conversations/{id}/notes`."""
    row = row_at(org, "conversations", call)
    return page(org, call, "notes", org.state.notes.where("conversation", row["id"]))


def update(org: Org, call: Call) -> Answer:
    """`PATCH` and `PUT /v1/notes/{id}`."""
    row = row_at(org, "notes", call)
    body = NOTE_UPDATE.check(call.body, org.state, org.rules)
    admin_only(body, is_admin=call.is_admin)
    check_external_id(org, "notes", body, row["id"])
    apply(row, dates_normalised(body), org.state.now(), call.actor)
    org.state.put("notes", row)
    return Answer(200, {"data": resource(org, "notes", row)})


def delete(org: Org, call: Call) -> Answer:
    """`DELETE /v1/notes/{id}`."""
    org.state.drop("notes", row_at(org, "notes", call)["id"])
    return Answer(204)


def record_note(org: Org, call: Call, body: dict[str, Any], conversation: Row) -> Row:
    """Stores a checked note and counts it on its conversation."""
    row: Row = {"externalId": None, "userMentions": [], "attachments": [], **authored(org, call)}
    row["id"] = take_id(org, "notes", body)
    row.update(dates_normalised(body))
    row |= {"conversation": conversation["id"], "customer": conversation["customer"]}
    now = org.state.now()
    apply(conversation, {"noteCount": conversation["noteCount"] + 1, "lastActivityAt": now}, now, call.actor)
    org.state.put("conversations", conversation)
    return org.state.put("notes", row)


def _created(org: Org, call: Call, body: dict[str, Any], conversation: Row) -> Answer:
    admin_only(body, is_admin=call.is_admin)
    check_external_id(org, "notes", body)
    take_id(org, "notes", body)
    if "importedAt" not in body:
        org.limits.take("notes", conversation["customer"])
    return Answer(201, {"data": resource(org, "notes", record_note(org, call, body, conversation))})


_READ, _CREATE, _UPDATE, _DELETE = (roles("note", action) for action in ("read", "create", "update", "delete"))
OPERATIONS = (
    Operation("GET", "/v1/notes", _READ, listing),
    Operation("POST", "/v1/notes", _CREATE, create),
    Operation("GET", "/v1/notes/{id}", _READ, get),
    Operation("PATCH", "/v1/notes/{id}", _UPDATE, update),
    Operation("PUT", "/v1/notes/{id}", _UPDATE, update),
    Operation("DELETE", "/v1/notes/{id}", _DELETE, delete),
    Operation("GET", "/v1/conversations/{id}/notes", _READ, in_conversation),
    Operation("POST", "/v1/conversations/{id}/notes", _CREATE, create_in_conversation),
)
