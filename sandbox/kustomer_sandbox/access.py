"""Who may call: the key, its roles, and the calls that tell a key about itself."""

from collections.abc import Callable, Iterable, Mapping

from kustomer_sandbox.calls import Answer, Call, Operation, Org, page, resource, row_at
from kustomer_sandbox.errors import Refusal, missing
from kustomer_sandbox.rules import Rules
from kustomer_sandbox.state import State

EXPIRED_KEY = "sandbox-expired-key"
"""Presenting this key shows what an expired one gets."""
OTHER_POD_KEY = "sandbox-other-pod-key"
"""Presenting this key shows what a key of another region gets."""

TEAM_PAGE_SIZE = 500


def check_key(headers: Mapping[str, str], api_key: str, rules: Rules) -> None:
    """Refuses what is not this organisation's key.

    Raises:
        Refusal: 401; the texts for expired and wrong-pod keys are Kustomer's own.
    """
    scheme, _, presented = headers.get("authorization", "").partition(" ")
    if scheme != "Bearer" or not presented:
        raise Refusal(401, "Missing bearer token")
    if presented == EXPIRED_KEY:
        raise Refusal(401, "Expired token")
    if presented == OTHER_POD_KEY:
        home = "prod2" if rules.pod != "prod2" else "prod1"
        raise Refusal(401, f"Auth token associated with pod {home} but request is being handled by {rules.pod}")
    if presented != api_key:
        raise Refusal(401, "Invalid token")


def granted(role: str, held: Iterable[str]) -> bool:
    """Whether a set of roles grants one: `a.b` grants `a.b.c` (broad parents are used in the field)."""
    return any(role == one or role.startswith(f"{one}.") for one in held)


def check_roles(needed: tuple[str, ...], held: Iterable[str]) -> None:
    """Any one of the needed roles suffices.

    Raises:
        Refusal: 403.
    """
    if needed and not any(granted(role, held) for role in needed):
        raise Refusal(403, f"One of these roles is needed: {', '.join(needed)}")


def machine_user(state: State) -> str:
    """The id of the user behind the key."""
    return next(str(user["id"]) for user in state.users.values() if user["userType"] == "machine")


def operations(held: Callable[[], Iterable[str]], api_key: str) -> tuple[Operation, ...]:
    """Key, user, team and queue operations; `held` answers the key's roles of the moment."""

    def current_token(org: Org, call: Call) -> Answer:
        token_id = org.state.org["tokenId"]
        attributes = {"name": "Rasa bot key", "roles": sorted(held()), "lastTokenChars": api_key[-4:]}
        attributes["lastAccessedAt"] = org.state.now()
        user = {"data": {"type": "user", "id": call.actor}}
        data = {"type": "token", "id": token_id, "attributes": attributes, "relationships": {"user": user}}
        return Answer(200, {"data": {**data, "links": {"self": f"/v1/auth/tokens/{token_id}"}}})

    def current_user(org: Org, call: Call) -> Answer:
        extra = {"roles": sorted(held())}
        return Answer(200, {"data": resource(org, "users", org.state.users[call.actor], extra)})

    return (
        Operation("GET", "/v1/auth/tokens/current", (), current_token),
        Operation("GET", "/v1/users/current", (), current_user),
        Operation("GET", "/v1/users", ("org.permission.user.read", "org.user.read", "org.admin.user.read"), _users),
        Operation("GET", "/v1/teams", ("org.permission.team.read",), _teams),
        Operation("GET", "/v1/teams/{id}", ("org.permission.team.read",), _team),
        Operation("GET", "/v1/routing/queues", _QUEUE_ROLES, _queues),
    )


_QUEUE_ROLES = ("org.permission.queue.read", "org.permission.routing.read", "org.user.routing.read")


def _users(org: Org, call: Call) -> Answer:
    wanted = call.query.get("userType")
    rows = [user for user in org.state.users.values() if wanted in (None, user["userType"])]
    return page(org, call, "users", rows, most=TEAM_PAGE_SIZE)


def _teams(org: Org, call: Call) -> Answer:
    return page(org, call, "teams", list(org.state.teams.values()), most=TEAM_PAGE_SIZE)


def _team(org: Org, call: Call) -> Answer:
    return Answer(200, {"data": resource(org, "teams", row_at(org, "teams", call))})


def _queues(org: Org, call: Call) -> Answer:
    wanted = call.query.get("key")
    return page(org, call, "queues", [row for row in org.state.queues.values() if wanted in (None, row["key"])])


def no_such_operation() -> Refusal:
    """The refusal of a path that the reference does not know."""
    return missing("path")
