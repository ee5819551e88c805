"""Two people stay two: on their timelines, in their tickets, and in what the bot tells."""

from collections.abc import Callable

import pytest
from tests.actions.bot import Bot, delivered

from rasa_kustomer.sandbox import Sandbox


def note(sandbox: Sandbox) -> str:
    (row,) = sandbox.state.notes.values()
    return str(row["body"])


async def handed_off(bot: Bot) -> None:
    bot.start()
    bot.user("I want a human", "human_handoff")
    await bot.call("action_kustomer_handoff")
    await delivered()


@pytest.mark.parametrize("number", ["555-1234", "000-000-0000", "+1 555 1234", "order 4155550100"])
async def test_what_two_people_typed_as_their_number_does_not_make_them_one(
    sandbox: Sandbox, configure: Callable[..., None], number: str
) -> None:
    configure(phone_region="US")
    for sender, name in (("p1", "Ann"), ("p2", "Bob")):
        bot = Bot(sender)
        bot.slots |= {"phone": number, "name": name}
        await handed_off(bot)

    assert sorted(row["name"] for row in sandbox.state.customers.values()) == ["Ann", "Bob"]
    assert all(number in str(row["body"]) for row in sandbox.state.notes.values()), "the agent sees the slot"


async def test_an_id_that_stands_for_nobody_discloses_nobody(sandbox: Sandbox, configure: Callable[..., None]) -> None:
    configure(trust_metadata="true")
    first, second = Bot("first"), Bot("second")
    for bot, name in ((first, "Ann"), (second, None)):
        bot.metadata = {"customer_id": "undefined", "name": name}
        await handed_off(bot)
    await second.call("action_kustomer_identify")

    assert len(sandbox.state.customers) == 2
    assert second.slots["kustomer_customer_name"] is None


async def test_the_note_says_which_slot_was_not_understood(sandbox: Sandbox) -> None:
    bot = Bot()
    bot.slots |= {"email": "ann@example.com or bob@example.com", "phone": "+1 415 555 0100"}
    await handed_off(bot)

    assert 'The slot email does not hold one e-mail address: "ann@example.com or bob@example.com"' in note(sandbox)
    assert "The slot phone" not in note(sandbox)


async def test_a_hidden_slot_that_was_not_understood_is_named_and_not_shown(
    sandbox: Sandbox, configure: Callable[..., None]
) -> None:
    configure(note_hidden_slots="email")
    bot = Bot()
    bot.slots["email"] = "my secret"
    await handed_off(bot)

    assert "The slot email does not hold one e-mail address." in note(sandbox)
    assert "my secret" not in note(sandbox)
