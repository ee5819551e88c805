"""Routes that script and inspect a sandbox from another process. They ask for no key: keep them on loopback.

GET                  /sandbox/state     everything it holds
GET                  /sandbox/requests  the API's request log
GET     DELETE       /sandbox/units     what was taken from the budget, by method and path with placeholders
GET POST DELETE      /sandbox/faults    {"match": "POST /v1/*", "fault": "status:503", "times": 3, "skip": 0}
GET PATCH            /sandbox/rules     the switches of `rules.Rules`
"""

import json
from typing import TYPE_CHECKING, Any

from kustomer_sandbox.calls import Org
from kustomer_sandbox.faults import Fault, ScriptedFault
from kustomer_sandbox.gateway import Gateway
from kustomer_sandbox.rules import BULK_FAILURES, Rules
from kustomer_sandbox.wire import HttpReply, HttpRequest, json_reply

if TYPE_CHECKING:
    from collections.abc import Callable


class Control:
    """Answers the control routes; None for a path that is not one."""

    def __init__(self, org: Org, gateway: Gateway) -> None:
        units, script, rules = gateway.units, gateway.script, org.rules
        self._routes: dict[tuple[str, str], Callable[[Any], Any]] = {
            ("GET", "/sandbox/state"): lambda _: org.state.as_json(),
            ("GET", "/sandbox/requests"): lambda _: [vars(logged) for logged in gateway.requests],
            ("GET", "/sandbox/units"): lambda _: {"total": units.total(), "calls": dict(units)},
            ("DELETE", "/sandbox/units"): lambda _: units.clear(),
            ("GET", "/sandbox/faults"): lambda _: [one.as_json() for one in script],
            ("POST", "/sandbox/faults"): lambda body: _added(script, **body),
            ("DELETE", "/sandbox/faults"): lambda _: script.clear(),
            ("GET", "/sandbox/rules"): lambda _: _shown(rules),
            ("PATCH", "/sandbox/rules"): lambda body: _changed(rules, **body),
        }

    def __call__(self, request: HttpRequest) -> HttpReply | None:
        """The answer, or None when this is no control route."""
        route = self._routes.get((request.method, request.target.partition("?")[0]))
        if route is None:
            return None
        if not request.from_own_page:
            return json_reply(403, {"error": "another site's page may not do this"})
        try:
            return json_reply(200, route(json.loads(request.body) if request.body else None))
        except (ValueError, TypeError) as error:
            return json_reply(400, {"error": str(error)})


def _added(script: list[ScriptedFault], fault: str, match: str = "*", times: int | None = 1, skip: int = 0) -> Any:
    if not isinstance(skip, int) or not isinstance(times, int | None):
        raise TypeError("times should be an integer or null, skip an integer")
    script.append(ScriptedFault(str(match), Fault.parse(str(fault)), times, skip))
    return script[-1].as_json()


def _shown(rules: Rules) -> dict[str, Any]:
    return {**vars(rules), "custom": {kind: sorted(names) for kind, names in rules.custom.items()}}


def _changed(rules: Rules, **changes: Any) -> dict[str, Any]:
    if unknown := changes.keys() - vars(rules).keys():
        raise ValueError(f"no such rule: {', '.join(sorted(unknown))}")
    if changes.get("bulk_failure", "") not in ("", *BULK_FAILURES):
        # A mistyped failure would never happen, and the client would seem to stand it.
        raise ValueError(f"no such failure of bulk jobs; there are {', '.join(BULK_FAILURES)}")
    if "custom" in changes:
        changes["custom"] = {kind: frozenset(names) for kind, names in dict(changes["custom"]).items()}
    for name, value in changes.items():
        setattr(rules, name, value)
    return _shown(rules)
