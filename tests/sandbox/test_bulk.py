"""Bulk jobs (Kustomer API reference, Bulk)."""

from typing import Any

import httpx
import pytest
from tests.sandbox.conftest import Clock

from rasa_kustomer.sandbox import Sandbox


def items(customer: dict[str, Any], number: int) -> list[dict[str, Any]]:
    return [{"customer": customer["id"], "name": f"chat {n}", "_clientRef": f"ref-{n}"} for n in range(number)]


async def start(api: httpx.AsyncClient, body: Any, resource: str = "conversations") -> str:
    answer = await api.post(f"/v1/{resource}/bulk", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.json()["data"]["attributes"]["status"] == "queued"
    return str(answer.json()["data"]["id"])


async def results(api: httpx.AsyncClient, job: str) -> list[dict[str, Any]]:
    listed = (await api.get(f"/v1/bulk/{job}/batches")).json()["data"]
    return [one for batch in listed for one in batch["attributes"].get("results", [])]


async def test_nothing_is_made_before_the_job_is_complete(
    api: httpx.AsyncClient, sandbox: Sandbox, customer: dict[str, Any], clock: Clock
) -> None:
    job = await start(api, items(customer, 3))
    assert not sandbox.state.conversations

    clock.now += 1
    shown = (await api.get(f"/v1/bulk/{job}")).json()["data"]["attributes"]

    assert (shown["status"], shown["batches"]) == ("complete", {"complete": 1, "total": 1})
    told = await results(api, job)
    assert [one["_clientRef"] for one in told] == ["ref-0", "ref-1", "ref-2"]
    assert [one["objectId"] for one in told] == list(sandbox.state.conversations)


async def test_items_fail_one_by_one_by_the_rules_of_single_creates(
    api: httpx.AsyncClient, customer: dict[str, Any], clock: Clock
) -> None:
    wrong = [{"externalId": "ada", "_clientRef": "taken"}, {"nonsense": 1, "_clientRef": "unknown field"}]
    job = await start(api, [*wrong, {"externalId": "bob", "_clientRef": "fine"}], "customers")
    clock.now += 1

    told = {one["_clientRef"]: one for one in await results(api, job)}

    assert "duplicate" in told["taken"]["error"]
    assert "nonsense" in told["unknown field"]["error"]
    assert told["fine"]["status"] == "created"


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        [{}] * 101,
        [{"_clientRef": "a"}, {}],
        [{"_clientRef": "a"}, {"_clientRef": "a"}],
        [{"_clientRef": ""}],
        [{"_clientRef": "x" * 256}],
        [{"_clientRef": 7}],
    ],
)
async def test_what_is_no_proper_list_is_refused_whole(api: httpx.AsyncClient, body: Any) -> None:
    assert (await api.post("/v1/messages/bulk", json=body)).status_code == 400


async def test_a_job_costs_one_request_of_the_budget(api: httpx.AsyncClient, customer: dict[str, Any]) -> None:
    before = (await api.get("/v1/users/current")).headers["x-ratelimit-remaining"]
    answer = await api.post("/v1/conversations/bulk", json=items(customer, 100))

    assert int(before) - int(answer.headers["x-ratelimit-remaining"]) == 1


async def test_the_limit_of_a_customer_holds_inside_a_job(
    api: httpx.AsyncClient, sandbox: Sandbox, customer: dict[str, Any], clock: Clock
) -> None:
    sandbox.rules.customer_limit = 2
    job = await start(api, items(customer, 3))
    clock.now += 1

    assert [one["status"] for one in await results(api, job)] == ["created", "created", "error"]


@pytest.mark.parametrize(("role", "path"), [("message.create", "/v1/messages/bulk"), ("bulk.read", "/v1/bulk/1")])
async def test_jobs_need_roles(api: httpx.AsyncClient, sandbox: Sandbox, role: str, path: str) -> None:
    sandbox.roles.discard(f"org.permission.{role}")
    answer = await (api.get(path) if role == "bulk.read" else api.post(path, json=[{}]))
    assert answer.status_code == 403


async def test_attributes_may_sit_beside_the_id(api: httpx.AsyncClient, sandbox: Sandbox) -> None:
    sandbox.rules.bulk_nested = False
    answer = await api.post("/v1/customers/bulk", json=[{"name": "Ann"}])
    assert answer.json()["data"]["status"] == "queued"


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        ("reordered", ["ref-1", "ref-0"]),
        ("missing", ["ref-0"]),
        ("extra", ["nobody-asked", "ref-0", "ref-1", None]),
        ("doubled", ["ref-0", "ref-1", "ref-0", "ref-1"]),
        ("untold", []),
    ],
)
async def test_results_may_be_told_badly(
    api: httpx.AsyncClient, sandbox: Sandbox, customer: dict[str, Any], clock: Clock, *, failure: Any, told: list[str]
) -> None:
    sandbox.rules.bulk_failure = failure
    job = await start(api, items(customer, 2))
    clock.now += 1

    assert [one.get("_clientRef") for one in await results(api, job)] == told
    assert len(sandbox.state.conversations) == 2


async def test_jobs_may_be_stuck_forgotten_or_half_done(
    api: httpx.AsyncClient, sandbox: Sandbox, customer: dict[str, Any], clock: Clock
) -> None:
    job = await start(api, items(customer, 4))
    clock.now += 1
    sandbox.rules.bulk_failure = "stuck"
    assert (await api.get(f"/v1/bulk/{job}")).json()["data"]["attributes"]["status"] == "running"
    sandbox.rules.bulk_failure = "forgotten"
    assert (await api.get(f"/v1/bulk/{job}")).status_code == 404
    sandbox.rules.bulk_failure = "half"
    assert [one["status"] for one in await results(api, job)] == ["created", "error"] * 2
