"""What the operations share: a call, its answer or refusal, and the envelopes around rows."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode

from kustomer_sandbox.faults import Fault
from kustomer_sandbox.limits import CustomerLimits
from kustomer_sandbox.rules import Rules
from kustomer_sandbox.state import State
from kustomer_sandbox.tables import Row

OBJECT_ID = re.compile(r"[0-9a-f]{24}")
PAGE_SIZE = 100
DUPLICATE = "duplicate detected"  # the words of the reference, Bulk
TITLES = {
    400: ("badparam", "Bad Request"),
    401: ("unauthorized", "Unauthorized"),
    403: ("forbidden", "Forbidden"),
    404: ("notfound", "Not Found"),
    409: ("conflict", "Conflict"),
    413: ("toolarge", "Payload Too Large"),
    422: ("unprocessable", "Unprocessable Entity"),
    429: ("toomanyrequests", "Too Many Requests"),
}

T = TypeVar("T")


class Refusal(Exception):  # noqa: N818 - an answer of the protocol, not a failure of the sandbox
    """A request that Kustomer would answer with an error.

    Attributes:
        status: HTTP status.
        detail: What is wrong, for `detail` or `message`.
        parameter: The body field, path or query parameter at fault, if one is.
    """

    def __init__(
        self, status: int, detail: str = "", *, parameter: str | None = None, title: str = "", code: str = ""
    ) -> None:
        super().__init__(f"{status} {detail}")
        self.status, self.detail, self.parameter = status, detail, parameter
        default_code, default_title = TITLES.get(status, ("error", "Error"))
        self.code, self.title = code or default_code, title or default_title

    def shown(self, rules: Rules) -> dict[str, Any]:
        """The JSON body in the shape that the rules ask for (Kustomer API reference, Errors)."""
        if rules.error_shape == "plain":
            said = ": ".join(part for part in (self.parameter, self.detail or self.title) if part)
            return {"errors": [{"code": self.code, "message": said, "meta": {}}]}
        error: dict[str, Any] = {"status": self.status, "code": self.code, "title": self.title}
        if self.detail:
            error["detail"] = self.detail
        if self.parameter:
            error["source"] = {"parameter": self.parameter}
        return {"errors": [error]}


def bad(parameter: str, detail: str, *, title: str = "") -> Refusal:
    """A 400 that names the field at fault."""
    return Refusal(400, detail, parameter=parameter, title=title)


@dataclass(frozen=True)
class Org:
    """Everything an operation works on; `roles` are those of the key at this moment."""

    state: State
    rules: Rules
    limits: CustomerLimits
    roles: set[str]
    api_key: str


@dataclass(frozen=True)
class Call:
    """One authorised request.

    Attributes:
        actor: Id of the user that the key stands for.
        body: Parsed JSON, or None without a body.
        params: Decoded values of the path's placeholders.
        path: Still percent-encoded, without the query.
        is_admin: Whether the key holds `org.admin`.
        fault: The scripted failure that hits it, if the operation itself has to act it out.
    """

    actor: str
    body: Any = None
    params: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    path: str = ""
    is_admin: bool = False
    fault: Fault | None = None


class Answer(NamedTuple):
    """Status and JSON body; None for no body."""

    status: int
    body: Any = None


Handler = Callable[[Org, Call], Answer]


class Operation(NamedTuple):
    """One line of the reference.

    Attributes:
        pattern: Path with `{name}` and `externalId={name}` placeholders, each one segment.
        roles: Any one of these suffices; none means that every valid key may.
    """

    method: str
    pattern: str
    roles: tuple[str, ...]
    handler: Handler


def roles(kind: str, action: str) -> tuple[str, ...]:
    """The current role of an operation on `customers`, `bulk` and so on, and the legacy one beside it."""
    legacy = action if action in ("read", "delete") else "write"
    name = kind.removesuffix("s")
    return (f"org.permission.{name}.{action}", f"org.user.{name}.{legacy}")


_RELATIONS = {"customer": "customers", "conversation": "conversations", "org": "orgs"}
_RELATIONS |= {"createdBy": "users", "modifiedBy": "users"}


def resource(org: Org, kind: str, row: Row) -> dict[str, Any]:
    """A row as `type`, `id`, `attributes`, `relationships` and `links`."""
    relationships: dict[str, Any] = {"org": {"data": {"type": "org", "id": org.state.org["id"]}}}
    for name, plural in _RELATIONS.items():
        if row.get(name):
            # A message's customer relation was seen with the plural as its type, a conversation's with the singular.
            seen = plural if (kind, name) == ("messages", "customer") else plural.removesuffix("s")
            data = {"type": seen, "id": row[name]}
            relationships[name] = {"data": data, "links": {"self": f"/v1/{plural}/{row[name]}"}}
    link = f"/v1/{kind}/{row['id']}"
    if kind in ("customers", "conversations"):
        relationships["messages"] = {"links": {"self": f"{link}/messages"}}
    attributes = {name: value for name, value in row.items() if name != "id" and name not in _RELATIONS}
    if kind == "customers" and org.rules.customer_counts:
        dates = [one.get("lastMessageAt") or "" for one in org.state.conversations.where("customer", row["id"])]
        attributes |= {
            "conversationCounts": org.state.counts(row["id"]),
            "lastMessageAt": max(dates, default="") or None,
        }
    identity = {"type": kind.removesuffix("s"), "id": row["id"]}
    return {**identity, "attributes": attributes, "relationships": relationships, "links": {"self": link}}


def shown(org: Org, kind: str, row: Row, status: int = 200) -> Answer:
    """One row as an answer."""
    return Answer(status, {"data": resource(org, kind, row)})


def paged(call: Call, rows: Sequence[T], show: Callable[[T], dict[str, Any]], *, most: int = PAGE_SIZE) -> Answer:
    """One page of a list, with `meta` and relative `links` (Kustomer API reference, Pagination).

    Raises:
        Refusal: 400 for a page or page size out of bounds.
    """
    number, size = _whole(call.query, "page", 1, 10**6), _whole(call.query, "pageSize", PAGE_SIZE, most)
    pages = max(1, -(-len(rows) // size))

    def link(to: int) -> str | None:
        return f"{call.path}?{urlencode({**call.query, 'page': to, 'pageSize': size})}" if 1 <= to <= pages else None

    links = {"self": link(number), "first": link(1), "prev": link(number - 1), "next": link(number + 1)}
    meta = {"page": number, "pageSize": size, "total": len(rows), "totalPages": pages}
    data = [show(row) for row in rows[(number - 1) * size : number * size]]
    return Answer(200, {"meta": meta, "links": {**links, "last": link(pages)}, "data": data})


def _whole(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    written = query.get(name, str(default))
    if not written.isascii() or not written.isdigit() or not 1 <= int(written) <= most:
        raise bad(name, f"should be 1 to {most}")
    return int(written)


def row_at(org: Org, kind: str, call: Call) -> Row:
    """The row that the path's id names.

    Raises:
        Refusal: 400 for what is no object id, 404 for an unknown one.
    """
    if not OBJECT_ID.fullmatch(call.params["id"]):
        raise bad("id", "should be an object id (24 hex digits)")
    row = org.state.table(kind).get(call.params["id"])
    if row is None:
        raise Refusal(404, parameter="id")
    return row
