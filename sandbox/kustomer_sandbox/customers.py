"""Customers: identifiers that belong to one of them only, and names derived from what is known."""

from collections.abc import Mapping
from typing import Any

from kustomer_sandbox.bodies import CUSTOMER, checked
from kustomer_sandbox.calls import Answer, Call, Org, row_at, shown
from kustomer_sandbox.changes import apply, authored, duplicate
from kustomer_sandbox.tables import Row

IDENTIFIERS = {
    "externalIds": ("externalId", "externalId"),
    "emails": ("email", "email"),
    "phones": ("phone", "phone"),
    "whatsapps": ("whatsapp", "phone"),
}
"""Body field -> index of the customers' table, key inside an entry."""
LISTS = (*IDENTIFIERS, "sharedExternalIds", "sharedEmails", "sharedPhones", "socials", "sharedSocials", "urls", "tags")


def create(org: Org, call: Call) -> Answer:
    """`POST /v1/customers`."""
    body = checked(org, CUSTOMER, call.body)
    row: Row = {"name": None, "displayName": "Unknown", "externalId": None, "custom": {}}
    row |= {name: [] for name in LISTS} | {"verified": False, "deleted": False, **authored(org, call)}
    row |= _changes(org, row, body)
    return shown(org, "customers", org.state.put("customers", row), 201)


def update(org: Org, call: Call) -> Answer:
    """`PATCH /v1/customers/{id}`; lists replace the whole list."""
    row = row_at(org, "customers", call)
    apply(org, "customers", row, _changes(org, row, checked(org, CUSTOMER, call.body)), call.actor)
    return shown(org, "customers", row)


def _changes(org: Org, row: Row, body: Mapping[str, Any]) -> dict[str, Any]:
    """The body with `externalId` as the first of `externalIds`, and derived names."""
    changes: dict[str, Any] = {name: value for name, value in body.items() if name != "rev"}
    if "externalId" in body:
        rest = changes.get("externalIds", row["externalIds"][1:])
        first = {"externalId": body["externalId"]}
        changes["externalIds"] = [first, *(entry for entry in rest if entry["externalId"] != body["externalId"])]
    for name in IDENTIFIERS.keys() & changes.keys():
        changes[name] = [{"verified": False, **entry} for entry in changes[name]]
    if "externalIds" in changes:
        changes["externalId"] = next((entry["externalId"] for entry in changes["externalIds"]), None)
    if "custom" in changes:
        changes["custom"] = {**row["custom"], **changes["custom"]}
    after: Row = {**row, **changes}
    changes["displayName"] = after["name"] or next((entry["email"] for entry in after["emails"]), "Unknown")
    _check_unique(org, changes, row["id"])
    return changes


def _check_unique(org: Org, changes: Mapping[str, Any], own_id: str) -> None:
    """Rejects identifiers that another customer has (Kustomer API reference, Create customer)."""
    for name, (index, key) in IDENTIFIERS.items():
        for entry in changes.get(name, ()):
            value = entry[key].casefold() if index == "email" else entry[key]
            if any(row["id"] != own_id for row in org.state.customers.where(index, value)):
                raise duplicate(org, name)
