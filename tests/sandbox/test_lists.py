"""Pages of lists, and the teams."""

from typing import Any

import httpx
import pytest

from kustomer_sandbox import Sandbox

Api = httpx.AsyncClient
Row = dict[str, Any]


@pytest.fixture
def path(customer: Row) -> str:
    return f"/v1/customers/{customer['id']}/conversations"


async def add(api: Api, customer: Row, *names: str) -> None:
    for name in names:
        await api.post("/v1/conversations", json={"customer": customer["id"], "name": name})


async def test_links_lead_through_every_page_once(api: Api, customer: Row, path: str) -> None:
    await add(api, customer, "c0", "c1", "c2", "c3", "c4")
    seen: list[str] = []
    link: str | None = f"{path}?pageSize=2"
    while link:
        assert link.startswith("/v1/")
        answer: Row = (await api.get(link)).json()
        seen += [row["attributes"]["name"] for row in answer["data"]]
        link = answer["links"]["next"]
    assert (seen, answer["meta"]) == (
        ["c0", "c1", "c2", "c3", "c4"],
        {"page": 3, "pageSize": 2, "total": 5, "totalPages": 3},
    )


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/teams?pageSize=500", 200),
        ("/v1/teams?pageSize=501", 400),
        ("/v1/teams?page=0", 400),
        ("/v1/teams?page=x", 400),
        ("/v1/teams?page=9", 200),
    ],
)
async def test_pages_have_bounds(api: Api, path: str, status: int) -> None:
    assert (await api.get(path)).status_code == status


@pytest.mark.parametrize(("size", "status"), [(100, 200), (101, 400)])
async def test_most_pages_hold_a_hundred(api: Api, path: str, size: int, status: int) -> None:
    assert (await api.get(f"{path}?pageSize={size}")).status_code == status


async def test_an_empty_list_has_one_page_and_no_next(api: Api, path: str) -> None:
    answer = (await api.get(path)).json()
    assert (answer["data"], answer["links"]["next"], answer["meta"]["totalPages"]) == ([], None, 1)


async def test_teams_have_names_and_ids(api: Api, sandbox: Sandbox) -> None:
    rows = (await api.get("/v1/teams")).json()["data"]
    assert {row["attributes"]["name"]: row["id"] for row in rows}["Billing"] == sandbox.team("Billing")["id"]
