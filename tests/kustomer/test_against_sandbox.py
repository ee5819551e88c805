"""Each call of the client once against a served Kustomer that is as strict as the reference."""

import inspect
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from tests.helpers import no_sleep

from kustomer_sandbox import Sandbox
from rasa_kustomer.kustomer.client import KustomerClient
from rasa_kustomer.kustomer.errors import (
    BrokenAnswer,
    KeyRefused,
    KustomerError,
    NotAllowed,
    RateLimited,
    Rejected,
    Unreachable,
)


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


CALLS: dict[str, tuple[str, Callable[[KustomerClient, str, str], Awaitable[Any]]]] = {
    "find_customer": ("customer.read", lambda client, _, __: client.find_customer("externalId", "c-1")),
    "create_customer": ("customer.create", lambda client, _, __: client.create_customer({"name": "Bo"})),
    "update_customer": ("customer.update", lambda client, customer, _: client.update_customer(customer, {"name": "B"})),
    "customer_conversations": (
        "conversation.read",
        lambda client, customer, _: client.customer_conversations(customer),
    ),
    "get_conversation": ("conversation.read", lambda client, _, conversation: client.get_conversation(conversation)),
    "find_conversation": ("conversation.read", lambda client, _, __: client.find_conversation("rasa:s:1")),
    "create_conversation": (
        "conversation.create",
        lambda client, customer, _: client.create_conversation({"customer": customer}),
    ),
    "update_conversation": (
        "conversation.update",
        lambda client, _, conversation: client.update_conversation(conversation, {"priority": 4}),
    ),
    "tag_conversation": (
        "conversation.update",
        lambda client, _, conversation: client.tag_conversation(conversation, ["vip"]),
    ),
    "create_message": (
        "message.create",
        lambda client, _, conversation: client.create_message(
            conversation, {"channel": "chat", "app": "rasa", "direction": "in", "preview": "hello"}
        ),
    ),
    "find_message": ("message.read", lambda client, _, conversation: client.find_message("m-1", conversation)),
    "create_note": ("note.create", lambda client, _, conversation: client.create_note(conversation, {"body": "x"})),
    "find_note": ("note.read", lambda client, _, conversation: client.find_note("n-1", conversation)),
    "messages_of": ("message.read", lambda client, _, conversation: client.messages_of(conversation)),
    "notes_of": ("note.read", lambda client, _, conversation: client.notes_of(conversation)),
    "teams": ("team.read", lambda client, _, __: client.teams()),
}
BULK = {"create_bulk", "change_bulk", "bulk_complete", "bulk_results"}  # jobs: tests/kustomer/test_bulk.py
SENT_ONCE = {"create_customer", "create_conversation", "create_message", "create_note"}


@pytest.fixture
async def known(client: KustomerClient) -> tuple[str, str]:
    """Ids of a customer and a conversation of theirs."""
    customer = await client.create_customer({"externalId": "c-1"})
    conversation = await client.create_conversation({"customer": customer.id, "externalId": "rasa:s:1"})
    return customer.id, conversation.id


def test_the_table_of_calls_is_complete() -> None:
    public = {name for name, _ in inspect.getmembers(KustomerClient, inspect.iscoroutinefunction) if name[0] != "_"}

    assert public - {"aclose", "current_token", "current_user"} - BULK == CALLS.keys()


@pytest.mark.parametrize("name", CALLS)
async def test_each_call_names_the_role_that_it_lacks_and_works_once_the_key_has_it(
    client: KustomerClient, sandbox: Sandbox, known: tuple[str, str], name: str
) -> None:
    role, call = f"org.permission.{CALLS[name][0]}", CALLS[name][1]
    sandbox.roles.discard(role)

    with pytest.raises(NotAllowed, match=re.escape(role)) as raised:
        await call(client, *known)
    assert raised.value.role == role

    sandbox.roles.add(role)
    await call(client, *known)


@pytest.mark.parametrize("name", CALLS)
async def test_each_call_fails_and_recovers_and_only_safe_ones_are_repeated(
    client: KustomerClient, sandbox: Sandbox, known: tuple[str, str], name: str
) -> None:
    call = CALLS[name][1]
    sandbox.fail("*", "reset-after", times=None)
    before = len(sandbox.requests)

    with pytest.raises(Unreachable) as raised:
        await call(client, *known)

    sent = sandbox.requests[before:]
    assert len(sent) == (1 if name in SENT_ONCE else 3)
    assert raised.value.ambiguous is any(request.method != "GET" for request in sent)
    sandbox.heal()
    await call(client, *known)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("status:503", Unreachable),
        ("status-after:503", Unreachable),
        ("reset-before", Unreachable),
        ("reset-after", Unreachable),
        ("html:502", Unreachable),
        ("bad-json", BrokenAnswer),
        ("html-after:200", BrokenAnswer),
    ],
)
async def test_a_write_whose_answer_is_lost_is_in_doubt_and_not_repeated(
    client: KustomerClient, sandbox: Sandbox, fault: str, kind: type[Unreachable] | type[BrokenAnswer]
) -> None:
    sandbox.fail("POST /v1/customers", fault, times=1)

    with pytest.raises(kind) as raised:
        await client.create_customer({"name": "Ann"})
    assert isinstance(raised.value, (Unreachable, BrokenAnswer))
    assert raised.value.ambiguous
    assert len(sandbox.requests) == 1

    assert (await client.create_customer({"name": "Bob"})).name == "Bob"


@pytest.mark.parametrize("fault", ["429:org", "429:customer"])
async def test_a_rate_limit_says_whom_it_concerns(client: KustomerClient, sandbox: Sandbox, fault: str) -> None:
    sandbox.fail("POST /v1/customers", fault, times=1)

    with pytest.raises(RateLimited) as raised:
        await client.create_customer({"name": "Ann"})

    assert raised.value.organisation is (fault == "429:org")
    assert 0 <= raised.value.wait_seconds <= 120


async def test_a_message_is_found_in_the_list_when_no_look_up_knows_it(
    client: KustomerClient, sandbox: Sandbox, known: tuple[str, str]
) -> None:
    body = {"channel": "chat", "app": "rasa", "direction": "in", "preview": "hello", "externalId": "m-1"}
    made = await client.create_message(known[1], body)
    sandbox.fail("GET /v1/messages/external*", "status:404", times=None)

    found = await client.find_message("m-1", known[1])

    assert found is not None
    assert found.id == made.id


@pytest.mark.parametrize("shape", ["titled", "plain"])
async def test_a_wrong_key_is_told_in_both_error_shapes(sandbox: Sandbox, shape: str) -> None:
    sandbox.rules.error_shape = shape  # type: ignore[assignment]
    async with KustomerClient(sandbox.url, "another-key", sleep=no_sleep) as client:
        with pytest.raises(KeyRefused, match="KUSTOMER_API_KEY"):
            await client.current_user()


async def test_no_log_line_shows_key_or_person(
    sandbox: Sandbox, client: KustomerClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await client.find_customer("email", "ann@x.com")
    await client.create_customer({"phones": [{"phone": "+14155550100"}], "externalId": "crm-4711"})
    sandbox.fail("*", "reset-before", times=None)
    for field, value in (("email", "ann@x.com"), ("phone", "+14155550100"), ("externalId", "crm-4711")):
        with pytest.raises(Unreachable):
            await client.find_customer(field, value)  # type: ignore[arg-type]

    shown = "\n".join(f"{record.getMessage()} {record.args}" for record in caplog.records)

    assert not [one for one in (sandbox.api_key, "ann", "4155550100", "crm-4711") if one in shown]


async def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    async with KustomerClient(sandbox.url, sandbox.api_key, sleep=no_sleep) as client:
        assert (await client.current_user()).id == sandbox.machine_user["id"]
    async with KustomerClient("https://acme.example", sandbox.api_key, sleep=no_sleep) as client:
        with pytest.raises(Unreachable, match="no connection"):
            await client.current_user()


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
