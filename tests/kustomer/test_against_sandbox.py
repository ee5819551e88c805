"""Each call of the client once against a served Kustomer that is as strict as the reference."""

from collections.abc import AsyncIterator

import pytest

from rasa_kustomer.kustomer.client import KustomerClient
from rasa_kustomer.kustomer.errors import KustomerError, Rejected, Unreachable
from rasa_kustomer.sandbox import Sandbox


async def no_sleep(_seconds: float) -> None:
    return


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[KustomerClient]:
    async with KustomerClient(sandbox.url, sandbox.api_key, timeout_seconds=2, sleep=no_sleep) as client:
        yield client


async def test_the_whole_life_of_a_conversation(client: KustomerClient, sandbox: Sandbox) -> None:
    customer = await client.create_customer({"externalId": "c-1", "name": "Ann", "emails": [{"email": "ann@x.com"}]})
    assert (await client.find_customer("externalId", "c-1")) == customer
    assert (await client.find_customer("email", "ann@x.com")) == customer
    assert await client.find_customer("phone", "+14155550100") is None
    assert (await client.update_customer(customer.id, {"name": "Ann Lee"})).name == "Ann Lee"

    conversation = await client.create_conversation({"customer": customer.id, "externalId": "rasa:s:1"})
    assert (await client.find_conversation("rasa:s:1")) is not None
    assert await client.find_conversation("rasa:s:2") is None
    assert [one.id for one in await client.customer_conversations(customer.id)] == [conversation.id]
    assert conversation.customer_id == customer.id

    body = {"channel": "chat", "app": "rasa", "direction": "in", "preview": "hello", "externalId": "m-1"}
    message = await client.create_message(conversation.id, body)
    found = await client.find_message("m-1", conversation.id)
    assert found is not None
    assert found.id == message.id
    note = await client.create_note(conversation.id, {"body": "a note", "externalId": "n-1"})
    known = await client.find_note("n-1", conversation.id)
    assert known is not None
    assert known.id == note.id

    await client.tag_conversation(conversation.id, ["vip"])
    await client.tag_conversation(conversation.id, ["vip", "refund"])
    assert sandbox.state.tag_names(sandbox.state.conversations[conversation.id]) == ["vip", "refund"]
    support = next(team for team in await client.teams() if team.name == "Support")
    changed = await client.update_conversation(conversation.id, {"priority": 5, "assignedTeams": [support.id]})
    assert (changed.priority, changed.assigned_teams) == (5, [support.id])
    assert (await client.get_conversation(conversation.id)).priority == 5
    assert (await client.current_user()).id == sandbox.machine_user["id"]
    assert "org.permission.message.create" in (await client.current_token()).roles


@pytest.mark.parametrize("spelling", ["externalId", "externalid"])
async def test_a_message_is_found_whichever_way_its_look_up_is_spelled(
    client: KustomerClient, sandbox: Sandbox, spelling: str
) -> None:
    sandbox.rules.message_lookup = spelling  # type: ignore[assignment]
    customer = await client.create_customer({"name": "Ann"})
    conversation = await client.create_conversation({"customer": customer.id})
    body = {"channel": "chat", "app": "rasa", "direction": "in", "preview": "hello", "externalId": "m-1"}
    made = await client.create_message(conversation.id, body)

    found = await client.find_message("m-1", conversation.id)

    assert found is not None
    assert found.id == made.id
    assert await client.find_message("m-2", conversation.id) is None


@pytest.mark.parametrize("status", [400, 409, 422])
async def test_a_duplicate_is_recognised_whatever_its_status(
    client: KustomerClient, sandbox: Sandbox, status: int
) -> None:
    sandbox.rules.duplicate_status = status
    await client.create_customer({"externalId": "c-1"})

    with pytest.raises(Rejected) as raised:
        await client.create_customer({"externalId": "c-1"})

    assert raised.value.duplicate


@pytest.mark.parametrize(
    ("fault", "ambiguous"),
    [("status:503", True), ("reset-before", True), ("reset-after", True), ("html:502", True)],
)
async def test_a_write_fails_once_says_whether_it_is_in_doubt_and_works_again(
    client: KustomerClient, sandbox: Sandbox, fault: str, ambiguous: bool
) -> None:
    sandbox.fail("POST /v1/customers", fault, times=1)

    with pytest.raises(Unreachable) as raised:
        await client.create_customer({"name": "Ann"})
    assert raised.value.ambiguous is ambiguous

    assert (await client.create_customer({"name": "Bob"})).name == "Bob"


@pytest.mark.parametrize("fault", ["status:500", "reset-before", "html:502", "bad-json", "429:org"])
async def test_a_read_survives_two_failures_in_a_row(client: KustomerClient, sandbox: Sandbox, fault: str) -> None:
    sandbox.fail("GET /v1/users/current", fault, times=2)

    if fault == "429:org":  # its wait is longer than the call may take
        with pytest.raises(KustomerError):
            await client.current_user()
        sandbox.heal()

    assert (await client.current_user()).id == sandbox.machine_user["id"]


async def test_a_server_that_hangs_is_given_up_in_time_and_used_again(sandbox: Sandbox) -> None:
    async with KustomerClient(sandbox.url, sandbox.api_key, timeout_seconds=0.2, sleep=no_sleep) as client:
        sandbox.fail("POST /v1/customers", "hang", times=1)

        with pytest.raises(Unreachable, match="ReadTimeout"):
            await client.create_customer({"name": "Ann"})

        assert (await client.create_customer({"name": "Ann"})).name == "Ann"


async def test_nobody_listening_is_no_doubt(sandbox: Sandbox) -> None:
    async with KustomerClient("http://127.0.0.1:9", "key", sleep=no_sleep) as client:
        with pytest.raises(Unreachable) as raised:
            await client.create_customer({"name": "Ann"})

    assert raised.value.ambiguous is False
