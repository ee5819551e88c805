"""Messages as the reference describes them."""

from typing import Any

import httpx
import pytest

from kustomer_sandbox import Sandbox

Api = httpx.AsyncClient
Row = dict[str, Any]
MESSAGE = {"channel": "chat", "app": "rasa", "direction": "in", "preview": "Where is my parcel?"}


async def say(api: Api, conversation: Row, /, **fields: Any) -> httpx.Response:
    return await api.post(f"/v1/conversations/{conversation['id']}/messages", json={**MESSAGE, **fields})


async def status_after(api: Api, conversation: Row, **fields: Any) -> str:
    path = f"/v1/conversations/{conversation['id']}"
    await api.patch(path, json={"status": "done"})
    await say(api, conversation, **fields)
    return str((await api.get(path)).json()["data"]["attributes"]["status"])


async def test_the_answer_is_an_envelope(api: Api, conversation: Row, customer: Row, sandbox: Sandbox) -> None:
    data = (await say(api, conversation, externalId="m1", sentAt="2026-10-02T11:12:39.9+02:00")).json()["data"]
    attributes = data["attributes"]
    assert (attributes["preview"], attributes["directionType"]) == ("Where is my parcel?", "initial-in")
    assert (attributes["status"], attributes["auto"], attributes["rev"]) == ("received", False, 1)
    assert attributes["sentAt"] == "2026-10-02T09:12:39.900Z"
    assert data["relationships"]["customer"]["data"] == {"type": "customers", "id": customer["id"]}
    assert data["relationships"]["createdBy"]["data"]["id"] == sandbox.machine_user["id"]


async def test_its_conversation_follows(api: Api, conversation: Row) -> None:
    await say(api, conversation)
    await say(api, conversation, direction="out", auto=True)
    await say(api, conversation, channel="whatsapp")
    attributes = (await api.get(f"/v1/conversations/{conversation['id']}")).json()["data"]["attributes"]
    counts = [attributes[name] for name in ("messageCount", "inboundMessageCount", "outboundMessageCount")]
    assert (counts, attributes["channels"], attributes["rev"]) == ([3, 2, 1], ["chat", "whatsapp"], 4)
    assert (attributes["lastMessageDirection"], attributes["direction"]) == ("in", "in")


async def test_the_timeline_follows_sent_at(api: Api, conversation: Row, sandbox: Sandbox) -> None:
    await say(api, conversation, preview="second", sentAt="2026-10-02T09:00:01.000Z")
    await say(api, conversation, preview="first", sentAt="2026-10-02T09:00:00.999Z")
    assert [row["preview"] for row in sandbox.state.timeline(conversation["id"])] == ["first", "second"]


async def test_a_customers_message_reopens_a_done_conversation(api: Api, conversation: Row) -> None:
    assert await status_after(api, conversation) == "open"


async def test_the_bots_message_leaves_a_done_conversation_done(api: Api, conversation: Row) -> None:
    assert await status_after(api, conversation, direction="out") == "done"


@pytest.mark.parametrize(("reopens", "status"), [(True, "open"), (False, "done")])
async def test_whether_an_imported_message_reopens_is_a_rule(
    api: Api, conversation: Row, sandbox: Sandbox, reopens: bool, status: str
) -> None:
    sandbox.rules.imported_reopens = reopens
    assert await status_after(api, conversation, importedAt="2026-10-02T09:00:00Z") == status


@pytest.mark.parametrize("name", ["channel", "app", "direction"])
async def test_required_fields_are_required(api: Api, conversation: Row, name: str) -> None:
    body = {key: value for key, value in MESSAGE.items() if key != name}
    answer = await api.post(f"/v1/conversations/{conversation['id']}/messages", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["source"]) == (400, {"parameter": name})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("channel", "web"),
        ("channel", "form"),
        ("app", ""),
        ("direction", "inbound"),
        ("preview", ""),
        ("preview", "x" * 10_001),
        ("body", "hello"),
        ("status", "delivered"),
        ("directionType", "initial-in"),
        ("auto", "true"),
        ("sentAt", 1790000000),
        ("meta", "x"),
        ("conversation", "0" * 24),
    ],
)
async def test_a_wrong_field_is_refused(api: Api, conversation: Row, field: str, value: Any) -> None:
    answer = await say(api, conversation, **{field: value})
    assert (answer.status_code, answer.json()["errors"][0]["source"]) == (400, {"parameter": field})


@pytest.mark.parametrize("field", ["createdAt", "modifiedAt"])
async def test_back_dating_needs_the_admin_role(api: Api, conversation: Row, sandbox: Sandbox, field: str) -> None:
    moment = {field: "2026-10-02T09:00:00.000Z"}
    assert (await say(api, conversation, **moment)).status_code == 403
    sandbox.roles.add("org.admin")
    assert (await say(api, conversation, **moment)).json()["data"]["attributes"][field] == moment[field]


@pytest.mark.parametrize("spelling", ["externalId", "externalid"])
async def test_the_look_up_has_one_spelling(api: Api, conversation: Row, sandbox: Sandbox, spelling: str) -> None:
    sandbox.rules.message_lookup = spelling  # type: ignore[assignment]  # parametrized
    other = {"externalId": "externalid", "externalid": "externalId"}[spelling]
    made = (await say(api, conversation, externalId="rasa:ada:m/1")).json()["data"]["id"]
    assert (await api.get(f"/v1/messages/{spelling}=rasa%3Aada%3Am%2F1")).json()["data"]["id"] == made
    assert (await api.get(f"/v1/messages/{other}=rasa%3Aada%3Am%2F1")).status_code == 400


async def test_sending_twice_shows_twice_unless_the_rules_forbid_it(
    api: Api, conversation: Row, sandbox: Sandbox
) -> None:
    for _ in range(2):
        assert (await say(api, conversation, externalId="m1")).status_code == 201
    assert len(sandbox.state.timeline(conversation["id"])) == 2
    sandbox.rules.unique_external_ids = True
    assert (await say(api, conversation, externalId="m1")).status_code == 409


async def test_another_customers_id_is_refused(api: Api, conversation: Row) -> None:
    other = (await api.post("/v1/customers", json={})).json()["data"]["id"]
    assert (await say(api, conversation, customer=other)).status_code == 400
