"""What may go wrong with bulk jobs: scripted for one job as a fault, for all of them as a rule."""

from typing import Any

import httpx
import pytest
from tests.helpers import Clock
from tests.sandbox.test_bulk import done, items, look, results, start

from kustomer_sandbox import Sandbox

Api = httpx.AsyncClient
Row = dict[str, Any]
JOBS = "POST /v1/*/bulk"
UNKNOWN_ID = "0" * 24


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        ("reordered", ["ref-1", "ref-0"]),
        ("missing", ["ref-0"]),
        ("extra", ["nobody-asked", "ref-0", "ref-1", None]),
        ("unknown", ["ref-0", "nobody-asked-1"]),
        ("repeated", ["ref-0", "ref-0"]),
        ("doubled", ["ref-0", "ref-1", "ref-0", "ref-1"]),
        ("anonymous", [None, None]),
        ("untold", []),
    ],
)
@pytest.mark.parametrize("scripted", ["fault", "rule"])
async def test_results_may_be_told_badly_though_all_is_made(
    api: Api, sandbox: Sandbox, customer: Row, clock: Clock, *, failure: Any, told: list[str], scripted: str
) -> None:
    if scripted == "fault":
        await api.post("/sandbox/faults", json={"match": JOBS, "fault": f"bulk:{failure}"})
    else:
        await api.patch("/sandbox/rules", json={"bulk_failure": failure})
    assert [one.get("_clientRef") for one in await done(api, clock, items(customer, 2))] == told
    assert len(sandbox.state.conversations) == 2


async def test_results_of_a_repeated_reference_differ_in_what_was_made(
    api: Api, sandbox: Sandbox, customer: Row, clock: Clock
) -> None:
    sandbox.fail(JOBS, "bulk:repeated")
    told = await done(api, clock, items(customer, 2))
    assert [one["objectId"] for one in told] == list(sandbox.state.conversations)


async def test_half_of_the_items_may_fail(api: Api, sandbox: Sandbox, customer: Row, clock: Clock) -> None:
    sandbox.fail(JOBS, "bulk:half")
    assert [one["status"] for one in await done(api, clock, items(customer, 4))] == ["created", "error"] * 2
    assert len(sandbox.state.conversations) == 2


@pytest.mark.parametrize(
    ("failure", "status", "made"), [("stuck", 200, 0), ("forgotten", 404, 0), ("vanished", 404, 1)]
)
async def test_a_job_may_never_be_seen_complete(
    api: Api, sandbox: Sandbox, customer: Row, clock: Clock, *, failure: str, status: int, made: int
) -> None:
    sandbox.fail(JOBS, f"bulk:{failure}")
    job = await start(api, items(customer, 1))
    clock.now += 10_000
    answer = await api.get(f"/v1/bulk/{job}")
    assert (answer.status_code, len(sandbox.state.conversations)) == (status, made)
    assert status == 404 or answer.json()["data"]["attributes"]["status"] == "running"


async def test_a_job_may_be_slow(api: Api, sandbox: Sandbox, customer: Row, clock: Clock) -> None:
    sandbox.fail(JOBS, "bulk-slow:5")
    job = await start(api, items(customer, 1))
    seen = []
    for wait in (4.9, 0.1):
        clock.now += wait
        seen.append((await look(api, job))["status"])
    assert seen == ["running", "complete"]


async def test_the_speed_of_all_jobs_is_a_rule(api: Api, sandbox: Sandbox, customer: Row) -> None:
    sandbox.rules.bulk_seconds = 0
    assert (await look(api, await start(api, items(customer, 1))))["status"] == "complete"


async def test_a_jobs_fault_lets_every_other_request_pass(
    api: Api, sandbox: Sandbox, customer: Row, clock: Clock
) -> None:
    fault = sandbox.fail("*", "bulk:half", times=1)
    assert ((await api.get("/v1/teams")).status_code, fault.hits) == (200, 0)
    assert [one["status"] for one in await done(api, clock, items(customer, 2))] == ["created", "error"]
    assert [one["status"] for one in await done(api, clock, items(customer, 2))] == ["created", "created"]


async def test_the_log_names_a_jobs_fault(api: Api, sandbox: Sandbox, customer: Row) -> None:
    sandbox.fail(JOBS, "bulk:half")
    await start(api, items(customer, 1))
    assert (sandbox.requests[-1].status, sandbox.requests[-1].fault) == (201, "bulk:half")


async def test_a_rule_may_stop_a_job_and_let_it_go_on(api: Api, sandbox: Sandbox, customer: Row, clock: Clock) -> None:
    job = await start(api, items(customer, 1))
    clock.now += 1
    sandbox.rules.bulk_failure = "stuck"
    assert (await look(api, job))["status"] == "running"
    sandbox.rules.bulk_failure = ""
    assert (await look(api, job))["status"] == "complete"


@pytest.mark.parametrize(("fault", "made"), [("reset-after", 2), ("reset-before", 0), ("html-after", 2)])
async def test_the_answer_of_an_accepted_job_may_be_lost(
    api: Api, sandbox: Sandbox, customer: Row, clock: Clock, *, fault: str, made: int
) -> None:
    sandbox.fail(JOBS, fault)
    if fault.startswith("reset"):
        with pytest.raises(httpx.ReadError):
            await start(api, items(customer, 2))
    else:
        await api.post("/v1/conversations/bulk", json=items(customer, 2))
    clock.now += 1
    await api.get("/v1/teams")
    assert len(sandbox.state.conversations) == made


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize("match", [JOBS, "GET /v1/bulk/*"])
async def test_jobs_may_be_refused_or_missing_altogether(api: Api, sandbox: Sandbox, match: str, status: int) -> None:
    sandbox.fail(match, f"status:{status}")
    method, _, pattern = match.partition(" ")
    body: Any = [{}] if method == "POST" else None
    path = pattern.replace("*", UNKNOWN_ID if method == "GET" else "customers")
    assert ((await api.request(method, path, json=body)).status_code, len(sandbox.state.table("bulk"))) == (status, 0)


async def test_a_lost_look_does_not_undo_the_job(api: Api, sandbox: Sandbox, customer: Row, clock: Clock) -> None:
    job = await start(api, items(customer, 1))
    clock.now += 1
    sandbox.fail("GET /v1/bulk/*", "reset-after")
    with pytest.raises(httpx.ReadError):
        await look(api, job)
    assert [one["status"] for one in await results(api, job)] == ["created"]
