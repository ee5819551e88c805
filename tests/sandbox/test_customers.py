"""Customers as the reference describes them."""

from typing import Any
from urllib.parse import quote

import httpx
import pytest

from kustomer_sandbox import Sandbox

Api = httpx.AsyncClient
Row = dict[str, Any]


async def test_the_answer_is_an_envelope(customer: Row, sandbox: Sandbox) -> None:
    attributes = customer["attributes"]
    assert (customer["type"], customer["links"]["self"]) == ("customer", f"/v1/customers/{customer['id']}")
    assert customer["relationships"]["createdBy"]["data"] == {"type": "user", "id": sandbox.machine_user["id"]}
    assert (attributes["displayName"], attributes["rev"]) == ("Ada", 1)
    assert attributes["externalIds"] == [{"externalId": "ada", "verified": False}]
    assert attributes["conversationCounts"] == {"open": 0, "snoozed": 0, "done": 0, "all": 0}


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("externalId", "externalId", "a/b c+d:e@f=ä🙂"),
        ("email", "emails", "o'neil+x@example.org"),
        ("phone", "phones", "+4915112345678"),
    ],
)
async def test_a_look_up_value_is_percent_decoded(api: Api, name: str, field: str, value: str) -> None:
    body = {"externalId": value} if name == field else {field: [{name: value}]}
    created = (await api.post("/v1/customers", json=body)).json()["data"]
    found = await api.get(f"/v1/customers/{name}={quote(value, safe='')}")
    assert found.json()["data"]["id"] == created["id"]


async def test_an_email_is_found_whatever_its_case(api: Api, customer: Row) -> None:
    assert (await api.get("/v1/customers/email=ADA%40Example.org")).json()["data"]["id"] == customer["id"]


@pytest.mark.parametrize("name", ["externalId", "email", "phone"])
async def test_a_missed_look_up_names_its_field(api: Api, name: str) -> None:
    answer = await api.get(f"/v1/customers/{name}=nobody")
    assert (answer.status_code, answer.json()["errors"][0]["source"]) == (404, {"parameter": name})


@pytest.mark.parametrize("status", [409, 400, 422])
@pytest.mark.parametrize(
    "case",
    [({"externalId": "ada"}, "externalIds"), ({"emails": [{"email": "ADA@example.org"}]}, "emails")],
)
async def test_an_identifier_belongs_to_one_customer(
    api: Api, sandbox: Sandbox, customer: Row, status: int, case: tuple[Row, str]
) -> None:
    body, parameter = case
    sandbox.rules.duplicate_status = status
    answer = await api.post("/v1/customers", json=body)
    error = answer.json()["errors"][0]
    assert (answer.status_code, error["source"]["parameter"], error["detail"]) == (
        status,
        parameter,
        "duplicate detected",
    )
    assert len(sandbox.state.customers) == 1


async def test_a_patch_cannot_take_anothers_identifier(api: Api, customer: Row) -> None:
    other = (await api.post("/v1/customers", json={"name": "Bob"})).json()["data"]
    assert (await api.patch(f"/v1/customers/{other['id']}", json={"externalId": "ada"})).status_code == 409
    assert (await api.patch(f"/v1/customers/{customer['id']}", json={"externalId": "ada"})).status_code == 200


async def test_shared_identifiers_are_not_unique(api: Api, customer: Row) -> None:
    body = {"sharedEmails": [{"email": "ada@example.org"}]}
    assert (await api.post("/v1/customers", json=body)).status_code == 201


async def test_a_freed_identifier_may_be_taken(api: Api, customer: Row) -> None:
    await api.patch(f"/v1/customers/{customer['id']}", json={"emails": []})
    assert (await api.post("/v1/customers", json={"emails": [{"email": "ada@example.org"}]})).status_code == 201


async def test_a_patched_list_replaces_the_whole_list_and_leaves_the_rest(api: Api, customer: Row) -> None:
    answer = await api.patch(f"/v1/customers/{customer['id']}", json={"emails": [{"email": "new@example.org"}]})
    attributes = answer.json()["data"]["attributes"]
    assert [entry["email"] for entry in attributes["emails"]] == ["new@example.org"]
    assert (attributes["name"], attributes["rev"]) == ("Ada", 2)


async def test_a_deleted_customer_is_gone(api: Api, customer: Row, sandbox: Sandbox) -> None:
    sandbox.roles.add("org.permission.customer.delete")
    assert (await api.delete(f"/v1/customers/{customer['id']}")).status_code == 204
    assert (await api.get(f"/v1/customers/{customer['id']}")).status_code == 404
    assert (await api.get("/v1/customers/externalId=ada")).status_code == 404


@pytest.mark.parametrize(("row_id", "status"), [("42", 400), ("Z" * 24, 400), ("0" * 24, 404)])
async def test_an_id_is_24_hex_digits(api: Api, row_id: str, status: int) -> None:
    assert (await api.get(f"/v1/customers/{row_id}")).status_code == status
