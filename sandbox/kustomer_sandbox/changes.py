"""How writes change rows: authorship, revisions, ids that must not be taken."""

from collections.abc import Mapping
from typing import Any

from kustomer_sandbox.calls import DUPLICATE, Call, Org, Refusal
from kustomer_sandbox.tables import Row


def authored(org: Org, call: Call) -> dict[str, Any]:
    """The fields that every new row has."""
    dates = dict.fromkeys(("createdAt", "updatedAt", "modifiedAt"), org.state.now())
    return {"id": org.state.new_id(), **dates, "rev": 1, "createdBy": call.actor, "modifiedBy": call.actor}


def apply(org: Org, kind: str, row: Row, changes: Mapping[str, Any], actor: str) -> None:
    """Changes a row in place; every write counts `rev` up by one (Kustomer API reference, Locking)."""
    now = org.state.now()
    row.update({"updatedAt": now, "modifiedAt": now, "modifiedBy": actor, **changes, "rev": row["rev"] + 1})
    org.state.put(kind, row)


def duplicate(org: Org, parameter: str) -> Refusal:
    """The refusal of a value that somebody else has; Kustomer's status for it is unknown."""
    return Refusal(org.rules.duplicate_status, DUPLICATE, parameter=parameter)


def check_taken(org: Org, kind: str, body: Mapping[str, Any], own_id: str | None = None) -> None:
    """Refuses a chosen id that is taken, and a taken external id if the rules call it unique.

    Raises:
        Refusal: The duplicate status.
    """
    if own_id is None and body.get("id") in org.state.table(kind):
        raise duplicate(org, "id")
    value = body.get("externalId")
    known = org.state.table(kind).where("externalId", value) if org.rules.unique_external_ids and value else ()
    if any(row["id"] != own_id for row in known):
        raise duplicate(org, "externalId")


def count_against_limit(org: Org, kind: str, customer: str, body: Mapping[str, Any]) -> None:
    """Counts a creation against the customer's minute; imported history is exempt.

    Raises:
        Refusal: 429 when the minute is full.
    """
    if "importedAt" not in body and not org.limits.take(kind, customer):
        raise Refusal(429, f"more than {org.rules.customer_limit} {kind} per minute for this customer")
