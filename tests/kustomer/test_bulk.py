"""Bulk jobs as the client sees them, whatever shape the answers have."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from tests.helpers import no_sleep

from kustomer_sandbox import Sandbox
from rasa_kustomer.kustomer.bulk import BulkResult, read_results
from rasa_kustomer.kustomer.client import KustomerClient
from rasa_kustomer.kustomer.errors import BrokenAnswer, NotAllowed, Unreachable

JOB = "507f1f77bcf86cd799439011"
Answers = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[KustomerClient]:
    sandbox.rules.bulk_seconds = 0
    async with KustomerClient(sandbox.url, sandbox.api_key, timeout_seconds=5, sleep=no_sleep) as made:
        yield made


def answering(body: Any, status: int = 200) -> KustomerClient:
    transport = httpx.MockTransport(lambda _: httpx.Response(status, json=body))
    return KustomerClient("https://acme.api.kustomerapp.com", "key", transport=transport, sleep=no_sleep)


async def test_a_job_makes_its_items_and_tells_of_each(client: KustomerClient, sandbox: Sandbox) -> None:
    items: list[dict[str, Any]] = [{"externalId": "a", "_clientRef": "1"}, {"nonsense": 1, "_clientRef": "2"}]
    job = await client.create_bulk("customers", items)

    assert await client.bulk_complete(job)
    good, bad = await client.bulk_results(job)
    assert good == BulkResult("1", next(iter(sandbox.state.customers)), True, None, False)
    assert (bad.client_ref, bad.ok, bad.duplicate) == ("2", False, False)


async def test_a_job_changes_its_items_and_is_sent_once(client: KustomerClient, sandbox: Sandbox) -> None:
    customer = await client.create_customer({"externalId": "a", "name": "Ann"})
    sandbox.fail("PUT /v1/customers/bulk", "reset-after", times=1)
    sent = len(sandbox.requests)
    with pytest.raises(Unreachable):
        await client.change_bulk("customers", [{"id": customer.id, "name": "Bo", "_clientRef": "1"}])
    assert len(sandbox.requests) == sent + 1

    job = await client.change_bulk("customers", [{"id": customer.id, "name": "Cy", "_clientRef": "1"}])
    assert await client.bulk_complete(job)
    assert await client.bulk_results(job) == [BulkResult("1", customer.id, True, None, False)]
    assert [one["name"] for one in sandbox.state.customers.values()] == ["Cy"]


async def test_a_job_is_sent_once_and_looks_at_it_are_repeated(client: KustomerClient, sandbox: Sandbox) -> None:
    sandbox.fail("POST /v1/customers/bulk", "reset-after", times=1)
    with pytest.raises(Unreachable) as raised:
        await client.create_bulk("customers", [{"externalId": "a"}])
    assert raised.value.ambiguous
    assert len(sandbox.requests) == 1

    job = await client.create_bulk("customers", [{"externalId": "b"}])
    sandbox.fail("GET /v1/bulk/*", "status:503", times=2)
    assert await client.bulk_complete(job)


@pytest.mark.parametrize(
    ("role", "call"),
    [
        ("org.permission.message.create", lambda client: client.create_bulk("messages", [{}])),
        ("org.permission.conversation.update", lambda client: client.change_bulk("conversations", [{"id": JOB}])),
        ("org.permission.bulk.read", lambda client: client.bulk_complete(JOB)),
        ("org.permission.bulk.read", lambda client: client.bulk_results(JOB)),
    ],
)
async def test_a_missing_role_is_named(client: KustomerClient, sandbox: Sandbox, role: str, call: Any) -> None:
    sandbox.roles.discard(role)
    with pytest.raises(NotAllowed, match=role):
        await call(client)


@pytest.mark.parametrize(
    ("data", "complete"),
    [
        ({"id": JOB, "attributes": {"status": "complete"}}, True),
        ({"id": JOB, "status": "complete"}, True),
        ({"id": JOB, "attributes": {"status": "running"}}, False),
        ({"id": JOB, "attributes": {}, "status": "complete"}, True),
        ({"id": JOB, "status": "halfway"}, False),
        ({"id": JOB, "status": 7}, False),
        ([], False),
        (None, False),
    ],
)
async def test_the_status_is_read_wherever_it_stands(data: Any, complete: bool) -> None:
    async with answering({"data": data}) as client:
        assert await client.bulk_complete(JOB) is complete


async def test_a_job_without_an_id_is_a_broken_answer_of_unknown_outcome() -> None:
    async with answering({"data": {"type": "bulk"}}, 201) as client:
        with pytest.raises(BrokenAnswer) as raised:
            await client.create_bulk("notes", [{}])
    assert raised.value.ambiguous


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize(
    ("error", "text", "duplicate"),
    [
        ("duplicate detected", "duplicate detected", True),
        ({"code": "badparam", "detail": "externalId must be unique"}, "badparam externalId must be unique", True),
        ([{"message": "no"}, "never"], "no; never", False),
        ("a record with this externalId exists", "a record with this externalId exists", True),
        ("this conversation does not exist", "this conversation does not exist", False),
        (None, "error", False),
        ("x" * 500, "x" * 200, False),
    ],
)
def test_an_error_may_be_a_text_an_object_or_a_list(nested: bool, error: Any, text: str, duplicate: bool) -> None:
    results = {"results": [{"_clientRef": "1", "status": "error", "error": error}]}
    (result,) = read_results([{"attributes": results} if nested else results])
    assert result == BulkResult("1", None, False, text, duplicate)


def test_what_cannot_be_read_is_left_out() -> None:
    good = {"_clientRef": "1", "status": "updated", "objectId": JOB}
    batches: list[Any] = [None, {}, {"results": None}, {"results": [None, {}, {"_clientRef": 3, "status": "x"}, good]}]
    assert read_results(batches) == [BulkResult("1", JOB, True, None, False)]
