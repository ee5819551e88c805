"""Pages, teams, users and queues."""

from typing import Any

import httpx
import pytest

from kustomer_sandbox import Sandbox

Api = httpx.AsyncClient


async def test_links_lead_through_every_page_once(api: Api) -> None:
    for number in range(5):
        await api.post("/v1/customers", json={"name": f"c{number}"})
    seen: list[str] = []
    link: str | None = "/v1/customers?pageSize=2"
    while link:
        assert link.startswith("/v1/")
        answer: dict[str, Any] = (await api.get(link)).json()
        seen += [row["attributes"]["name"] for row in answer["data"]]
        link = answer["links"]["next"]
    assert (seen, answer["meta"]) == (
        ["c0", "c1", "c2", "c3", "c4"],
        {"page": 3, "pageSize": 2, "total": 5, "totalPages": 3},
    )


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/customers?pageSize=100", 200),
        ("/v1/customers?pageSize=101", 400),
        ("/v1/teams?pageSize=500", 200),
        ("/v1/teams?pageSize=501", 400),
        ("/v1/teams?page=0", 400),
        ("/v1/teams?page=x", 400),
        ("/v1/teams?page=9", 200),
    ],
)
async def test_pages_have_bounds(api: Api, path: str, status: int) -> None:
    assert (await api.get(path)).status_code == status


async def test_an_empty_list_has_one_page_and_no_next(api: Api) -> None:
    answer = (await api.get("/v1/conversations")).json()
    assert (answer["data"], answer["links"]["next"], answer["meta"]["totalPages"]) == ([], None, 1)


async def test_sort_desc_puts_the_newest_first(api: Api) -> None:
    for name in ("old", "new"):
        await api.post("/v1/customers", json={"name": name})
    answer = (await api.get("/v1/customers?sort=desc")).json()
    assert [row["attributes"]["name"] for row in answer["data"]] == ["new", "old"]


async def test_teams_have_names_and_ids(api: Api, sandbox: Sandbox) -> None:
    rows = (await api.get("/v1/teams")).json()["data"]
    assert {row["attributes"]["name"]: row["id"] for row in rows}["Billing"] == sandbox.team("Billing")["id"]
    assert (await api.get(f"/v1/teams/{rows[0]['id']}")).json()["data"] == rows[0]


async def test_users_are_filtered_by_type(api: Api, sandbox: Sandbox) -> None:
    sandbox.roles.add("org.permission.user.read")
    rows = (await api.get("/v1/users?userType=machine")).json()["data"]
    assert [row["id"] for row in rows] == [sandbox.machine_user["id"]]


async def test_every_organisation_has_the_default_queue(api: Api, sandbox: Sandbox) -> None:
    sandbox.roles.add("org.permission.queue.read")
    rows = (await api.get("/v1/routing/queues?key=DEFAULT_QUEUE")).json()["data"]
    assert [row["attributes"]["system"] for row in rows] == [True]
