"""Another process scripts and inspects the sandbox over HTTP."""

from typing import Any

import httpx
import pytest

from rasa_kustomer.sandbox import Sandbox

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
    assert (await api.patch("/sandbox/rules", json={"duplicate": 1})).status_code == 400


async def test_the_log_holds_api_requests_only(api: httpx.AsyncClient) -> None:
    await api.get("/")
    await api.get("/v1/teams")
    assert [entry["path"] for entry in (await api.get("/sandbox/requests")).json()] == ["/v1/teams"]


@pytest.mark.parametrize("path", ["/sandbox/faults", "/sandbox/desk/x/reply"])
async def test_another_sites_page_may_not_write(api: httpx.AsyncClient, path: str) -> None:
    answer = await api.post(path, json={"fault": "hang"}, headers={"origin": "https://evil.example"})
    assert answer.status_code == 403
