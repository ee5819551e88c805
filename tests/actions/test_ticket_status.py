"""What became of a ticket: all that is known is told, and what cannot be known is not made up."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.actions.bot import Bot, delivered
from tests.actions.test_customer import ANN, known_ann, started
from tests.actions.test_handoff import talk, ticket

from kustomer_sandbox import Sandbox
from rasa_kustomer import runtime
from rasa_kustomer.kustomer.client import KustomerClient
from rasa_kustomer.outbox import Outbox, OutboxUnavailableError

NO_TICKET, UNAVAILABLE = "You have no open ticket.", "cannot reach"


async def two_tickets() -> tuple[Bot, str, str]:
    """Two chats of one visitor, both with a human; the references, the older one first."""
    bot = Bot()
    references = []
    for _ in range(2):
        await talk(bot)
        await bot.call("action_kustomer_handoff")
        references.append(bot.slots["kustomer_ticket"])
    return bot, references[0], references[1]


async def asked(bot: Bot) -> str:
    await bot.call("action_kustomer_ticket_status")
    return str(bot.said[-1]["text"])


def row_of(sandbox: Sandbox, reference: str) -> dict[str, Any]:
    (row,) = [row for row in sandbox.state.conversations.values() if reference in row["name"]]
    return row


async def gone(sandbox: Sandbox, reference: str, how: str) -> None:
    """An admin deletes the ticket, or an agent merges it into another one."""
    row = row_of(sandbox, reference)
    if how == "deleted":
        sandbox.state.drop("conversations", row["id"])
    elif how == "deleted, but still shown":
        sandbox.state.put("conversations", {**row, "deleted": True})
    else:
        sandbox.state.put("conversations", {**row, "mergedTarget": "0" * 24})


GONE = pytest.mark.parametrize("how", ["deleted", "deleted, but still shown", "merged"])


async def test_ticket_status_tells_this_chats_ticket_to_anybody(sandbox: Sandbox) -> None:
    bot = Bot()
    await talk(bot)
    assert await asked(bot) == NO_TICKET

    await bot.call("action_kustomer_handoff")
    assert await asked(bot) == f"Your ticket {bot.slots['kustomer_ticket']} is open."

    sandbox.state.put("conversations", {**ticket(sandbox), "status": "done"})
    assert await asked(bot) == NO_TICKET


async def test_ticket_status_says_when_it_cannot_be_said(sandbox: Sandbox, configure: Callable[..., None]) -> None:
    configure(session_wait_seconds="0.2")
    bot = Bot()
    await talk(bot)
    await bot.call("action_kustomer_handoff")
    sandbox.fail("GET *", "hang", times=None)

    assert UNAVAILABLE in await asked(bot)


@GONE
async def test_a_ticket_that_is_gone_hides_no_other_and_is_none_itself(sandbox: Sandbox, how: str) -> None:
    bot, first, second = await two_tickets()
    await gone(sandbox, second, how)
    assert await asked(bot) == f"Your ticket {first} is open."

    await gone(sandbox, first, how)
    assert await asked(bot) == NO_TICKET


@GONE
async def test_the_same_holds_for_a_person_whom_the_channel_vouches_for(
    sandbox: Sandbox, configure: Callable[..., None], how: str
) -> None:
    configure(trust_metadata="true")
    bot = Bot()
    bot.metadata = {"customer_id": "c-9"}
    await talk(bot)
    await bot.call("action_kustomer_handoff")
    await gone(sandbox, bot.slots["kustomer_ticket"], how)

    assert await asked(bot) == NO_TICKET


async def test_an_outage_is_not_taken_for_a_ticket_that_is_gone(sandbox: Sandbox) -> None:
    bot, _, second = await two_tickets()
    await gone(sandbox, second, "deleted")
    sandbox.fail("GET /v1/conversations/*", "status:503", times=None)
    assert UNAVAILABLE in await asked(bot)

    sandbox.heal()
    assert UNAVAILABLE not in await asked(bot)


async def test_one_read_that_fails_does_not_hide_what_the_others_tell(sandbox: Sandbox) -> None:
    bot, first, second = await two_tickets()
    sandbox.fail(f"GET /v1/conversations/{row_of(sandbox, second)['id']}", "status:403", times=None)

    assert await asked(bot) == f"Your ticket {first} is open."
    await gone(sandbox, first, "deleted")
    assert UNAVAILABLE in await asked(bot)


async def test_old_tickets_that_are_done_do_not_hide_an_open_one(sandbox: Sandbox) -> None:
    bot = Bot()
    references = []
    for _ in range(5):
        await talk(bot)
        await bot.call("action_kustomer_handoff")
        references.append(bot.slots["kustomer_ticket"])
    await delivered()  # on a slow machine a handoff may still be under way
    for reference in references[1:]:
        sandbox.state.put("conversations", {**row_of(sandbox, reference), "status": "done"})

    assert await asked(bot) == f"Your ticket {references[0]} is open."


async def test_a_customer_who_was_deleted_since_is_met_anew(sandbox: Sandbox, configure: Callable[..., None]) -> None:
    """At a session start as well as here; the cache must not tell of a person who is gone."""
    configure(trust_metadata="true")
    ann = await known_ann(sandbox)
    bot = Bot()
    assert (await started(bot, ANN))["kustomer_open_conversations"] == 2
    sandbox.state.drop("customers", ann)
    for row in list(sandbox.state.conversations.values()):
        sandbox.state.drop("conversations", row["id"])

    assert (await started(bot, ANN))["kustomer_customer_id"] is None, "a new one is made soon"
    bot.start(ANN)
    bot.metadata = ANN
    await bot.turn("hello", "hi")
    await delivered()
    slots = await started(bot, ANN)
    assert slots["kustomer_customer_id"] not in {None, ann}
    assert slots["kustomer_open_conversations"] == 0
    sandbox.state.drop("customers", slots["kustomer_customer_id"])
    assert await asked(bot) == NO_TICKET


async def test_tickets_that_kustomer_knows_are_told_while_the_outbox_is_away(
    sandbox: Sandbox, configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(trust_metadata="true")
    bot = Bot()
    ann = await known_ann(sandbox)
    await started(bot, ANN)
    async with KustomerClient(sandbox.url, sandbox.api_key) as client:
        await client.create_conversation({"customer": ann, "name": "the latest matter"})
    monkeypatch.setattr(Outbox, "tickets", away)

    assert await asked(bot) == "Your ticket the latest matter is open."


async def away(*_: object) -> list[dict[str, Any]]:
    raise OutboxUnavailableError("the server is gone")


async def odd(*_: object) -> list[dict[str, Any]]:
    raise ValueError("a text of the customer")


@pytest.mark.parametrize("failing", [away, odd])
async def test_a_look_up_that_fails_in_the_background_ends_quietly_and_what_is_known_is_used(
    sandbox: Sandbox,
    configure: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    failing: Callable[..., Any],
) -> None:
    """No traceback is ever in the log: it may hold texts."""
    configure(trust_metadata="true")
    caplog.set_level("DEBUG")
    await known_ann(sandbox)
    monkeypatch.setattr(Outbox, "tickets", failing)
    for _ in range(2):
        slots = await started(Bot(), ANN)
        assert slots["kustomer_customer_name"] == "Ann Lee"
        assert slots["kustomer_open_conversations"] is None
    await runtime.shut_down()

    assert "Traceback" not in caplog.text
    assert "never retrieved" not in caplog.text
    assert "a text of the customer" not in caplog.text
    assert len([one for one in caplog.records if "ValueError at" in one.getMessage()]) == (failing is odd)
