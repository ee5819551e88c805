"""Messages and notes: what was said, what agents tell each other, and what both do to their conversation."""

from typing import Any

from kustomer_sandbox.bodies import NEW_MESSAGE, NEW_NOTE, checked
from kustomer_sandbox.calls import Answer, Call, Handler, Org, Refusal, bad, row_at, shown
from kustomer_sandbox.changes import apply, authored, check_taken, count_against_limit
from kustomer_sandbox.conversations import reopen
from kustomer_sandbox.tables import Row

ADMIN_FIELDS = ("createdAt", "createdBy", "modifiedAt", "modifiedBy")
MODELS = {"messages": NEW_MESSAGE, "notes": NEW_NOTE}


def create(kind: str) -> Handler:
    """`POST /v1/conversations/{id}/messages` and `/notes`; without a path, as in a job, the body names them."""

    def handler(org: Org, call: Call) -> Answer:
        conversation = row_at(org, "conversations", call) if "id" in call.params else None
        body = checked(org, MODELS[kind], call.body)
        if conversation is None:
            if "conversation" not in body:
                needed = "should have required property conversation"
                raise bad("conversation", needed, title="Missing required property")
            conversation = org.state.conversations[body["conversation"]]
        if body.get("conversation", conversation["id"]) != conversation["id"]:
            raise bad("conversation", "should be the conversation of the path")
        if body.get("customer", conversation["customer"]) != conversation["customer"]:
            raise bad("customer", "should be the conversation's customer")
        if kind == "messages" and not any(body.get(name) for name in ("preview", "subject", "attachments")):
            raise bad("preview", "a message needs a preview, a subject or an attachment")
        _check_authorship(call, body)
        check_taken(org, kind, body)
        count_against_limit(org, kind, conversation["customer"], body)
        body |= {"conversation": conversation["id"], "customer": conversation["customer"]}
        record = record_message if kind == "messages" else _record_note
        return shown(org, kind, record(org, call, body, conversation), 201)

    return handler


def _check_authorship(call: Call, body: dict[str, Any]) -> None:
    for name in ADMIN_FIELDS:
        if name in body and not call.is_admin:
            raise Refusal(403, f"{name} needs the role org.admin", parameter=name)


def _record_note(org: Org, call: Call, body: dict[str, Any], conversation: Row) -> Row:
    row = {"externalId": None, "userMentions": [], "attachments": [], **authored(org, call), **body}
    changes = {"noteCount": conversation["noteCount"] + 1, "lastActivityAt": org.state.now()}
    apply(org, "conversations", conversation, changes, call.actor)
    return org.state.put("notes", row)


def record_message(org: Org, call: Call, body: dict[str, Any], conversation: Row) -> Row:
    """Stores a checked message and moves its conversation on."""
    row: Row = {
        **dict.fromkeys(("externalId", "preview"), None),
        "status": "received" if body["direction"] == "in" else "sent",
        "assignedTeams": conversation["assignedTeams"],
        "assignedUsers": conversation["assignedUsers"],
        "auto": False,
        "size": 0,
        "redacted": False,
        "reactions": [],
        "intentDetections": [],
        "custom": {},
        "meta": {},
        "sentAt": org.state.now(),
        **authored(org, call),
        **body,
        "directionType": f"{'followup' if conversation['messageCount'] else 'initial'}-{body['direction']}",
    }
    org.state.put("messages", row)
    _move_on(org, conversation, row)
    return row


def _move_on(org: Org, conversation: Row, message: Row) -> None:
    """Derived attributes; a customer's reply reopens (Kustomer API reference, Conversations and messages)."""
    inbound = message["direction"] == "in"
    end = "In" if inbound else "Out"
    conversation["messageCount"] += 1
    conversation["inboundMessageCount" if inbound else "outboundMessageCount"] += 1
    if message["channel"] not in conversation["channels"]:
        conversation["channels"] = [*conversation["channels"], message["channel"]]
    conversation["direction"] = conversation["direction"] or message["direction"]
    conversation[f"lastMessage{end}"] = {name: message[name] for name in ("id", "sentAt", "channel")}
    conversation.setdefault(f"firstMessage{end}", conversation[f"lastMessage{end}"])
    conversation["lastMessageDirection"] = message["direction"]
    conversation["lastActivityAt"] = conversation["lastMessageAt"] = org.state.now()
    if inbound and (org.rules.imported_reopens or "importedAt" not in message):
        reopen(conversation)
    apply(org, "conversations", conversation, {}, message["createdBy"])
