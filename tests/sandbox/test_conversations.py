"""Conversations as the reference describes them."""

from typing import Any

import httpx
import pytest

from kustomer_sandbox import Sandbox

Api = httpx.AsyncClient
Row = dict[str, Any]


def path_of(conversation: Row) -> str:
    return f"/v1/conversations/{conversation['id']}"


async def test_a_new_conversation_is_open_with_derived_counts(conversation: Row, customer: Row) -> None:
    attributes = conversation["attributes"]
    assert (attributes["status"], attributes["priority"], attributes["channels"]) == ("open", 3, [])
    assert (attributes["messageCount"], attributes["noteCount"], attributes["rev"]) == (0, 0, 1)
    assert conversation["relationships"]["customer"]["data"] == {"type": "customer", "id": customer["id"]}


async def test_a_conversation_has_a_customer(api: Api) -> None:
    answer = await api.post("/v1/conversations", json={"name": "Hello"})
    assert (answer.status_code, answer.json()["errors"][0]["source"]) == (400, {"parameter": "customer"})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("customer", "0" * 24),
        ("customer", "ada"),
        ("status", "snoozed"),
        ("status", "closed"),
        ("priority", 0),
        ("priority", 6),
        ("priority", "3"),
        ("priority", 2.5),
        ("priority", True),
        ("direction", "both"),
        ("assignedTeams", "Support"),
        ("assignedTeams", ["Support"]),
        ("assignedTeams", ["0" * 24]),
        ("assignedUsers", ["0" * 24]),
        ("queue", "DEFAULT_QUEUE"),
        ("queue", {"id": "0" * 24}),
        ("tags", ["bot-handoff"]),
        ("channels", ["chat"]),
        ("id", "mine"),
        ("replyChannel", "pigeon"),
        ("name", "x" * 257),
    ],
)
async def test_a_wrong_field_is_refused(api: Api, customer: Row, field: str, value: Any) -> None:
    answer = await api.post("/v1/conversations", json={"customer": customer["id"], field: value})
    assert (answer.status_code, answer.json()["errors"][0]["source"]) == (400, {"parameter": field})


async def test_at_most_ten_teams_are_assigned(api: Api, sandbox: Sandbox, conversation: Row) -> None:
    template = sandbox.team("Sales")
    teams = [sandbox.state.put("teams", {**template, "id": sandbox.state.new_id()})["id"] for _ in range(11)]
    assert (await api.patch(path_of(conversation), json={"assignedTeams": teams[:10]})).status_code == 200
    assert (await api.patch(path_of(conversation), json={"assignedTeams": teams})).status_code == 400


async def test_a_team_is_assigned_and_unassigned_by_the_whole_list(
    api: Api, sandbox: Sandbox, conversation: Row
) -> None:
    team = sandbox.team("Billing")["id"]
    await api.patch(path_of(conversation), json={"assignedTeams": [team]})
    assert sandbox.state.conversations[conversation["id"]]["assignedTeams"] == [team]
    await api.patch(path_of(conversation), json={"assignedTeams": []})
    assert sandbox.state.conversations[conversation["id"]]["assignedTeams"] == []


async def test_it_is_found_by_its_external_id(api: Api, conversation: Row) -> None:
    found = await api.get("/v1/conversations/externalId=rasa%3Aada%3A1")
    assert found.json()["data"]["id"] == conversation["id"]
    assert (await api.get("/v1/conversations/externalId=rasa%3Aada%3A2")).status_code == 404


async def test_a_repeated_external_id_makes_a_second_conversation_unless_the_rules_forbid_it(
    api: Api, sandbox: Sandbox, conversation: Row, customer: Row
) -> None:
    body = {"customer": customer["id"], "externalId": "rasa:ada:1"}
    assert (await api.post("/v1/conversations", json=body)).status_code == 201
    sandbox.rules.unique_external_ids = True
    assert (await api.post("/v1/conversations", json=body)).status_code == 409


async def test_a_chosen_id_is_taken_once(api: Api, customer: Row) -> None:
    body = {"customer": customer["id"], "id": "ab" * 12}
    assert (await api.post("/v1/conversations", json=body)).json()["data"]["id"] == "ab" * 12
    assert (await api.post("/v1/conversations", json=body)).status_code == 409


async def test_a_snooze_needs_its_object(api: Api, conversation: Row) -> None:
    snooze = {"status": "scheduled", "time": "2027-01-01T00:00:00.000Z"}
    assert (await api.patch(path_of(conversation), json={"status": "snoozed"})).status_code == 400
    body = {"status": "snoozed", "snooze": snooze}
    assert (await api.patch(path_of(conversation), json=body)).status_code == 200


async def test_closing_and_reopening_are_counted(api: Api, conversation: Row) -> None:
    for status in ("done", "done", "open"):
        answer = await api.patch(path_of(conversation), json={"status": status})
    attributes = answer.json()["data"]["attributes"]
    assert (attributes["doneCount"], attributes["reopenCount"], attributes["rev"]) == (1, 1, 4)


async def test_tags_are_a_bare_array_of_names_appended_once(api: Api, sandbox: Sandbox, conversation: Row) -> None:
    for names in (["bot-handoff"], ["refund", "bot-handoff"]):
        answer = await api.post(f"{path_of(conversation)}/tags", json=names)
    row = sandbox.state.conversations[conversation["id"]]
    assert (answer.status_code, sandbox.state.tag_names(row)) == (200, ["bot-handoff", "refund"])
    assert set(answer.json()["data"]["attributes"]["tags"]) == set(sandbox.state.tags)


@pytest.mark.parametrize("body", [{"tags": ["a"]}, "a", [1], [""], None])
async def test_other_tag_bodies_are_refused(api: Api, conversation: Row, body: Any) -> None:
    assert (await api.post(f"{path_of(conversation)}/tags", json=body)).status_code == 400


async def test_the_machine_user_may_be_refused_as_an_assignee(api: Api, sandbox: Sandbox, conversation: Row) -> None:
    body = {"assignedUsers": [sandbox.machine_user["id"]]}
    assert (await api.patch(path_of(conversation), json=body)).status_code == 200
    sandbox.rules.bot_assignable = False
    refused = await api.patch(path_of(conversation), json=body)
    assert (refused.status_code, refused.json()["errors"][0]["source"]) == (400, {"parameter": "assignedUsers"})


async def test_moving_to_another_customer_takes_the_timeline_along_or_is_refused(
    api: Api, sandbox: Sandbox, conversation: Row, customer: Row
) -> None:
    other = (await api.post("/v1/customers", json={"name": "Bob"})).json()["data"]["id"]
    message = {"channel": "chat", "app": "rasa", "direction": "in", "preview": "hello"}
    await api.post(f"{path_of(conversation)}/messages", json=message)
    assert (await api.patch(path_of(conversation), json={"customer": other})).status_code == 200
    assert [row["customer"] for row in sandbox.state.messages.values()] == [other]
    sandbox.rules.customer_movable = False
    assert (await api.patch(path_of(conversation), json={"customer": customer["id"]})).status_code == 400


async def test_a_refused_patch_changes_nothing(api: Api, sandbox: Sandbox, conversation: Row) -> None:
    before = dict(sandbox.state.conversations[conversation["id"]])
    await api.patch(path_of(conversation), json={"priority": 5, "status": "snoozed"})
    assert sandbox.state.conversations[conversation["id"]] == before


async def test_a_customers_conversations_are_listed_and_counted(api: Api, conversation: Row, customer: Row) -> None:
    listed = (await api.get(f"/v1/customers/{customer['id']}/conversations")).json()["data"]
    counts = (await api.get(f"/v1/customers/{customer['id']}")).json()["data"]["attributes"]["conversationCounts"]
    assert ([row["id"] for row in listed], counts["open"]) == ([conversation["id"]], 1)


async def test_a_deleted_conversation_takes_its_messages_along(api: Api, sandbox: Sandbox, conversation: Row) -> None:
    await api.post(f"{path_of(conversation)}/notes", json={"body": "x"})
    sandbox.roles.add("org.permission.conversation.delete")
    assert (await api.delete(path_of(conversation))).status_code == 204
    assert (len(sandbox.state.notes), (await api.get(path_of(conversation))).status_code) == (0, 404)
