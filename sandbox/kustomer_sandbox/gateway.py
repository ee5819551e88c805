"""The way of a request: script of failures, key, budget, roles, operation; and what is noted about it."""

import asyncio
import json
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from kustomer_sandbox.api import OPERATIONS
from kustomer_sandbox.bulk import Bulk
from kustomer_sandbox.calls import Answer, Call, Operation, Org, Refusal, bad
from kustomer_sandbox.faults import Fault, ScriptedFault
from kustomer_sandbox.limits import OrgLimit
from kustomer_sandbox.wire import JSON_TYPE, HttpReply, HttpRequest, encoded

MAX_BODY_BYTES = 400_000
KEPT_REQUESTS = 100_000
UNKNOWN_PATH = "(no such path)"
EXPIRED_KEY = "sandbox-expired-key"
"""Presenting this key shows what an expired one gets."""
OTHER_POD_KEY = "sandbox-other-pod-key"
"""Presenting this key shows what a key of another region gets."""
GATEWAY_PAGE = b"<!DOCTYPE html><html><head><title>ERROR: The request could not be satisfied</title></head></html>"


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
        script: The failures to come; the first that matches a request strikes.
        requests: The latest requests, scripted failures included.
        units: What was taken from the organisation's budget, by method and path with placeholders.
    """

    def __init__(self, org: Org, bulk: Bulk, now: Callable[[], float]) -> None:
        self._org, self._now = org, now
        self._limit = OrgLimit(org.rules, now)
        self._operations = [(_pattern(one), one) for one in (*bulk.operations(), *OPERATIONS)]
        self.script: list[ScriptedFault] = []
        self.requests: deque[LoggedRequest] = deque(maxlen=KEPT_REQUESTS)
        self.units: Counter[str] = Counter()

    async def __call__(self, request: HttpRequest) -> HttpReply | None:
        """Answers, or fails as scripted; None cuts the connection."""
        path, _, query = request.target.partition("?")
        fault = next((one.fault for one in self.script if one.strikes(request.method, path)), None)
        written, body = str(fault or "") or None, _lenient_json(request.body)
        logged = LoggedRequest(request.method, path, query, None, body, written, self._now())
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
            return self._refused(Refusal(429, "scripted failure"), spent=fault.value == "org")
        if fault.kind == "bad-json" and reply:
            return HttpReply(reply.status, reply.body[: len(reply.body) // 2] or b"{", reply.headers)
        return reply

    def _answer(self, request: HttpRequest, path: str, query: str, fault: Fault | None) -> HttpReply:
        try:
            _check_key(request.headers, self._org)
            if not self._limit.take():
                return self._refused(Refusal(429, "the organisation's requests of this minute are spent"), spent=True)
            operation, params = self._find(request.method, path)
            _check_roles(operation.roles, self._org.roles)
            fields = dict(parse_qsl(query, keep_blank_values=True))
            is_admin = _granted("org.admin", self._org.roles)
            actor = str(self._org.state.machine_user["id"])
            call = Call(actor, _parsed_body(request), params, fields, path, is_admin, fault)
            answer = operation.handler(self._org, call)
            self._org.state.commit()
        except Refusal as refusal:
            return self._refused(refusal)
        return self._reply(answer)

    def _find(self, method: str, path: str) -> tuple[Operation, dict[str, str]]:
        for pattern, operation in self._operations:
            if operation.method == method and (found := pattern.fullmatch(path)):
                self.units[f"{method} {operation.pattern}"] += 1
                return operation, {name: unquote(value) for name, value in found.groupdict().items()}
        self.units[f"{method} {UNKNOWN_PATH}"] += 1
        raise Refusal(404, parameter="path")

    def _refused(self, refusal: Refusal, *, spent: bool = False) -> HttpReply:
        return self._reply(Answer(refusal.status, refusal.shown(self._org.rules)), spent=spent)

    def _reply(self, answer: Answer, *, spent: bool = False) -> HttpReply:
        headers = {**self._limit.headers(spent=spent), "X-Kustomer-Pod": self._org.rules.pod}
        if answer.body is None:
            return HttpReply(answer.status, b"", headers)
        return HttpReply(answer.status, encoded(answer.body), {**JSON_TYPE, **headers})


def _check_key(headers: Mapping[str, str], org: Org) -> None:
    """Refuses what is not this organisation's key; the texts for expired and wrong-pod keys are Kustomer's own."""
    scheme, _, presented = headers.get("authorization", "").partition(" ")
    pod, home = org.rules.pod, "prod2" if org.rules.pod != "prod2" else "prod1"
    if scheme != "Bearer" or not presented:
        raise Refusal(401, "Missing bearer token")
    if presented == EXPIRED_KEY:
        raise Refusal(401, "Expired token")
    if presented == OTHER_POD_KEY:
        raise Refusal(401, f"Auth token associated with pod {home} but request is being handled by {pod}")
    if presented != org.api_key:
        raise Refusal(401, "Invalid token")


def _granted(role: str, held: Iterable[str]) -> bool:
    """Whether a set of roles grants one: `a.b` grants `a.b.c` (broad parents are used in the field)."""
    return any(role == one or role.startswith(f"{one}.") for one in held)


def _check_roles(needed: tuple[str, ...], held: Iterable[str]) -> None:
    if needed and not any(_granted(role, held) for role in needed):
        raise Refusal(403, f"One of these roles is needed: {', '.join(needed)}")


def _pattern(operation: Operation) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", operation.pattern))


def _parsed_body(request: HttpRequest) -> Any:
    """The JSON body.

    Raises:
        Refusal: 400 for a body on a GET, a wrong content type or broken JSON; 413 for too much of it.
    """
    if request.method == "GET" and request.body:
        raise bad("body", "a GET has no body")
    if len(request.body) > MAX_BODY_BYTES:
        raise Refusal(413, f"more than {MAX_BODY_BYTES} bytes")
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
