"""Who may call, and what a refused caller hears."""

import httpx
import pytest

from kustomer_sandbox import Sandbox
from kustomer_sandbox.gateway import EXPIRED_KEY, OTHER_POD_KEY

NOWHERE = "0" * 24
MESSAGE = {"channel": "chat", "app": "rasa", "direction": "in", "preview": "hello"}
NEEDS: list[tuple[str, str, object, str]] = [
    ("GET", "/v1/customers/externalId=ada", None, "org.permission.customer.read"),
    ("POST", "/v1/customers", {}, "org.permission.customer.create"),
    ("PATCH", f"/v1/customers/{NOWHERE}", {}, "org.permission.customer.update"),
    ("GET", f"/v1/customers/{NOWHERE}/conversations", None, "org.permission.conversation.read"),
    ("GET", "/v1/conversations/externalId=x", None, "org.permission.conversation.read"),
    ("POST", "/v1/conversations", {}, "org.permission.conversation.create"),
    ("PATCH", f"/v1/conversations/{NOWHERE}", {}, "org.permission.conversation.update"),
    ("POST", f"/v1/conversations/{NOWHERE}/tags", [], "org.permission.conversation.update"),
    ("DELETE", f"/v1/conversations/{NOWHERE}", None, "org.permission.conversation.delete"),
    ("GET", "/v1/messages/externalId=x", None, "org.permission.message.read"),
    ("POST", f"/v1/conversations/{NOWHERE}/messages", MESSAGE, "org.permission.message.create"),
    ("GET", f"/v1/conversations/{NOWHERE}/notes", None, "org.permission.note.read"),
    ("POST", f"/v1/conversations/{NOWHERE}/notes", {"body": "x"}, "org.permission.note.create"),
    ("GET", "/v1/teams", None, "org.permission.team.read"),
    ("DELETE", f"/v1/customers/{NOWHERE}", None, "org.permission.customer.delete"),
    ("DELETE", f"/v1/notes/{NOWHERE}", None, "org.permission.note.delete"),
]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (None, "Missing bearer token"),
        ("Bearer", "Missing bearer token"),
        ("Basic sandbox-key", "Missing bearer token"),
        ("Bearer wrong", "Invalid token"),
        (f"Bearer {EXPIRED_KEY}", "Expired token"),
        (f"Bearer {OTHER_POD_KEY}", "Auth token associated with pod prod2 but request is being handled by prod1"),
    ],
)
async def test_a_key_that_is_not_this_organisations_is_refused(sandbox: Sandbox, header: str | None, said: str) -> None:
    async with httpx.AsyncClient(base_url=sandbox.url) as client:
        answer = await client.get("/v1/users/current", headers={"authorization": header} if header else {})
    assert (answer.status_code, answer.json()["errors"][0]["detail"]) == (401, said)


@pytest.mark.parametrize("need", NEEDS, ids=lambda need: f"{need[0]} {need[1]}")
async def test_an_operation_needs_its_role(
    api: httpx.AsyncClient, sandbox: Sandbox, need: tuple[str, str, object, str]
) -> None:
    method, path, body, role = need
    sandbox.roles.clear()
    refused = await api.request(method, path, json=body)
    assert (refused.status_code, role in refused.json()["errors"][0]["detail"]) == (403, True)
    sandbox.roles.add(role)
    assert (await api.request(method, path, json=body)).status_code != 403


@pytest.mark.parametrize("role", ["org", "org.permission", "org.permission.team", "org.permission.team.read"])
async def test_a_broader_role_grants_the_narrower(api: httpx.AsyncClient, sandbox: Sandbox, role: str) -> None:
    sandbox.roles.clear()
    sandbox.roles.add(role)
    assert (await api.get("/v1/teams")).status_code == 200


@pytest.mark.parametrize("role", ["org.perm", "org.permission.team.read.more", "org.permission.teams"])
async def test_a_role_that_only_looks_alike_grants_nothing(api: httpx.AsyncClient, sandbox: Sandbox, role: str) -> None:
    sandbox.roles.clear()
    sandbox.roles.add(role)
    assert (await api.get("/v1/teams")).status_code == 403


async def test_the_legacy_role_counts(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    sandbox.roles.clear()
    sandbox.roles.add("org.user.customer.write")
    assert (await api.post("/v1/customers", json={})).status_code == 201


async def test_every_valid_key_may_ask_about_itself(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    sandbox.roles.clear()
    token = (await api.get("/v1/auth/tokens/current")).json()["data"]["attributes"]
    user = (await api.get("/v1/users/current")).json()["data"]
    assert (token["roles"], token["lastTokenChars"]) == ([], "-key")
    assert (user["id"], user["attributes"]["userType"]) == (sandbox.machine_user["id"], "machine")


async def test_the_key_itself_is_never_told(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    assert sandbox.api_key not in (await api.get("/v1/auth/tokens/current")).text


async def test_every_answer_names_its_pod(api: httpx.AsyncClient) -> None:
    assert [(await api.get(path)).headers["x-kustomer-pod"] for path in ("/v1/teams", "/v1/none")] == ["prod1"] * 2
