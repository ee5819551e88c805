"""Another process scripts and inspects the sandbox over HTTP."""

from typing import Any

import httpx
import pytest

from kustomer_sandbox import Sandbox

Row = dict[str, Any]


async def test_control_routes_ask_for_no_key(sandbox: Sandbox, conversation: Row) -> None:
    async with httpx.AsyncClient(base_url=sandbox.url) as client:
        state = (await client.get("/sandbox/state")).json()
    assert [row["id"] for row in state["conversations"]] == [conversation["id"]]
    assert {"customers", "messages", "notes", "teams", "users", "tags", "queues", "org", "version"} < state.keys()


async def test_faults_are_scripted_listed_and_cleared(api: httpx.AsyncClient) -> None:
    script = {"match": "GET /v1/teams", "fault": "status:503", "times": None}
    added = (await api.post("/sandbox/faults", json=script)).json()
    assert (added["fault"], (await api.get("/v1/teams")).status_code) == ("status:503", 503)
    assert [entry["hits"] for entry in (await api.get("/sandbox/faults")).json()] == [1]
    await api.delete("/sandbox/faults")
    assert (await api.get("/v1/teams")).status_code == 200


@pytest.mark.parametrize("body", [{"fault": "explode"}, {}, [], {"fault": "hang", "times": "x"}])
async def test_a_script_that_cannot_be_read_is_refused(api: httpx.AsyncClient, body: Any) -> None:
    assert (await api.post("/sandbox/faults", json=body)).status_code == 400


async def test_rules_change_while_it_runs(api: httpx.AsyncClient, customer: Row) -> None:
    await api.patch("/sandbox/rules", json={"duplicate_status": 422, "custom": {"customer": ["aStr"]}})
    body = {"externalId": "ada", "custom": {"aStr": "x"}}
    assert (await api.post("/v1/customers", json=body)).status_code == 422
    for wrong in ({"duplicate": 1}, {"bulk_failure": "hlaf"}):
        assert (await api.patch("/sandbox/rules", json=wrong)).status_code == 400


async def test_the_log_holds_api_requests_only(api: httpx.AsyncClient) -> None:
    await api.get("/")
    await api.get("/v1/teams")
    assert [entry["path"] for entry in (await api.get("/sandbox/requests")).json()] == ["/v1/teams"]


@pytest.mark.parametrize("path", ["/sandbox/faults", "/sandbox/desk/x/reply"])
async def test_another_sites_page_may_not_write(api: httpx.AsyncClient, path: str) -> None:
    answer = await api.post(path, json={"fault": "hang"}, headers={"origin": "https://evil.example"})
    assert answer.status_code == 403


async def test_units_are_counted_by_method_and_path_with_placeholders(
    api: httpx.AsyncClient, conversation: Row
) -> None:
    await api.delete("/sandbox/units")
    for _ in range(2):
        await api.get(f"/v1/conversations/{conversation['id']}?page=1")
    await api.post("/v1/customers/bulk", json=[{}] * 100)
    await api.get("/v1/nothing")
    calls = {"GET /v1/conversations/{id}": 2, "POST /v1/customers/bulk": 1, "GET (no such path)": 1}
    assert (await api.get("/sandbox/units")).json() == {"total": 4, "calls": calls}


async def test_only_what_the_budget_pays_is_a_unit(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    await api.get("/v1/teams", headers={"authorization": "Bearer wrong"})
    sandbox.fail("*", "status:503")
    sandbox.rules.rate_limit = 1
    statuses = [(await api.get("/v1/teams")).status_code for _ in range(3)]
    assert (statuses, dict(sandbox.units)) == ([503, 200, 429], {"GET /v1/teams": 1})


async def test_the_log_survives_a_body_that_is_no_utf_8(api: httpx.AsyncClient) -> None:
    await api.post("/v1/customers", content=rb'{"\ud800": 1}', headers={"content-type": "application/json"})
    assert (await api.get("/sandbox/requests")).json()[0]["body"] == {"\ud800": 1}
