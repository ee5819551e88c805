"""How writes change rows: authorship, revisions, dates."""

from collections.abc import Mapping
from typing import Any

from kustomer_sandbox.calls import Call, Org
from kustomer_sandbox.fields import normal_date
from kustomer_sandbox.tables import Row


def authored(org: Org, call: Call) -> dict[str, Any]:
    """The fields that every new row has."""
    now = org.state.now()
    dates = dict.fromkeys(("createdAt", "updatedAt", "modifiedAt"), now)
    return {**dates, "rev": 1, "createdBy": call.actor, "modifiedBy": call.actor}


def apply(row: Row, changes: Mapping[str, Any], now: str, actor: str) -> None:
    """Changes a row in place; every write counts `rev` up by one (Kustomer API reference, Locking)."""
    row.update({"updatedAt": now, "modifiedAt": now, "modifiedBy": actor, **changes, "rev": row["rev"] + 1})


def dates_normalised(body: Mapping[str, Any]) -> dict[str, Any]:
    """The checked body with its dates in Kustomer's own form."""
    dates = {name: normal_date(value) for name, value in body.items() if name.endswith("At") and value}
    return {**body, **dates}


def is_replacement(call: Call) -> bool:
    """Whether a PUT wipes what its body leaves out (`replace=true`); without it, PUT is PATCH."""
    return call.method == "PUT" and call.query.get("replace") == "true"
