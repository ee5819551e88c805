"""Customers: unique identifiers, look-ups, and what belongs to a customer."""

from collections.abc import Callable, Mapping
from typing import Any

from kustomer_sandbox.calls import Answer, Call, Operation, Org, duplicate, page, resource, roles, row_at
from kustomer_sandbox.changes import apply, authored, dates_normalised, is_replacement
from kustomer_sandbox.errors import missing
from kustomer_sandbox.shapes import CUSTOMER_CREATE, CUSTOMER_UPDATE
from kustomer_sandbox.state import State
from kustomer_sandbox.tables import Row

IDENTIFIERS: Mapping[str, tuple[str, str]] = {
    "externalIds": ("externalId", "externalId"),
    "emails": ("email", "email"),
    "phones": ("phone", "phone"),
    "whatsapps": ("whatsapp", "phone"),
}
"""Body field -> index of the customers' table, key inside an entry."""

LISTS = (*IDENTIFIERS, "sharedExternalIds", "sharedEmails", "sharedPhones", "socials", "sharedSocials", "urls", "tags")


def create(org: Org, call: Call) -> Answer:
    """`POST /v1/customers`."""
    body = CUSTOMER_CREATE.check(call.body, org.state, org.rules)
    row = _blank(org, call)
    changes = _changes(row, body)
    _check_unique(org, changes, row["id"])
    row.update(changes)
    org.state.put("customers", row)
    return _answer(org, row, 201)


def get(org: Org, call: Call) -> Answer:
    """`GET /v1/customers/{id}`."""
    return _answer(org, row_at(org, "customers", call))


def find(index: str) -> Callable[[Org, Call], Answer]:
    """`GET /v1/customers/externalId={value}`, and the same for `email` and `phone`."""

    def handler(org: Org, call: Call) -> Answer:
        value = call.params["value"]
        found = org.state.customers.where(index, value.casefold() if index == "email" else value)
        if not found:
            raise missing(index)
        return _answer(org, found[0])

    return handler


def listing(org: Org, call: Call) -> Answer:
    """`GET /v1/customers`."""
    return page(org, call, "customers", list(org.state.customers.values()))


def update(org: Org, call: Call) -> Answer:
    """`PATCH` and `PUT /v1/customers/{id}`; lists replace the whole list."""
    row = row_at(org, "customers", call)
    body = CUSTOMER_UPDATE.check(call.body, org.state, org.rules)
    base = {**_blank(org, call), "id": row["id"], "createdAt": row["createdAt"]} if is_replacement(call) else row
    changes = _changes(base, body)
    _check_unique(org, changes, row["id"])
    row.update(base)
    apply(row, changes, org.state.now(), call.actor)
    org.state.put("customers", row)
    return _answer(org, row)


def delete(org: Org, call: Call) -> Answer:
    """`DELETE /v1/customers/{id}`; whether Kustomer cascades is unknown, here conversations stay."""
    org.state.drop("customers", row_at(org, "customers", call)["id"])
    return Answer(204)


def belongings(kind: str) -> Callable[[Org, Call], Answer]:
    """`GET /v1/customers/{id}/conversations`, and the same for messages and notes."""

    def handler(org: Org, call: Call) -> Answer:
        row = row_at(org, "customers", call)
        return page(org, call, kind, org.state.table(kind).where("customer", row["id"]))

    return handler


def counts(state: State, customer_id: str) -> dict[str, int]:
    """`conversationCounts` of a customer: by status, and all."""
    statuses = [row["status"] for row in state.conversations.where("customer", customer_id)]
    return {**{status: statuses.count(status) for status in ("open", "snoozed", "done")}, "all": len(statuses)}


def _blank(org: Org, call: Call) -> Row:
    row: Row = {"id": org.state.new_id(), "name": None, "displayName": "Unknown", "externalId": None, "custom": {}}
    row.update({name: [] for name in LISTS})
    return {**row, "verified": False, "deleted": False, **authored(org, call)}


def _changes(row: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """The body with `externalId` as the first of `externalIds`, and derived names."""
    changes = dates_normalised({name: value for name, value in body.items() if name != "rev"})
    if "externalId" in body:
        rest = changes.get("externalIds", row["externalIds"][1:])
        first = {"externalId": body["externalId"], "verified": False}
        changes["externalIds"] = [first, *(entry for entry in rest if entry["externalId"] != body["externalId"])]
    for field in ("externalIds", "emails", "phones", "whatsapps"):
        if field in changes:
            changes[field] = [{"verified": False, **entry} for entry in changes[field]]
    if "externalIds" in changes:
        changes["externalId"] = next((entry["externalId"] for entry in changes["externalIds"]), None)
    if "custom" in changes:
        changes["custom"] = {**row["custom"], **changes["custom"]}
    emails = changes.get("emails", row["emails"])
    name = changes.get("name", row["name"])
    changes["displayName"] = name or next((entry["email"] for entry in emails), "Unknown")
    return changes


def _check_unique(org: Org, changes: Mapping[str, Any], own_id: str) -> None:
    """Rejects identifiers that another customer has (Kustomer API reference, Create customer)."""
    for field, (index, key) in IDENTIFIERS.items():
        for entry in changes.get(field, ()):
            value = entry[key].casefold() if index == "email" else entry[key]
            if any(row["id"] != own_id for row in org.state.customers.where(index, value)):
                raise duplicate(org, field)


def _answer(org: Org, row: Row, status: int = 200) -> Answer:
    extra: dict[str, Any] = {}
    if org.rules.customer_counts:
        extra["conversationCounts"] = counts(org.state, row["id"])
        conversations = org.state.conversations.where("customer", row["id"])
        extra["lastMessageAt"] = max((one.get("lastMessageAt") or "" for one in conversations), default="") or None
    return Answer(status, {"data": resource(org, "customers", row, extra)})


_READ = roles("customer", "read")
OPERATIONS = (
    Operation("GET", "/v1/customers", _READ, listing),
    Operation("POST", "/v1/customers", roles("customer", "create"), create),
    *(
        Operation("GET", f"/v1/customers/{index}={{value}}", _READ, find(index))
        for index in ("externalId", "email", "phone")
    ),
    Operation("GET", "/v1/customers/{id}", _READ, get),
    Operation("PATCH", "/v1/customers/{id}", roles("customer", "update"), update),
    Operation("PUT", "/v1/customers/{id}", roles("customer", "update"), update),
    Operation("DELETE", "/v1/customers/{id}", roles("customer", "delete"), delete),
    *(
        Operation("GET", f"/v1/customers/{{id}}/{kind}", roles(kind[:-1], "read"), belongings(kind))
        for kind in ("conversations", "messages", "notes")
    ),
)
