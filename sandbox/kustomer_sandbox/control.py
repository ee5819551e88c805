"""Routes that script and inspect a sandbox from another process. They ask for no key: keep them on loopback.

GET                  /sandbox/state     everything it holds
GET                  /sandbox/requests  the API's request log
GET     DELETE       /sandbox/units     what was taken from the budget, by method and path with placeholders
GET POST DELETE      /sandbox/faults    {"match": "POST /v1/*", "fault": "status:503", "times": 3, "skip": 0}
GET PATCH            /sandbox/rules     the switches of `rules.Rules`
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from kustomer_sandbox.faults import BULK_FAILURES, Faults
from kustomer_sandbox.gateway import JSON_TYPE, LoggedRequest
from kustomer_sandbox.rules import Rules
from kustomer_sandbox.state import State
from kustomer_sandbox.wire import HttpReply, HttpRequest


class Control:
    """Answers the control routes; None for a path that is not one."""

    def __init__(
        self,
        state: State,
        rules: Rules,
        faults: Faults,
        requests: Iterable[LoggedRequest],
        units: Counter[str],
    ) -> None:
        self._state = state
        self._rules = rules
        self._faults = faults
        self._requests = requests
        self._routes: Mapping[tuple[str, str], Callable[[Any], Any]] = {
            ("GET", "/sandbox/state"): lambda _: state.as_json(),
            ("GET", "/sandbox/requests"): lambda _: [vars(logged) for logged in requests],
            ("GET", "/sandbox/units"): lambda _: {"total": units.total(), "calls": dict(units)},
            ("DELETE", "/sandbox/units"): lambda _: units.clear(),
            ("GET", "/sandbox/faults"): lambda _: faults.as_json(),
            ("POST", "/sandbox/faults"): self._add_fault,
            ("DELETE", "/sandbox/faults"): lambda _: faults.clear(),
            ("GET", "/sandbox/rules"): lambda _: self._shown_rules(),
            ("PATCH", "/sandbox/rules"): self._change_rules,
        }

    def __call__(self, request: HttpRequest) -> HttpReply | None:
        """The answer, or None when this is no control route."""
        route = self._routes.get((request.method, request.target.partition("?")[0]))
        if route is None:
            return None
        if not same_origin(request):
            return json_reply(403, {"error": "another site's page may not do this"})
        try:
            body = json.loads(request.body) if request.body else None
            return json_reply(200, route(body))
        except (ValueError, TypeError, KeyError) as error:
            return json_reply(400, {"error": str(error)})

    def _add_fault(self, body: Any) -> Any:
        script = _object(body)
        times, skip = script.get("times", 1), script.get("skip", 0)
        if not isinstance(skip, int) or not isinstance(times, int | None):
            raise TypeError("times should be an integer or null, skip an integer")
        return self._faults.add(str(script.get("match", "*")), str(script["fault"]), times, skip).as_json()

    def _shown_rules(self) -> dict[str, Any]:
        custom = {kind: sorted(names) for kind, names in self._rules.custom.items()}
        return {**vars(self._rules), "custom": custom}

    def _change_rules(self, body: Any) -> dict[str, Any]:
        body = dict(_object(body))
        if unknown := body.keys() - vars(self._rules).keys():
            raise ValueError(f"no such rule: {', '.join(sorted(unknown))}")
        if body.get("bulk_failure", "") not in ("", *BULK_FAILURES):
            # A mistyped failure would never happen, and the client would seem to stand it.
            raise ValueError(f"no such failure of bulk jobs; there are {', '.join(BULK_FAILURES)}")
        if "custom" in body:
            body["custom"] = {kind: frozenset(names) for kind, names in body["custom"].items()}
        for name, value in body.items():
            setattr(self._rules, name, value)
        return self._shown_rules()


def _object(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise TypeError("the body should be a JSON object")
    return body


def json_reply(status: int, body: Any) -> HttpReply:
    """A JSON answer that is never cached."""
    return HttpReply(
        status,
        json.dumps(body, ensure_ascii=False).encode("utf-8", "backslashreplace"),
        {**JSON_TYPE, "cache-control": "no-store"},
    )


def same_origin(request: HttpRequest) -> bool:
    """Whether the request comes from no page, or from one that this sandbox served."""
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")
