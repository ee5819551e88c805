"""Messages as the reference describes them."""

from typing import Any

import httpx
import pytest

from rasa_kustomer.sandbox import Sandbox

Api = httpx.AsyncClient
Row = dict[str, Any]
MESSAGE = {"channel": "chat", "app": "rasa", "direction": "in", "preview": "Where is my parcel?"}


async def test_a_message_is_on_the_timeline(api: Api, conversation: Row, sandbox: Sandbox) -> None:
    answer = await api.post(f"/v1/conversations/{conversation['id']}/messages", json=MESSAGE)
    assert answer.status_code == 201
    assert [row["preview"] for row in sandbox.state.timeline(conversation["id"])] == ["Where is my parcel?"]


async def test_a_customers_message_reopens_a_done_conversation(api: Api, conversation: Row) -> None:
    path = f"/v1/conversations/{conversation['id']}"
    await api.patch(path, json={"status": "done"})
    await api.post(f"{path}/messages", json=MESSAGE)
    assert (await api.get(path)).json()["data"]["attributes"]["status"] == "open"


async def test_the_bots_message_leaves_a_done_conversation_done(api: Api, conversation: Row) -> None:
    path = f"/v1/conversations/{conversation['id']}"
    await api.patch(path, json={"status": "done"})
    await api.post(f"{path}/messages", json={**MESSAGE, "direction": "out"})
    assert (await api.get(path)).json()["data"]["attributes"]["status"] == "done"


@pytest.mark.parametrize("name", ["channel", "app", "direction"])
async def test_required_fields_are_required(api: Api, conversation: Row, name: str) -> None:
    body = {key: value for key, value in MESSAGE.items() if key != name}
    answer = await api.post(f"/v1/conversations/{conversation['id']}/messages", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["source"]["parameter"]) == (400, name)
