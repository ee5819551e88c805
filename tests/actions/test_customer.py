"""Session start and identify: who it is, and what may be disclosed."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from tests.actions.bot import Bot, delivered

from kustomer_sandbox import Sandbox
from rasa_kustomer import runtime
from rasa_kustomer.kustomer.client import KustomerClient

ANN = {"customer_id": "c-1", "email": "ann@example.com", "name": "Ann"}


async def known_ann(sandbox: Sandbox, **more: Any) -> str:
    async with KustomerClient(sandbox.url, sandbox.api_key) as client:
        body = {"externalId": "c-1", "name": "Ann Lee", "emails": [{"email": "ann@example.com"}], **more}
        ann = await client.create_customer(body)
        for status in ("open", "open", "done"):
            await client.create_conversation({"customer": ann.id, "name": "an old matter", "status": status})
    return ann.id


def slots_of(events: list[dict[str, Any]]) -> dict[str, Any]:
    return {event["name"]: event["value"] for event in events if event["event"] == "slot"}


async def started(bot: Bot, metadata: dict[str, Any] | None = None) -> dict[str, Any]:
    if metadata is not None:
        bot.slots["session_started_metadata"] = metadata
        bot.apply("slot", name="session_started_metadata", value=metadata)
    events = await bot.call("action_session_start")
    assert events[0]["event"] == "session_started"
    assert (events[-1]["event"], events[-1]["name"]) == ("action", "action_listen")
    return slots_of(events)


async def test_somebody_the_channel_vouches_for_is_greeted_by_name_and_history(
    sandbox: Sandbox, configure: Callable[..., None]
) -> None:
    configure(trust_metadata="true")
    ann = await known_ann(sandbox)

    slots = await started(Bot(), ANN)

    assert slots["kustomer_customer_id"] == ann
    assert slots["kustomer_customer_name"] == "Ann Lee"
    assert slots["kustomer_open_conversations"] == 2
    assert slots["kustomer_last_conversation_at"] is not None
    assert slots["kustomer_handoff_status"] == "none"


@pytest.mark.parametrize("source", ["metadata", "slots"])
async def test_a_claim_links_but_discloses_nothing(sandbox: Sandbox, source: str) -> None:
    ann = await known_ann(sandbox)
    bot = Bot()
    if source == "slots":
        bot.slots |= ANN

    slots = await started(bot, ANN if source == "metadata" else None)

    assert slots["kustomer_customer_id"] == ann
    hidden = ("kustomer_customer_name", "kustomer_open_conversations", "kustomer_last_conversation_at")
    assert [slots[name] for name in hidden] == [None, None, None]


async def test_a_claim_does_not_learn_of_anybodys_tickets(sandbox: Sandbox) -> None:
    await known_ann(sandbox)
    bot = Bot()
    bot.slots |= ANN
    await started(bot)
    await bot.call("action_kustomer_ticket_status")

    assert bot.said[-1]["text"] == "You have no open ticket."


async def said_hello(bot: Bot, metadata: dict[str, Any] | None = None) -> dict[str, Any]:
    """Start a session and say something in it; the slots after the start."""
    bot.metadata = metadata or {}
    slots = await started(bot, metadata)
    await bot.turn("hello", "hi")
    return slots


async def test_nothing_is_asked_for_an_anonymous_visitor_who_becomes_a_customer_with_the_first_turn(
    sandbox: Sandbox,
) -> None:
    slots = await started(bot := Bot("visitor-7"))
    assert (slots["kustomer_customer_id"], sandbox.requests) == (None, [])

    bot.start()
    await bot.turn("hello", "hi")
    await delivered()
    (customer,) = sandbox.state.customers.values()
    assert customer["externalIds"][0]["externalId"] == "rasa:visitor-7"
    assert (await started(bot))["kustomer_customer_id"] == customer["id"]


async def test_somebody_who_is_identified_and_new_costs_one_look_up_at_the_start(sandbox: Sandbox) -> None:
    slots = await started(Bot(), ANN)

    assert slots["kustomer_customer_id"] is None
    assert [f"{one.method} {one.path}" for one in sandbox.requests] == ["GET /v1/customers/externalId=c-1"]


async def test_ten_sessions_of_one_new_customer_make_one(sandbox: Sandbox) -> None:
    await asyncio.gather(*(said_hello(Bot(f"tab-{number}"), ANN) for number in range(10)))
    await delivered()

    assert len(sandbox.state.customers) == 1
    assert sum(one.path == "/v1/customers/externalId=c-1" for one in sandbox.requests) == 1


HISTORY = ("kustomer_open_conversations", "kustomer_last_conversation_at")


async def test_the_customers_own_counts_are_enough_when_nothing_is_open(
    sandbox: Sandbox, configure: Callable[..., None]
) -> None:
    configure(trust_metadata="true")
    async with KustomerClient(sandbox.url, sandbox.api_key) as client:
        ann = await client.create_customer({"externalId": "c-1", "name": "Ann Lee"})
        old = await client.create_conversation({"customer": ann.id, "name": "an old matter", "status": "done"})
        await client.create_message(old.id, {"channel": "email", "app": "mail", "direction": "out", "preview": "Bye."})
    (last,) = [row["lastMessageAt"] for row in sandbox.state.conversations.values()]
    before = len(sandbox.requests)

    slots = await started(Bot(), ANN)

    assert slots["kustomer_open_conversations"] == 0
    assert datetime.fromisoformat(slots["kustomer_last_conversation_at"]) == datetime.fromisoformat(
        last.replace("Z", "+00:00")
    )
    assert len(sandbox.requests) == before + 1


@pytest.mark.parametrize("told", [True, False])
async def test_a_mirrored_chat_of_ours_does_not_count_as_open(
    sandbox: Sandbox, configure: Callable[..., None], told: bool
) -> None:
    configure(trust_metadata="true")
    sandbox.rules.customer_counts = told
    await known_ann(sandbox)
    bot = Bot()
    bot.metadata = ANN
    await started(bot, ANN)
    bot.start(ANN)
    await bot.turn("hello", "hi")
    await delivered()
    assert sum(row["status"] == "open" for row in sandbox.state.conversations.values()) == 3

    slots = await started(bot, ANN)

    assert slots["kustomer_open_conversations"] == 2
    assert slots["kustomer_last_conversation_at"] is not None


async def test_what_the_slots_tell_is_not_older_than_the_session(
    sandbox: Sandbox, configure: Callable[..., None]
) -> None:
    """A customer is remembered for minutes, but not what they have open."""
    configure(trust_metadata="true")
    async with KustomerClient(sandbox.url, sandbox.api_key) as client:
        ann = await client.create_customer({"externalId": "c-1"})
        assert (await started(Bot(), ANN))["kustomer_open_conversations"] == 0
        await client.create_conversation({"customer": ann.id, "name": "a new matter"})

    assert (await started(Bot(), ANN))["kustomer_open_conversations"] == 1


async def test_kustomer_that_hangs_costs_at_most_the_stated_wait(
    sandbox: Sandbox, configure: Callable[..., None]
) -> None:
    configure(session_wait_seconds="0.3", timeout_seconds="100")
    sandbox.fail("*", "hang", times=None)

    slots = await asyncio.wait_for(started(Bot(), ANN), 60)  # the client itself would go on for longer

    assert slots["kustomer_customer_id"] is None
    sandbox.heal()


@pytest.mark.parametrize("fault", ["reset-before", "status:503", "html:502", "429:org"])
async def test_kustomer_in_trouble_leaves_the_slots_empty_and_the_session_starts(sandbox: Sandbox, fault: str) -> None:
    sandbox.fail("*", fault, times=None)

    slots = await started(Bot(), ANN)

    assert slots["kustomer_customer_id"] is None
    sandbox.heal()


async def test_when_the_breaker_is_open_nobody_waits_at_all(sandbox: Sandbox) -> None:
    runtime.current().breaker.failed("x", "down", at_once=True)
    await started(Bot(), ANN)

    assert sandbox.requests == []


async def test_slots_are_carried_over_as_rasa_does() -> None:
    bot = Bot()
    bot.apply("slot", name="a", value=1)
    bot.apply("restart")
    bot.apply("slot", name="b", value=2)
    bot.apply("slot", name="b", value=3)

    slots = await started(bot)
    assert ("a" in slots, slots["b"]) == (False, 3)

    bot.domain["session_config"] = {"carry_over_slots_to_new_session": False}
    assert "b" not in await started(bot)


async def test_what_a_fallback_took_back_is_not_carried_over() -> None:
    bot = Bot()
    bot.start()
    bot.user("my address is ann@example.com")
    bot.apply("slot", name="email", value="ann@example.com")
    assert (await started(bot))["email"] == "ann@example.com"

    bot.apply("action", name="action_default_fallback")
    bot.apply("rewind")

    assert "email" not in await started(bot)


async def test_in_no_op_mode_the_session_starts_exactly_as_rasas_own(configure: Callable[..., None]) -> None:
    configure(enabled="false")
    bot = Bot()
    bot.apply("slot", name="a", value=1)
    events = await bot.call("action_session_start")

    assert [(event["event"], event.get("name")) for event in events] == [
        ("session_started", None),
        ("slot", "a"),
        ("action", "action_listen"),
    ]


async def test_the_turn_that_restarts_is_kept(sandbox: Sandbox) -> None:
    """Only `action_session_start` still sees it."""
    bot = Bot()
    bot.start()
    await bot.turn("hello", "hi")
    bot.user("/restart", "restart")
    bot.bot("Restarted.")
    bot.apply("restart")
    await started(bot)
    await delivered()

    assert [row["preview"] for row in sandbox.state.messages.values()] == ["hello", "hi", "/restart", "Restarted."]


@pytest.mark.parametrize("movable", [True, False])
async def test_identify_moves_the_conversation_where_kustomer_lets_it(sandbox: Sandbox, movable: bool) -> None:
    sandbox.rules.customer_movable = movable
    ann = await known_ann(sandbox)
    bot = Bot()
    bot.start()
    await bot.turn("hello", "your address?")
    await delivered()
    bot.slots["email"] = "ANN@example.com"
    bot.user("ann@example.com")
    events = await bot.call("action_kustomer_identify")
    await delivered()

    assert slots_of(events)["kustomer_customer_id"] == ann
    (chat,) = [row for row in sandbox.state.conversations.values() if row.get("externalId")]
    assert (chat["customer"] == ann) is movable
    assert (await runtime.current().outbox.counts()).dead == 0


async def test_two_people_who_share_an_address_stay_two(sandbox: Sandbox, configure: Callable[..., None]) -> None:
    configure(trust_metadata="true")
    await known_ann(sandbox)
    bob = {"customer_id": "c-2", "email": "ann@example.com", "name": "Bob"}

    slots = await said_hello(Bot("bob"), bob)
    await delivered()

    assert [slots[name] for name in ("kustomer_customer_name", *HISTORY)] == [None, None, None]
    assert len(sandbox.state.customers) == 2
    slots = await started(Bot("bob-again"), bob)
    assert (slots["kustomer_customer_name"], slots["kustomer_open_conversations"]) == ("Bob", 0)


async def test_a_record_without_an_external_id_is_adopted_only_when_the_channel_vouches(
    sandbox: Sandbox, configure: Callable[..., None]
) -> None:
    async with KustomerClient(sandbox.url, sandbox.api_key) as client:
        mailed = await client.create_customer({"name": "Ann", "emails": [{"email": "ann@example.com"}]})
    await said_hello(Bot("claims"), ANN)
    await delivered()
    assert not sandbox.state.customers[mailed.id].get("externalIds")

    await runtime.shut_down()
    configure(trust_metadata="true")
    await said_hello(Bot("vouched"), ANN)
    await delivered()
    assert sandbox.state.customers[mailed.id]["externalIds"][0]["externalId"] == "c-1"
    assert len(sandbox.state.customers) == 1
