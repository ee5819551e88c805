"""A request as the operations see it, their answers, and the envelopes around rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from kustomer_sandbox.errors import Refusal, bad, missing
from kustomer_sandbox.faults import Fault
from kustomer_sandbox.fields import OBJECT_ID
from kustomer_sandbox.limits import CustomerLimits
from kustomer_sandbox.rules import Rules
from kustomer_sandbox.state import State
from kustomer_sandbox.tables import Row

PAGE_SIZE = 100
DUPLICATE = "duplicate detected"  # the words of the reference, Bulk

T = TypeVar("T")


@dataclass(frozen=True)
class Org:
    """Everything an operation works on."""

    state: State
    rules: Rules
    limits: CustomerLimits


@dataclass(frozen=True)
class Call:
    """One authorised request.

    Attributes:
        path: Still percent-encoded, without the query.
        params: Decoded values of the path's placeholders.
        body: Parsed JSON, or None without a body.
        actor: Id of the user that the key stands for.
        is_admin: Whether the key holds `org.admin`.
        fault: The scripted failure that hits it, if the operation itself has to act it out.
    """

    method: str
    path: str
    params: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    actor: str
    is_admin: bool
    fault: Fault | None = None


@dataclass(frozen=True)
class Answer:
    """Status and JSON body; None for no body."""

    status: int
    body: Any = None


Handler = Callable[[Org, Call], Answer]


@dataclass(frozen=True)
class Operation:
    """One line of the reference.

    Attributes:
        pattern: Path with `{name}` and `externalId={name}` placeholders, each one segment.
        roles: Any one of these suffices; none means that every valid key may.
    """

    method: str
    pattern: str
    roles: tuple[str, ...]
    handler: Handler


def roles(resource: str, action: str) -> tuple[str, ...]:
    """The current role of an operation and the legacy one beside it."""
    legacy = {"read": "read", "delete": "delete"}.get(action, "write")
    return (f"org.permission.{resource}.{action}", f"org.user.{resource}.{legacy}")


_TYPES = {"customers": "customer", "conversations": "conversation", "messages": "message", "notes": "note"}
_TYPES |= {"teams": "team", "users": "user", "queues": "queue"}
_RELATIONS: Mapping[str, tuple[str, str]] = {
    "customer": ("customer", "customers"),
    "conversation": ("conversation", "conversations"),
    "org": ("org", "orgs"),
    "createdBy": ("user", "users"),
    "modifiedBy": ("user", "users"),
}


def resource(org: Org, kind: str, row: Row, extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A row as `type`, `id`, `attributes`, `relationships` and `links`."""
    relationships: dict[str, Any] = {"org": {"data": {"type": "org", "id": org.state.org["id"]}}}
    for name, (type_name, plural) in _RELATIONS.items():
        if row.get(name):
            # A message's customer relation was seen with the plural as its type, a conversation's with the singular.
            seen = plural if (kind, name) == ("messages", "customer") else type_name
            data = {"type": seen, "id": row[name]}
            relationships[name] = {"data": data, "links": {"self": f"/v1/{plural}/{row[name]}"}}
    link = f"/v1/{kind}/{row['id']}"
    if kind in ("customers", "conversations"):
        relationships["messages"] = {"links": {"self": f"{link}/messages"}}
    attributes = {name: value for name, value in row.items() if name != "id" and name not in _RELATIONS}
    attributes.update(extra or {})
    identity = {"type": _TYPES[kind], "id": row["id"]}
    return {**identity, "attributes": attributes, "relationships": relationships, "links": {"self": link}}


def page(org: Org, call: Call, kind: str, rows: list[Row], *, most: int = PAGE_SIZE) -> Answer:
    """One page of a list of rows.

    Raises:
        Refusal: 400 for a page or page size out of bounds.
    """
    return paged(call, rows, lambda row: resource(org, kind, row), most=most)


def paged(call: Call, rows: Sequence[T], show: Callable[[T], dict[str, Any]], *, most: int = PAGE_SIZE) -> Answer:
    """One page of a list, with `meta` and relative `links` (Kustomer API reference, Pagination).

    Raises:
        Refusal: 400 for a page or page size out of bounds.
    """
    number = _whole(call.query, "page", 1, 10**6)
    size = _whole(call.query, "pageSize", PAGE_SIZE, most)
    ordered = rows[::-1] if call.query.get("sort") in ("desc", "-createdAt") else rows
    pages = max(1, -(-len(rows) // size))

    def link(to: int) -> str | None:
        return f"{call.path}?{urlencode({**call.query, 'page': to, 'pageSize': size})}" if 1 <= to <= pages else None

    links = {"self": link(number), "first": link(1), "prev": link(number - 1), "next": link(number + 1)}
    meta = {"page": number, "pageSize": size, "total": len(rows), "totalPages": pages}
    shown = ordered[(number - 1) * size : number * size]
    data = [show(row) for row in shown]
    return Answer(200, {"meta": meta, "links": {**links, "last": link(pages)}, "data": data})


def _whole(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    written = query.get(name, str(default))
    if not written.isascii() or not written.isdigit() or not 1 <= int(written) <= most:
        raise bad(name, f"should be 1 to {most}")
    return int(written)


def row_at(org: Org, kind: str, call: Call, name: str = "id") -> Row:
    """The row that the path's id names.

    Raises:
        Refusal: 400 for what is no object id, 404 for an unknown one.
    """
    row_id = call.params[name]
    if not OBJECT_ID.fullmatch(row_id):
        raise bad(name, "should be an object id (24 hex digits)")
    row = org.state.table(kind).get(row_id)
    if row is None:
        raise missing(name)
    return row


def take_id(org: Org, kind: str, body: Mapping[str, Any]) -> str:
    """The client's chosen id, or a new one.

    Raises:
        Refusal: The duplicate status, when the id is taken.
    """
    chosen = body.get("id")
    if chosen in org.state.table(kind):
        raise duplicate(org, "id")
    return chosen or org.state.new_id()


def duplicate(org: Org, parameter: str) -> Refusal:
    """The refusal of a value that somebody else has; Kustomer's status for it is unknown."""
    return Refusal(org.rules.duplicate_status, DUPLICATE, parameter=parameter)


def check_external_id(org: Org, kind: str, body: Mapping[str, Any], own_id: str | None = None) -> None:
    """Refuses a taken external id of a conversation, message or note, if the rules call it unique.

    Raises:
        Refusal: The duplicate status.
    """
    value = body.get("externalId")
    if not org.rules.unique_external_ids or not value:
        return
    if any(row["id"] != own_id for row in org.state.table(kind).where("externalId", value)):
        raise duplicate(org, "externalId")
