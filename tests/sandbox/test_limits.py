"""The organisation's budget and the customer's."""

from typing import Any

import httpx
import pytest

from kustomer_sandbox import Sandbox

Api = httpx.AsyncClient
Row = dict[str, Any]
MESSAGE = {"channel": "chat", "app": "rasa", "direction": "in", "preview": "hello"}


async def test_headers_count_down(api: Api, clock: Any) -> None:
    answers = [await api.get("/v1/teams") for _ in range(2)]
    assert [answer.headers["x-ratelimit-limit"] for answer in answers] == ["1000", "1000"]
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["999", "998"]
    assert answers[0].headers["x-ratelimit-reset"] == str(int(clock.now) + 60)


async def test_a_spent_minute_refuses_until_it_is_over(api: Api, sandbox: Sandbox, clock: Any) -> None:
    sandbox.rules.rate_limit = 2
    statuses = [(await api.get("/v1/teams")).status_code for _ in range(3)]
    refused = await api.get("/v1/teams")
    clock.now += 60
    assert (statuses, refused.headers["x-ratelimit-remaining"]) == ([200, 200, 429], "0")
    assert "retry-after" not in refused.headers
    assert (await api.get("/v1/teams")).status_code == 200


async def test_retry_after_comes_where_the_rules_want_it(api: Api, sandbox: Sandbox, clock: Any) -> None:
    sandbox.rules.rate_limit, sandbox.rules.retry_after = 1, True
    await api.get("/v1/teams")
    clock.now += 20.5
    assert (await api.get("/v1/teams")).headers["retry-after"] == "40"


async def test_refused_keys_cost_nothing(api: Api) -> None:
    await api.get("/v1/teams", headers={"authorization": "Bearer wrong"})
    assert (await api.get("/v1/teams")).headers["x-ratelimit-remaining"] == "999"


@pytest.mark.parametrize(("kind", "body"), [("messages", MESSAGE), ("notes", {"body": "x"})])
async def test_a_customer_gets_120_a_minute_of_each(
    api: Api, conversation: Row, clock: Any, kind: str, body: Row
) -> None:
    path = f"/v1/conversations/{conversation['id']}/{kind}"
    statuses = [(await api.post(path, json=body)).status_code for _ in range(120)]
    refused = await api.post(path, json=body)
    assert (set(statuses), refused.status_code) == ({201}, 429)
    assert int(refused.headers["x-ratelimit-remaining"]) > 0
    clock.now += 60
    assert (await api.post(path, json=body)).status_code == 201


async def test_a_customer_gets_120_conversations_a_minute(api: Api, sandbox: Sandbox, customer: Row) -> None:
    sandbox.rules.customer_limit = 1
    other = (await api.post("/v1/customers", json={})).json()["data"]["id"]
    owners = [customer["id"], customer["id"], other]
    statuses = [(await api.post("/v1/conversations", json={"customer": owner})).status_code for owner in owners]
    assert statuses == [201, 429, 201]


async def test_imported_history_is_exempt(api: Api, sandbox: Sandbox, conversation: Row) -> None:
    sandbox.rules.customer_limit = 0
    body = {**MESSAGE, "importedAt": "2026-10-02T09:00:00.000Z"}
    path = f"/v1/conversations/{conversation['id']}/messages"
    assert [(await api.post(path, json=said)).status_code for said in (MESSAGE, body)] == [429, 201]


async def test_a_refused_write_is_not_written(api: Api, sandbox: Sandbox, conversation: Row) -> None:
    sandbox.rules.customer_limit = 0
    await api.post(f"/v1/conversations/{conversation['id']}/messages", json=MESSAGE)
    assert len(sandbox.state.messages) == 0


async def test_a_body_that_is_wrong_costs_the_customer_nothing(api: Api, sandbox: Sandbox, conversation: Row) -> None:
    sandbox.rules.customer_limit = 1
    path = f"/v1/conversations/{conversation['id']}/messages"
    statuses = [(await api.post(path, json=body)).status_code for body in ({**MESSAGE, "app": ""}, MESSAGE)]
    assert statuses == [400, 201]
