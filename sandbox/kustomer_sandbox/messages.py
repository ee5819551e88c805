"""Messages: what was said, and what it does to its conversation."""

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
from kustomer_sandbox.conversations import create_conversation, reopen
from kustomer_sandbox.errors import bad, missing
from kustomer_sandbox.shapes import MESSAGE_CREATE, MESSAGE_UPDATE, admin_only
from kustomer_sandbox.tables import Row


def create(org: Org, call: Call) -> Answer:
    """`POST /v1/messages`; `conversation` is required."""
    body = MESSAGE_CREATE.check(call.body, org.state, org.rules)
    if "conversation" not in body:
        raise bad("conversation", "should have required property conversation", title="Missing required property")
    return _created(org, call, body, org.state.conversations[body["conversation"]])


def create_in_conversation(org: Org, call: Call) -> Answer:
    """`POST /v1/conversations/{id}/messages`; the customer is the conversation's."""
    conversation = row_at(org, "conversations", call)
    body = MESSAGE_CREATE.check(call.body, org.state, org.rules)
    if body.get("conversation", conversation["id"]) != conversation["id"]:
        raise bad("conversation", "should be the conversation of the path")
    return _created(org, call, body, conversation)


def create_for_customer(org: Org, call: Call) -> Answer:
    """`POST /v1/customers/{id}/messages`; without `conversation` a new one is silently opened."""
    customer = row_at(org, "customers", call)
    body = MESSAGE_CREATE.check(call.body, org.state, org.rules)
    if "conversation" in body:
        conversation = org.state.conversations[body["conversation"]]
    else:
        conversation = create_conversation(org, call, {"customer": customer["id"], "direction": body["direction"]})
    if conversation["customer"] != customer["id"]:
        raise bad("conversation", "should belong to the customer of the path")
    return _created(org, call, body, conversation)


def find(spelling: str) -> Any:
    """`GET /v1/messages/externalId={value}`, answered in the one spelling that the rules name."""

    def handler(org: Org, call: Call) -> Answer:
        if org.rules.message_lookup != spelling:
            raise bad("id", "should be an object id (24 hex digits)")
        found = org.state.messages.where("externalId", call.params["value"])
        if not found:
            raise missing("externalId")
        return Answer(200, {"data": resource(org, "messages", found[0])})

    return handler


def get(org: Org, call: Call) -> Answer:
    """`GET /v1/messages/{id}`."""
    return Answer(200, {"data": resource(org, "messages", row_at(org, "messages", call))})


def listing(org: Org, call: Call) -> Answer:
    """`GET /v1/messages`."""
    return page(org, call, "messages", list(org.state.messages.values()))


def in_conversation(org: Org, call: Call) -> Answer:
    """`GET /v1/conversations/{id}/messages`."""
    row = row_at(org, "conversations", call)
    return page(org, call, "messages", org.state.messages.where("conversation", row["id"]))


def update(org: Org, call: Call) -> Answer:
    """`PATCH` and `PUT /v1/messages/{id}`; direction, channel and app are fixed."""
    row = row_at(org, "messages", call)
    body = MESSAGE_UPDATE.check(call.body, org.state, org.rules)
    admin_only(body, is_admin=call.is_admin)
    check_external_id(org, "messages", body, row["id"])
    apply(row, dates_normalised(body), org.state.now(), call.actor)
    org.state.put("messages", row)
    return Answer(200, {"data": resource(org, "messages", row)})


def record_message(org: Org, call: Call, body: dict[str, Any], conversation: Row) -> Row:
    """Stores a checked message and moves its conversation on."""
    row: Row = {
        **dict.fromkeys(("externalId", "preview"), None),
        "status": "received" if body["direction"] == "in" else "sent",
        "auto": False,
        "size": 0,
        "assignedTeams": conversation["assignedTeams"],
        "assignedUsers": conversation["assignedUsers"],
        "redacted": False,
        "reactions": [],
        "intentDetections": [],
        "custom": {},
        "meta": {},
        **authored(org, call),
        "id": take_id(org, "messages", body),
        "directionType": f"{'followup' if conversation['messageCount'] else 'initial'}-{body['direction']}",
    }
    row["sentAt"] = row["createdAt"]
    row.update(dates_normalised(body))
    row |= {"conversation": conversation["id"], "customer": conversation["customer"]}
    org.state.put("messages", row)
    _move_on(org, conversation, row)
    return row


def _created(org: Org, call: Call, body: dict[str, Any], conversation: Row) -> Answer:
    if body.get("customer", conversation["customer"]) != conversation["customer"]:
        raise bad("customer", "should be the conversation's customer")
    if not any(body.get(name) for name in ("preview", "subject", "attachments")):
        raise bad("preview", "a message needs a preview, a subject or an attachment")
    admin_only(body, is_admin=call.is_admin)
    check_external_id(org, "messages", body)
    take_id(org, "messages", body)
    if "importedAt" not in body:
        org.limits.take("messages", conversation["customer"])
    row = record_message(org, call, body, conversation)
    return Answer(201, {"data": resource(org, "messages", row)})


def _move_on(org: Org, conversation: Row, message: Row) -> None:
    """Derived attributes; a customer's reply reopens (Kustomer API reference, Conversations and messages)."""
    inbound = message["direction"] == "in"
    conversation["messageCount"] += 1
    conversation["inboundMessageCount" if inbound else "outboundMessageCount"] += 1
    if message["channel"] not in conversation["channels"]:
        conversation["channels"] = [*conversation["channels"], message["channel"]]
    conversation["direction"] = conversation["direction"] or message["direction"]
    brief = {name: message[name] for name in ("id", "sentAt", "channel")}
    conversation.setdefault("firstMessageIn" if inbound else "firstMessageOut", brief)
    conversation["lastMessageIn" if inbound else "lastMessageOut"] = brief
    conversation["lastMessageDirection"] = message["direction"]
    conversation["lastActivityAt"] = conversation["lastMessageAt"] = org.state.now()
    if inbound and (org.rules.imported_reopens or "importedAt" not in message):
        reopen(org, conversation)
    apply(conversation, {}, org.state.now(), message["createdBy"])
    org.state.put("conversations", conversation)


_READ, _CREATE, _UPDATE = (roles("message", action) for action in ("read", "create", "update"))
OPERATIONS = (
    Operation("GET", "/v1/messages", _READ, listing),
    Operation("POST", "/v1/messages", _CREATE, create),
    Operation("GET", "/v1/messages/externalId={value}", _READ, find("externalId")),
    Operation("GET", "/v1/messages/externalid={value}", _READ, find("externalid")),
    Operation("GET", "/v1/messages/{id}", _READ, get),
    Operation("PATCH", "/v1/messages/{id}", _UPDATE, update),
    Operation("PUT", "/v1/messages/{id}", _UPDATE, update),
    Operation("GET", "/v1/conversations/{id}/messages", _READ, in_conversation),
    Operation("POST", "/v1/conversations/{id}/messages", _CREATE, create_in_conversation),
    Operation("POST", "/v1/customers/{id}/messages", _CREATE, create_for_customer),
)
