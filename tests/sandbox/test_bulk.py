"""Bulk jobs as the reference describes them (Kustomer API reference, Bulk)."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.helpers import Clock

from kustomer_sandbox import Sandbox

Api = httpx.AsyncClient
Row = dict[str, Any]
MESSAGE = {"channel": "chat", "app": "rasa", "direction": "in", "preview": "hello"}
CREATES = ["customers", "conversations", "messages", "notes"]


def items(customer: Row, number: int) -> list[Row]:
    return [{"customer": customer["id"], "name": f"chat {n}", "_clientRef": f"ref-{n}"} for n in range(number)]


async def post(api: Api, body: Any, resource: str = "conversations") -> httpx.Response:
    # With json.dumps, as httpx cannot write lone surrogates.
    headers = {"content-type": "application/json"}
    return await api.post(f"/v1/{resource}/bulk", content=json.dumps(body), headers=headers)


async def start(api: Api, body: Any, resource: str = "conversations") -> str:
    answer = await post(api, body, resource)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["data"]["id"])


async def look(api: Api, job: str) -> Row:
    shown: Row = (await api.get(f"/v1/bulk/{job}")).json()["data"]["attributes"]
    return shown


async def batches(api: Api, job: str) -> list[Row]:
    return [batch["attributes"] for batch in (await api.get(f"/v1/bulk/{job}/batches")).json()["data"]]


async def results(api: Api, job: str) -> list[Row]:
    return [one for batch in await batches(api, job) for one in batch.get("results", [])]


async def done(api: Api, clock: Clock, body: Any, resource: str = "conversations") -> list[Row]:
    job = await start(api, body, resource)
    clock.now += 1
    return await results(api, job)


async def test_a_job_is_queued_then_runs_then_is_complete(api: Api, customer: Row, clock: Clock) -> None:
    answer = await api.post("/v1/conversations/bulk", json=items(customer, 1))
    data = answer.json()["data"]
    seen = [(data["type"], data["attributes"]["status"])]
    for wait in (0.05, 0.14, 0.01):
        clock.now += wait
        seen.append(("bulk", (await look(api, data["id"]))["status"]))
    assert seen == [("bulk", "queued"), ("bulk", "queued"), ("bulk", "running"), ("bulk", "complete")]


async def test_nothing_is_made_before_the_job_is_complete(
    api: Api, sandbox: Sandbox, customer: Row, clock: Clock
) -> None:
    job = await start(api, items(customer, 3))
    clock.now += 0.19
    assert ((await look(api, job))["batches"], len(sandbox.state.conversations)) == ({"complete": 0, "total": 1}, 0)
    clock.now += 0.01
    assert ((await look(api, job))["batches"], len(sandbox.state.conversations)) == ({"complete": 1, "total": 1}, 3)


async def test_a_job_is_done_once(api: Api, sandbox: Sandbox, customer: Row, clock: Clock) -> None:
    job = await start(api, items(customer, 1))
    clock.now += 1
    for _ in range(2):
        await look(api, job)
    assert len(sandbox.state.conversations) == 1


async def test_a_job_that_nobody_polls_is_done_all_the_same(api: Api, customer: Row, clock: Clock) -> None:
    await start(api, [{"customer": customer["id"], "externalId": "rasa:1"}])
    clock.now += 0.2
    assert (await api.get("/v1/conversations/externalId=rasa:1")).status_code == 200


async def test_results_name_what_was_made_in_the_order_of_the_items(
    api: Api, sandbox: Sandbox, customer: Row, clock: Clock
) -> None:
    told = await done(api, clock, items(customer, 2))
    made = list(sandbox.state.conversations)
    assert told == [{"_clientRef": f"ref-{n}", "objectId": made[n], "status": "created"} for n in range(2)]
    assert [row["name"] for row in sandbox.state.conversations.values()] == ["chat 0", "chat 1"]


async def test_a_batch_counts_both_ends(api: Api, sandbox: Sandbox, clock: Clock) -> None:
    job = await start(api, [{"externalId": "bob"}, {"nonsense": 1}], "customers")
    clock.now += 1
    (batch,) = await batches(api, job)
    assert (batch["status"], batch["successCount"], batch["failureCount"]) == ("complete", 1, 1)
    assert (batch["objectIds"], batch["completedAt"]) == (list(sandbox.state.customers), sandbox.state.now())


async def test_without_references_there_are_no_results(api: Api, clock: Clock) -> None:
    job = await start(api, [{"name": "Ann"}], "customers")
    clock.now += 1
    assert "results" not in (await batches(api, job))[0]


async def test_a_batch_that_is_not_complete_says_nothing_yet(api: Api, customer: Row, clock: Clock) -> None:
    job = await start(api, items(customer, 1))
    (early,) = await batches(api, job)
    clock.now += 0.15
    (late,) = await batches(api, job)
    assert [early["status"], late["status"]] == ["queued", "scheduled"]
    assert "results" not in late
    assert "completedAt" not in late


async def test_batches_are_a_paged_list(api: Api, sandbox: Sandbox, customer: Row, clock: Clock) -> None:
    sandbox.rules.bulk_batch = 2
    job = await start(api, items(customer, 5))
    clock.now += 1
    assert (await look(api, job))["batches"] == {"complete": 3, "total": 3}
    seen: list[str] = []
    path: str | None = f"/v1/bulk/{job}/batches?pageSize=2"
    while path:
        page = (await api.get(path)).json()
        seen += [one["_clientRef"] for batch in page["data"] for one in batch["attributes"]["results"]]
        path = page["links"]["next"]
    assert (seen, page["meta"]["totalPages"]) == ([f"ref-{n}" for n in range(5)], 2)


async def test_every_resource_has_jobs(api: Api, conversation: Row, customer: Row, clock: Clock) -> None:
    belongs = {"conversation": conversation["id"]}
    bodies: Row = {
        "customers": {"name": "Bob"},
        "conversations": {"customer": customer["id"]},
        "messages": {**MESSAGE, **belongs, "customer": customer["id"]},
        "notes": {"body": "hello", **belongs},
    }
    told = [await done(api, clock, [{**bodies[name], "_clientRef": name}], name) for name in CREATES]
    assert [one[0]["status"] for one in told] == ["created"] * 4


@pytest.mark.parametrize(
    ("resource", "item", "error"),
    [
        ("customers", {"externalId": "ada"}, "duplicate detected"),
        ("customers", {"nonsense": 1}, "nonsense /additionalProperties"),
        ("customers", {"\ud800": 1}, "\ud800 /additionalProperties"),
        ("conversations", {}, "customer should have required property customer"),
        ("messages", MESSAGE, "conversation should have required property conversation"),
        ("notes", {"body": "x"}, "conversation should have required property conversation"),
    ],
)
async def test_a_wrong_item_fails_as_a_single_create_would_and_the_others_do_not(
    api: Api, sandbox: Sandbox, customer: Row, clock: Clock, *, resource: str, item: Row, error: str
) -> None:
    right = {"customers": {"name": "Bob"}, "conversations": {"customer": customer["id"]}}
    told = await done(
        api, clock, [{**item, "_clientRef": "wrong"}, {**right.get(resource, item), "_clientRef": "next"}], resource
    )
    assert told[0] == {"_clientRef": "wrong", "status": "error", "error": error}
    assert (told[1]["status"] == "created") is (resource in right)


async def test_an_item_that_is_no_object_fails_by_itself(api: Api, clock: Clock) -> None:
    job = await start(api, ["x", {"name": "Ann"}], "customers")
    clock.now += 1
    (batch,) = await batches(api, job)
    assert (batch["successCount"], batch["errors"]) == (1, ["body should be a JSON object"])


async def test_items_of_one_job_are_each_others_duplicates(api: Api, clock: Clock) -> None:
    told = await done(api, clock, [{"externalId": "bob", "_clientRef": str(n)} for n in range(2)], "customers")
    assert [one["status"] for one in told] == ["created", "error"]


async def test_items_are_judged_when_the_job_is_done(api: Api, sandbox: Sandbox, customer: Row, clock: Clock) -> None:
    sandbox.roles.add("org.permission.customer.delete")
    job = await start(api, items(customer, 1))
    await api.delete(f"/v1/customers/{customer['id']}")
    clock.now += 1
    assert (await results(api, job))[0]["error"] == "customer /customer no such object in customers"


@pytest.mark.parametrize("roles", [set(), {"org.admin"}])
async def test_a_jobs_items_have_the_roles_of_its_request(
    api: Api, sandbox: Sandbox, conversation: Row, clock: Clock, roles: set[str]
) -> None:
    sandbox.roles |= roles
    dated = {**MESSAGE, "conversation": conversation["id"], "createdAt": "2026-10-02T09:00:00Z", "_clientRef": "a"}
    told = await done(api, clock, [dated], "messages")
    assert told[0]["status"] == ("created" if roles else "error")


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        None,
        [{}] * 101,
        [{"_clientRef": "a"}, {}],
        [{"_clientRef": "a"}, 1],
        [{"_clientRef": "a"}, {"_clientRef": "a"}],
        [{"_clientRef": ""}],
        [{"_clientRef": "x" * 256}],
        [{"_clientRef": 7}],
        [{"_clientRef": None}],
        [{"_clientRef": "\ud800"}],
    ],
)
async def test_what_is_no_proper_list_is_refused_whole(api: Api, sandbox: Sandbox, body: Any) -> None:
    assert (await post(api, body, "customers")).status_code == 400
    assert not sandbox.state.table("bulk")


async def test_a_hundred_items_and_the_longest_reference_are_fine(api: Api) -> None:
    await start(api, [{"_clientRef": f"{n}".rjust(255, "x")} for n in range(100)], "customers")


async def test_a_job_costs_one_request_of_the_budget(api: Api, customer: Row, clock: Clock) -> None:
    before = (await api.get("/v1/users/current")).headers["x-ratelimit-remaining"]
    job = await start(api, items(customer, 100))
    clock.now += 1
    after = (await api.get(f"/v1/bulk/{job}")).headers["x-ratelimit-remaining"]
    assert int(before) - int(after) == 2


async def test_the_limit_of_a_customer_holds_inside_a_job(
    api: Api, sandbox: Sandbox, customer: Row, clock: Clock
) -> None:
    sandbox.rules.customer_limit = 2
    told = await done(api, clock, items(customer, 3))
    assert [one.get("error") for one in told] == [None, None, "rate limit"]


@pytest.mark.parametrize("resource", CREATES)
async def test_a_job_needs_the_role_of_the_single_create(api: Api, sandbox: Sandbox, resource: str) -> None:
    sandbox.roles.clear()
    sandbox.roles.add("org.permission.bulk.read")
    statuses = [(await api.post(f"/v1/{resource}/bulk", json=[{}])).status_code]
    sandbox.roles.add(f"org.permission.{resource.removesuffix('s')}.create")
    statuses.append((await api.post(f"/v1/{resource}/bulk", json=[{}])).status_code)
    assert statuses == [403, 201]


@pytest.mark.parametrize("path", ["", "/batches"])
@pytest.mark.parametrize(
    ("role", "status"), [("org.permission.bulk.read", 200), ("org.user.bulk.read", 200), (None, 403)]
)
async def test_a_look_at_a_job_needs_a_role(
    api: Api, sandbox: Sandbox, customer: Row, *, path: str, role: str | None, status: int
) -> None:
    job = await start(api, items(customer, 1))
    sandbox.roles.discard("org.permission.bulk.read")
    sandbox.roles |= {role} if role else set()
    assert (await api.get(f"/v1/bulk/{job}{path}")).status_code == status


@pytest.mark.parametrize(("job", "status"), [("1", 400), ("0" * 24, 404)])
async def test_an_unknown_job_is_not_found(api: Api, job: str, status: int) -> None:
    assert [(await api.get(f"/v1/bulk/{job}{path}")).status_code for path in ("", "/batches")] == [status] * 2


async def test_attributes_may_sit_beside_the_id(api: Api, clock: Clock) -> None:
    await api.patch("/sandbox/rules", json={"bulk_nested": False})
    created = (await api.post("/v1/customers/bulk", json=[{"_clientRef": "a"}])).json()["data"]
    clock.now += 1
    shown = [(await api.get(f"/v1/bulk/{created['id']}{path}")).json()["data"] for path in ("", "/batches")]
    statuses = [created["status"], shown[0]["status"], shown[1][0]["results"][0]["status"]]
    assert statuses == ["queued", "complete", "created"]


async def test_the_desk_shows_a_jobs_messages_without_a_poll_of_the_job(
    api: Api, conversation: Row, clock: Clock
) -> None:
    body = [{**MESSAGE, "conversation": conversation["id"], "preview": text} for text in ("one", "two")]
    await start(api, body, "messages")
    before = (await api.get("/sandbox/desk")).json()["version"]
    clock.now += 0.2
    shown = (await api.get(f"/sandbox/desk?version={before}&open={conversation['id']}")).json()
    assert [said["text"] for said in shown["open"]["timeline"]] == ["one", "two"]


async def test_a_job_outlives_a_restart(clock: Clock, tmp_path: Path) -> None:
    headers = {"authorization": "Bearer sandbox-key"}
    first = Sandbox(now=clock, data=tmp_path / "sandbox.db")
    async with first.serve(), Api(base_url=first.url, headers=headers) as api:
        job = await start(api, [{"_clientRef": "\U0001f642"}, {"\ud800": 1, "_clientRef": "b"}], "customers")
    first.close()
    clock.now += 1
    second = Sandbox(now=clock, data=tmp_path / "sandbox.db")
    async with second.serve(), Api(base_url=second.url, headers=headers) as api:
        assert [one["status"] for one in await results(api, job)] == ["created", "error"]
    second.close()


async def test_an_array_with_ids_changes_each_of_its_items(api: Api, customer: Row, clock: Clock) -> None:
    made = [one["objectId"] for one in await done(api, clock, items(customer, 2))]
    body = [{"id": one, "status": "done", "_clientRef": f"ref-{n}"} for n, one in enumerate([*made, "0" * 24])]
    answer = await api.put("/v1/conversations/bulk", json=body)
    assert answer.status_code == 201, answer.text
    clock.now += 1
    told = await results(api, answer.json()["data"]["id"])

    assert [one["status"] for one in told] == ["updated", "updated", "error"]
    for one in made:
        assert (await api.get(f"/v1/conversations/{one}")).json()["data"]["attributes"]["status"] == "done"


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("", [{"status": "done", "_clientRef": "a"}]),
        ("?ids=a,b", {"status": "done"}),
        ("?ids=a,b", [{"status": "done"}]),
    ],
)
async def test_changes_without_an_id_in_each_item_are_refused(api: Api, query: str, body: Any) -> None:
    assert (await api.put(f"/v1/conversations/bulk{query}", json=body)).status_code == 400
