"""What the user hears when the outbox was lost, or an older copy of it came back."""

import shutil
from collections.abc import Callable

import pytest
from tests.actions.bot import Bot, delivered

from kustomer_sandbox import Sandbox
from rasa_kustomer import runtime


async def lose() -> None:
    """Stop, and lose the disk."""
    await runtime.shut_down()
    shutil.rmtree(".kustomer")


async def handed_off() -> Bot:
    bot = Bot()
    bot.start()
    await bot.turn("hello", "hi")
    bot.user("I want a human", "human_handoff")
    await bot.call("action_kustomer_handoff")
    await delivered()
    return bot


@pytest.mark.parametrize("courier", ["inline", "external"])
async def test_a_ticket_is_told_although_the_outbox_was_lost(configure: Callable[..., None], courier: str) -> None:
    bot = await handed_off()
    reference = bot.slots["kustomer_ticket"]
    await lose()
    configure(courier=courier)

    bot.user("what about my ticket?")
    await bot.call("action_kustomer_ticket_status")

    assert bot.said[-1]["text"] == f"Your ticket {reference} is open."


async def test_a_chat_that_was_never_handed_off_has_no_ticket_after_a_loss(configure: Callable[..., None]) -> None:
    bot = Bot()
    bot.start()
    await bot.turn("hello", "hi")
    await delivered()
    await lose()
    configure(courier="external")

    bot.user("what about my ticket?")
    await bot.call("action_kustomer_ticket_status")

    assert bot.said[-1]["text"] == "You have no open ticket."


async def test_a_second_handoff_after_a_loss_raises_the_ticket_that_agents_have(sandbox: Sandbox) -> None:
    bot = await handed_off()
    (row,) = sandbox.state.conversations.values()
    agent = next(user["id"] for user in sandbox.state.users.values() if user["userType"] != "machine")
    sandbox.state.put("conversations", {**row, "assignedUsers": [agent], "status": "done"})
    await lose()

    bot.slots["kustomer_priority"] = "urgent"
    bot.user("a human, please", "human_handoff")
    await bot.call("action_kustomer_handoff")
    await delivered()

    (row,) = sandbox.state.conversations.values()
    assert (row["status"], row["priority"], row["assignedUsers"]) == ("open", 5, [agent])
    assert len(sandbox.state.notes) == 1
    assert bot.slots["kustomer_handoff_status"] == "created"
