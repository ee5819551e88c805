"""Scripted failures do what they say, on the wire."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from kustomer_sandbox import Fault, Sandbox

Api = httpx.AsyncClient
CREATE = "POST /v1/customers"


async def create(api: Api) -> httpx.Response:
    return await api.post("/v1/customers", json={"name": "Ada"})


@pytest.mark.parametrize(("fault", "written"), [("reset-before", 0), ("reset-after", 1)])
async def test_a_reset_really_closes_the_connection(api: Api, sandbox: Sandbox, fault: str, written: int) -> None:
    sandbox.fail(CREATE, fault)
    with pytest.raises(httpx.ReadError):
        await create(api)
    assert (len(sandbox.state.customers), sandbox.requests[-1].status) == (written, None)
    assert (await create(api)).status_code == 201


async def test_the_peer_of_a_reset_sees_rst_and_not_an_orderly_end(sandbox: Sandbox) -> None:
    sandbox.fail("*", "reset-before")
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sandbox.url.rpartition(":")[2]))
    writer.write(b"GET /v1/teams HTTP/1.1\r\nhost: x\r\n\r\n")
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()


@pytest.mark.parametrize(
    ("fault", "status", "written"),
    [
        ("status:503", 503, 0),
        ("status-after:503", 503, 1),
        ("status", 500, 0),
        ("html", 502, 0),
        ("html-after", 200, 1),
        ("bad-json", 201, 1),
        ("latency:0", 201, 1),
    ],
)
async def test_a_fault_answers_and_writes_as_it_says(
    api: Api, sandbox: Sandbox, fault: str, status: int, written: int
) -> None:
    sandbox.fail(CREATE, fault)
    assert ((await create(api)).status_code, len(sandbox.state.customers)) == (status, written)


@pytest.mark.parametrize(("fault", "kind"), [("html", "text/html"), ("bad-json", "application/json; charset=utf-8")])
async def test_a_broken_answer_is_no_json(api: Api, sandbox: Sandbox, fault: str, kind: str) -> None:
    sandbox.fail("*", fault)
    answer = await create(api)
    assert answer.headers["content-type"].startswith(kind)
    with pytest.raises(json.JSONDecodeError):
        answer.json()


@pytest.mark.parametrize(("fault", "written"), [("hang", 0), ("hang-after", 1)])
async def test_a_hang_never_answers(api: Api, sandbox: Sandbox, fault: str, written: int) -> None:
    sandbox.fail("*", fault)
    with pytest.raises(httpx.ReadTimeout):
        await api.post("/v1/customers", json={}, timeout=0.05)
    assert len(sandbox.state.customers) == written


async def test_a_hanging_request_does_not_keep_the_sandbox_from_stopping() -> None:
    sandbox = Sandbox()
    sandbox.fail("*", "hang")
    async with sandbox.serve(), httpx.AsyncClient(base_url=sandbox.url) as client:
        waiting = asyncio.create_task(client.get("/v1/teams"))
        while not sandbox.requests:  # noqa: ASYNC110 - the sandbox has no event to wait for, and needs none
            await asyncio.sleep(0)
    with pytest.raises(httpx.HTTPError):
        await waiting


@pytest.mark.parametrize(("fault", "spent"), [("429:org", True), ("429:customer", False)])
async def test_the_two_kinds_of_429_differ_in_what_remains(api: Api, sandbox: Sandbox, fault: str, spent: bool) -> None:
    sandbox.fail("*", fault)
    answer = await create(api)
    assert (answer.status_code, answer.headers["x-ratelimit-remaining"] == "0") == (429, spent)
    assert int(answer.headers["x-ratelimit-reset"]) > 0


async def test_a_fault_hits_only_what_matches_as_often_as_told(api: Api, sandbox: Sandbox) -> None:
    sandbox.fail("POST /v1/cust*", "status:500", times=2, skip=1)
    statuses = [(await create(api)).status_code for _ in range(4)]
    assert (statuses, (await api.get("/v1/teams")).status_code) == ([201, 500, 500, 201], 200)


async def test_a_fault_without_end_lasts_until_it_is_healed(api: Api, sandbox: Sandbox) -> None:
    sandbox.fail("*", "status:503", times=None)
    assert [(await create(api)).status_code for _ in range(3)] == [503] * 3
    sandbox.heal()
    assert (await create(api)).status_code == 201


async def test_the_log_tells_what_happened_in_order(api: Api, sandbox: Sandbox) -> None:
    sandbox.fail("GET *", "status:502")
    await create(api)
    await api.get("/v1/teams?page=1")
    seen = [(r.method, r.path, r.query, r.status, r.body, r.fault) for r in sandbox.requests]
    assert seen == [
        ("POST", "/v1/customers", "", 201, {"name": "Ada"}, None),
        ("GET", "/v1/teams", "page=1", 502, None, "status:502"),
    ]


@pytest.mark.parametrize(
    "written", ["", "explode", "status:42", "status:x", "latency:soon", "429:me", "hang:3", "bulk", "bulk:x"]
)
def test_a_fault_that_cannot_be_read_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="is no fault; there are 429, bad-json, bulk-slow, bulk:stuck"):
        Fault.parse(written)


async def test_an_outage_is_serving_again_on_the_same_port(clock: Any) -> None:
    sandbox = Sandbox(now=clock)
    headers = {"authorization": f"Bearer {sandbox.api_key}"}
    async with httpx.AsyncClient(headers=headers) as client:
        async with sandbox.serve():
            port = int(sandbox.url.rpartition(":")[2])
            await client.post(f"{sandbox.url}/v1/customers", json={"externalId": "ada"})
        with pytest.raises(httpx.ConnectError):
            await client.get(f"{sandbox.url}/v1/teams")
        async with sandbox.serve(port=port):
            assert (await client.get(f"{sandbox.url}/v1/customers/externalId=ada")).status_code == 200
