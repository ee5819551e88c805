"""The operations of the reference that the plugin calls, and those that read back and delete what it wrote."""

from collections.abc import Callable
from functools import partial

from kustomer_sandbox import conversations, customers, messages
from kustomer_sandbox.calls import Answer, Call, Operation, Org, Refusal, bad, paged, resource, roles, row_at, shown

TEAM_PAGE_SIZE = 500
RESOURCES = ("customers", "conversations", "messages", "notes")


def _get(kind: str, org: Org, call: Call) -> Answer:
    return shown(org, kind, row_at(org, kind, call))


def _belonging(kind: str, parent: str, org: Org, call: Call) -> Answer:
    rows = org.state.table(kind).where(parent, row_at(org, f"{parent}s", call)["id"])
    return paged(call, rows, lambda row: resource(org, kind, row))


def _delete(kind: str, org: Org, call: Call) -> Answer:
    """A conversation takes its messages and notes along; whether a customer's conversations go is unknown: here not."""
    row = row_at(org, kind, call)
    for child in ("messages", "notes") if kind == "conversations" else ():
        for belonging in org.state.table(child).where("conversation", row["id"]):
            org.state.drop(child, belonging["id"])
    org.state.drop(kind, row["id"])
    return Answer(204)


def _find(kind: str, index: str, org: Org, call: Call) -> Answer:
    """With doubles, the oldest."""
    value = call.params["value"]
    found = org.state.table(kind).where(index, value.casefold() if index == "email" else value)
    if not found:
        raise Refusal(404, parameter=index)
    return shown(org, kind, found[0])


def _find_message(kind: str, spelling: str, org: Org, call: Call) -> Answer:
    """Answered in the one spelling that the rules name."""
    if org.rules.message_lookup != spelling:
        raise bad("id", "should be an object id (24 hex digits)")
    return _find(kind, "externalId", org, call)


def _token(org: Org, call: Call) -> Answer:
    token = org.state.org["tokenId"]
    attributes = {"name": "Rasa bot key", "roles": sorted(org.roles), "lastTokenChars": org.api_key[-4:]}
    attributes["lastAccessedAt"] = org.state.now()
    relationships = {"user": {"data": {"type": "user", "id": call.actor}}}
    data = {"type": "token", "id": token, "attributes": attributes, "relationships": relationships}
    return Answer(200, {"data": {**data, "links": {"self": f"/v1/auth/tokens/{token}"}}})


def _user(org: Org, call: Call) -> Answer:
    return shown(org, "users", {**org.state.users[call.actor], "roles": sorted(org.roles)})


def _teams(org: Org, call: Call) -> Answer:
    teams = list(org.state.teams.values())
    return paged(call, teams, lambda row: resource(org, "teams", row), most=TEAM_PAGE_SIZE)


def _read(pattern: str, kind: str, handler: Callable[..., Answer], *names: str) -> Operation:
    return Operation("GET", pattern, roles(kind, "read"), partial(handler, kind, *names))


OPERATIONS = (
    Operation("GET", "/v1/auth/tokens/current", (), _token),
    Operation("GET", "/v1/users/current", (), _user),
    Operation("GET", "/v1/teams", ("org.permission.team.read",), _teams),
    *(_read(f"/v1/customers/{name}={{value}}", "customers", _find, name) for name in ("externalId", "email", "phone")),
    _read("/v1/conversations/externalId={value}", "conversations", _find, "externalId"),
    _read("/v1/messages/externalId={value}", "messages", _find_message, "externalId"),
    _read("/v1/messages/externalid={value}", "messages", _find_message, "externalid"),
    *(_read(f"/v1/{kind}/{{id}}", kind, _get) for kind in RESOURCES),
    *(_read(f"/v1/customers/{{id}}/{kind}", kind, _belonging, "customer") for kind in RESOURCES[1:]),
    *(_read(f"/v1/conversations/{{id}}/{kind}", kind, _belonging, "conversation") for kind in RESOURCES[2:]),
    *(
        Operation("DELETE", f"/v1/{kind}/{{id}}", roles(kind, "delete"), partial(_delete, kind))
        for kind in ("customers", "conversations", "notes")
    ),
    *(
        Operation("POST", f"/v1/conversations/{{id}}/{kind}", roles(kind, "create"), messages.create(kind))
        for kind in ("messages", "notes")
    ),
    Operation("POST", "/v1/customers", roles("customers", "create"), customers.create),
    Operation("PATCH", "/v1/customers/{id}", roles("customers", "update"), customers.update),
    Operation("POST", "/v1/conversations", roles("conversations", "create"), conversations.create),
    Operation("PATCH", "/v1/conversations/{id}", roles("conversations", "update"), conversations.update),
    Operation("POST", "/v1/conversations/{id}/tags", roles("conversations", "update"), conversations.tag),
)
