"""Notes as the reference describes them."""

from typing import Any

import httpx
import pytest

from kustomer_sandbox import Sandbox

Api = httpx.AsyncClient
Row = dict[str, Any]


async def note(api: Api, conversation: Row, body: Any) -> httpx.Response:
    return await api.post(f"/v1/conversations/{conversation['id']}/notes", json=body)


async def test_a_note_belongs_to_its_conversation_and_counts(api: Api, conversation: Row) -> None:
    made = (await note(api, conversation, {"body": "Handed over", "externalId": "n1"})).json()["data"]
    listed = (await api.get(f"/v1/conversations/{conversation['id']}/notes")).json()["data"]
    counted = (await api.get(f"/v1/conversations/{conversation['id']}")).json()["data"]["attributes"]["noteCount"]
    assert ([row["id"] for row in listed], counted) == ([made["id"]], 1)


@pytest.mark.parametrize(
    "body", [{}, {"body": ""}, {"body": 1}, {"body": "x" * 10_241}, {"body": "x", "preview": "x"}, ["x"]]
)
async def test_other_bodies_are_refused(api: Api, conversation: Row, body: Any) -> None:
    assert (await note(api, conversation, body)).status_code == 400


async def test_back_dating_needs_the_admin_role(api: Api, conversation: Row) -> None:
    body = {"body": "x", "createdAt": "2026-10-02T09:00:00.000Z"}
    assert (await note(api, conversation, body)).status_code == 403


async def test_a_note_has_no_look_up_by_external_id(api: Api, conversation: Row) -> None:
    await note(api, conversation, {"body": "x", "externalId": "n1"})
    assert (await api.get("/v1/notes/externalId=n1")).status_code == 400


async def test_a_note_is_deleted_with_the_role(api: Api, conversation: Row, sandbox: Sandbox) -> None:
    path = f"/v1/notes/{(await note(api, conversation, {'body': 'x'})).json()['data']['id']}"
    assert (await api.delete(path)).status_code == 403
    sandbox.roles.add("org.permission.note.delete")
    assert (await api.delete(path)).status_code == 204
    assert (await api.get(path)).status_code == 404
