"""What a body may be, and the two shapes of a refusal."""

from typing import Any

import httpx
import pytest

from kustomer_sandbox import Sandbox

Api = httpx.AsyncClient


def fault(answer: httpx.Response) -> tuple[int, str | None]:
    error = answer.json()["errors"][0]
    return answer.status_code, error.get("source", {}).get("parameter")


@pytest.mark.parametrize("wrapper", ["data", "attributes"])
async def test_a_wrapped_body_is_refused(api: Api, wrapper: str) -> None:
    assert fault(await api.post("/v1/customers", json={wrapper: {"name": "Ada"}})) == (400, wrapper)


async def test_an_unknown_field_is_refused(api: Api) -> None:
    assert fault(await api.post("/v1/customers", json={"nmae": "Ada"})) == (400, "nmae")


@pytest.mark.parametrize("body", [[], "Ada", 1, None])
async def test_a_body_is_an_object(api: Api, body: Any) -> None:
    assert fault(await api.post("/v1/customers", json=body)) == (400, "body")


@pytest.mark.parametrize("content", [b"{", b'{"name": NaN}', b"\xff", b"[" * 5000])
async def test_broken_json_is_refused(api: Api, content: bytes) -> None:
    answer = await api.post("/v1/customers", content=content, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "bad_request")


async def test_a_lone_surrogate_is_refused(api: Api) -> None:
    answer = await api.post(
        "/v1/customers", content=rb'{"name": "\ud800"}', headers={"content-type": "application/json"}
    )
    assert fault(answer) == (400, "name")


async def test_a_body_says_that_it_is_json(api: Api) -> None:
    assert fault(await api.post("/v1/customers", content=b"{}")) == (400, "content-type")


async def test_a_get_has_no_body(api: Api) -> None:
    assert fault(await api.request("GET", "/v1/teams", json={})) == (400, "body")


async def test_a_body_over_400_kilobytes_is_too_large(api: Api) -> None:
    assert (await api.post("/v1/customers", json={"name": "x" * 400_000})).status_code == 413


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", 5),
        ("name", None),
        ("name", "x" * 256),
        ("name", "nul\x00"),
        ("externalId", ""),
        ("emails", "ada@example.org"),
        ("emails", [{"email": "ada"}]),
        ("emails", ["ada@example.org"]),
        ("emails", [{"email": "ada@example.org", "main": True}]),
        ("phones", [{"phone": "0123"}]),
        ("phones", [{"number": "+4912345678"}]),
        ("tags", ["vip"]),
        ("defaultLang", "EN"),
        ("signedUpAt", "yesterday"),
        ("signedUpAt", "2026-02-30T00:00:00Z"),
        ("signedUpAt", "2026-02-20T00:00:00"),
        ("gender", "x"),
        ("sentiment", {"polarity": 2, "confidence": 1}),
        ("custom", []),
    ],
)
async def test_a_field_of_a_wrong_type_or_value_is_refused(api: Api, field: str, value: Any) -> None:
    assert fault(await api.post("/v1/customers", json={field: value})) == (400, field)


async def test_an_undefined_custom_attribute_fails_the_whole_write(api: Api, sandbox: Sandbox) -> None:
    answer = await api.post("/v1/customers", json={"name": "Ada", "custom": {"tierStr": "gold"}})
    expected = {
        "status": 400,
        "source": {"parameter": "tierStr"},
        "code": "badparam",
        "title": "Additional properties not allowed",
        "detail": "/properties/custom/additionalProperties",
    }
    assert (answer.json(), len(sandbox.state.customers)) == ({"errors": [expected]}, 0)


@pytest.mark.parametrize(
    ("name", "good", "wrong"),
    [
        ("aNum", 1.5, "1.5"),
        ("aStr", "gold", 1),
        ("aTxt", "x" * 1024, "x" * 1025),
        ("aBool", True, "true"),
        ("anAt", "2026-10-02T09:10:11.120Z", "2026-10-02"),
        ("anUrl", "https://example.org", "example.org"),
    ],
)
async def test_a_custom_attributes_suffix_fixes_its_type(
    api: Api, sandbox: Sandbox, name: str, good: Any, wrong: Any
) -> None:
    sandbox.rules.custom = {"customer": frozenset({name})}
    assert (await api.post("/v1/customers", json={"custom": {name: good}})).status_code == 201
    assert (await api.post("/v1/customers", json={"custom": {name: None}})).status_code == 201
    assert fault(await api.post("/v1/customers", json={"custom": {name: wrong}})) == (400, name)


async def test_both_documented_error_shapes_occur(api: Api, sandbox: Sandbox) -> None:
    titled = (await api.get("/v1/customers/externalId=none")).json()
    sandbox.rules.error_shape = "plain"
    plain = (await api.get("/v1/customers/externalId=none")).json()
    source = {"parameter": "externalId"}
    assert titled == {"errors": [{"status": 404, "code": "notfound", "title": "Not Found", "source": source}]}
    assert plain == {"errors": [{"code": "notfound", "message": "externalId: Not Found", "meta": {}}]}


@pytest.mark.parametrize("path", ["/v1/nothing", "/v2/customers", "/v1/conversations/externalId=x/messages/y"])
async def test_an_undocumented_path_is_not_found(api: Api, path: str) -> None:
    assert (await api.get(path)).status_code == 404
