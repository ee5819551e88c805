"""The way of a request: script of failures, key, budget, roles, operation; and what is noted about it."""

import asyncio
import json
import logging
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, unquote

from kustomer_sandbox import access, conversations, customers, messages, notes
from kustomer_sandbox.bulk import Bulk
from kustomer_sandbox.calls import Answer, Call, Operation, Org
from kustomer_sandbox.errors import Refusal, bad, error_body
from kustomer_sandbox.faults import Fault, Faults
from kustomer_sandbox.limits import OrgLimit
from kustomer_sandbox.wire import HttpReply, HttpRequest

MOST_BODY_BYTES = 400_000
KEPT_REQUESTS = 100_000
UNKNOWN_PATH = "(no such path)"
JSON_TYPE = {"content-type": "application/json; charset=utf-8"}
GATEWAY_PAGE = b"<!DOCTYPE html><html><head><title>ERROR: The request could not be satisfied</title></head></html>"

_log = logging.getLogger(__name__)


@dataclass
class LoggedRequest:
    """One request of the log.

    Attributes:
        path: Percent-encoded, without the query.
        status: None when no answer was given (reset or hang).
        body: Parsed JSON, or None.
        fault: The scripted failure that hit it.
        at: When it came, epoch seconds.
        blocked_until: `x-ratelimit-reset` of a 429 that told everybody to wait; None for any other answer.
    """

    method: str
    path: str
    query: str
    status: int | None
    body: Any
    fault: str | None
    at: float
    blocked_until: int | None = None


class Gateway:
    """Answers the API's requests from one `Org`.

    Attributes:
        requests: The latest requests, scripted failures included.
        units: What was taken from the organisation's budget, by method and path with placeholders.
    """

    def __init__(
        self,
        org: Org,
        faults: Faults,
        limit: OrgLimit,
        bulk: Bulk,
        *,
        roles: set[str],
        api_key: str,
        now: Callable[[], float],
    ) -> None:
        self._org = org
        self._faults = faults
        self._limit = limit
        self._roles = roles
        self._api_key = api_key
        self._now = now
        self.requests: deque[LoggedRequest] = deque(maxlen=KEPT_REQUESTS)
        self.units: Counter[str] = Counter()
        groups = (customers.OPERATIONS, conversations.OPERATIONS, messages.OPERATIONS, notes.OPERATIONS)
        self._operations = [
            *access.operations(lambda: roles, api_key),
            *bulk.operations(),
            *(one for group in groups for one in group),
        ]

    async def __call__(self, request: HttpRequest) -> HttpReply | None:
        """Answers, or fails as scripted; None cuts the connection."""
        path, _, query = request.target.partition("?")
        fault = self._faults.strike(request.method, path)
        logged = LoggedRequest(
            request.method,
            path,
            query,
            None,
            _lenient_json(request.body),
            str(fault or "") or None,
            self._now(),
        )
        self.requests.append(logged)
        if fault and fault.kind == "latency":
            await asyncio.sleep(float(fault.value))
        reply: HttpReply | None = None
        if fault is None or fault.carried_out:
            reply = self._answer(request, path, query, fault)
        if fault:
            reply = await self._fail(fault, reply)
        logged.status = reply.status if reply else None
        if reply and reply.status == 429 and reply.headers.get("x-ratelimit-remaining") == "0":
            logged.blocked_until = int(reply.headers["x-ratelimit-reset"])
        return reply

    async def _fail(self, fault: Fault, reply: HttpReply | None) -> HttpReply | None:
        if fault.kind in ("hang", "hang-after"):
            await asyncio.Event().wait()
        if fault.kind in ("reset-before", "reset-after"):
            return None
        if fault.kind in ("html", "html-after"):
            return HttpReply(int(fault.value), GATEWAY_PAGE, {"content-type": "text/html"})
        if fault.kind in ("status", "status-after"):
            return self._refused(Refusal(int(fault.value), "scripted failure"))
        if fault.kind == "429":
            spent = fault.value == "org"
            extra = self._limit.retry_after() if spent else {}
            return self._refused(Refusal(429, "scripted failure"), spent=spent, extra=extra)
        if fault.kind == "bad-json" and reply:
            return HttpReply(reply.status, reply.body[: len(reply.body) // 2] or b"{", reply.headers)
        return reply

    def _answer(self, request: HttpRequest, path: str, query: str, fault: Fault | None) -> HttpReply:
        try:
            access.check_key(request.headers, self._api_key, self._org.rules)
            self._limit.take()
            operation, params = self._find(request.method, path)
            self.units[f"{request.method} {operation.pattern}"] += 1
            access.check_roles(operation.roles, self._roles)
            answer = operation.handler(self._org, replace(self._call(request, path, query, params), fault=fault))
            self._org.state.commit()
        except Refusal as refusal:
            spent = refusal.status == 429 and self._limit.spent
            return self._refused(refusal, spent=spent, extra=self._limit.retry_after() if spent else {})
        return self._reply(answer, {})

    def _call(self, request: HttpRequest, path: str, query: str, params: Mapping[str, str]) -> Call:
        parsed_query = dict(parse_qsl(query, keep_blank_values=True))
        actor = access.machine_user(self._org.state)
        is_admin = access.granted("org.admin", self._roles)
        return Call(request.method, path, params, parsed_query, _parsed_body(request), actor, is_admin)

    def _find(self, method: str, path: str) -> tuple[Operation, dict[str, str]]:
        segments = path.split("/")
        for operation in self._operations:
            if operation.method == method and (params := _matched(operation.pattern, segments)) is not None:
                return operation, params
        self.units[f"{method} {UNKNOWN_PATH}"] += 1
        raise access.no_such_operation()

    def _refused(self, refusal: Refusal, *, spent: bool = False, extra: Mapping[str, str] | None = None) -> HttpReply:
        return self._reply(Answer(refusal.status, error_body(refusal, self._org.rules)), extra or {}, spent=spent)

    def _reply(self, answer: Answer, extra: Mapping[str, str], *, spent: bool = False) -> HttpReply:
        headers = {**self._limit.headers(spent=spent), "X-Kustomer-Pod": self._org.rules.pod, **extra}
        if answer.body is None:
            return HttpReply(answer.status, b"", headers)
        # A lone surrogate, as in the name of a refused field, is no UTF-8 but a fine JSON escape.
        body = json.dumps(answer.body, ensure_ascii=False).encode("utf-8", "backslashreplace")
        return HttpReply(answer.status, body, {**JSON_TYPE, **headers})


def _matched(pattern: str, segments: list[str]) -> dict[str, str] | None:
    wanted = pattern.split("/")
    if len(wanted) != len(segments):
        return None
    params: dict[str, str] = {}
    for want, segment in zip(wanted, segments, strict=True):
        prefix, opened, name = want.partition("{")
        if not opened:
            if want != segment:
                return None
        elif segment.startswith(prefix) and len(segment) > len(prefix):
            params[name[:-1]] = unquote(segment[len(prefix) :])
        else:
            return None
    return params


def _parsed_body(request: HttpRequest) -> Any:
    """The JSON body.

    Raises:
        Refusal: 400 for a body on a GET, a wrong content type or broken JSON; 413 for too much of it.
    """
    if request.method == "GET" and request.body:
        raise bad("body", "a GET has no body")
    if len(request.body) > MOST_BODY_BYTES:
        raise Refusal(413, f"more than {MOST_BODY_BYTES} bytes")
    if not request.body:
        return None
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise bad("content-type", "should be application/json")
    try:
        return json.loads(request.body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Refusal(400, "Invalid request body or parameters.", code="bad_request") from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _lenient_json(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except (ValueError, RecursionError):
        return None
