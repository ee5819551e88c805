"""Two people stay two: on their timelines, in their tickets, and in what the bot tells."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.actions.bot import Bot, delivered

from kustomer_sandbox import Sandbox
from rasa_kustomer import runtime
from rasa_kustomer.kustomer.client import KustomerClient


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


A, B = {"customer_id": "C-A", "name": "Ann"}, {"customer_id": "C-B", "name": "Bob"}
BY_IDENTIFIER = pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(A, B, id="customer id"),
        pytest.param({"email": "ann@example.com"}, {"email": "bob@example.com"}, id="email"),
        pytest.param({"phone": "+14155550100"}, {"phone": "+14155550101"}, id="phone"),
        pytest.param(
            {**A, "email": "us@example.com"}, {**B, "email": "us@example.com"}, id="ids that share an address"
        ),
    ],
)


@pytest.fixture
def trusting(configure: Callable[..., None]) -> None:
    """The channel vouches for its users."""
    configure(trust_metadata="true")


async def says(bot: Bot, metadata: dict[str, Any], text: str) -> None:
    bot.metadata = metadata
    await bot.turn(text, f"answer to {text}")


async def wants_a_human(bot: Bot, metadata: dict[str, Any], text: str = "a human, please") -> str:
    bot.metadata = metadata
    bot.user(text, "human_handoff")
    await bot.call("action_kustomer_handoff")
    return str(bot.slots["kustomer_ticket"])


def timelines(sandbox: Sandbox) -> dict[str, list[str]]:
    """What was said with each customer, by their surest identifier."""
    told: dict[str, list[str]] = {}
    for row in sandbox.state.messages.values():
        customer = sandbox.state.customers[sandbox.state.conversations[row["conversation"]]["customer"]]
        told.setdefault(_known_as(customer), []).append(row["preview"])
    return told


def _known_as(customer: dict[str, Any]) -> str:
    ids = [one["externalId"] for one in customer.get("externalIds", [])]
    addresses = [one["email"] for one in customer.get("emails", [])] + [
        one["phone"] for one in customer.get("phones", [])
    ]
    return str([*ids, *addresses][0])


def turn(*texts: str) -> list[str]:
    return [line for text in texts for line in (text, f"answer to {text}")]


def surest(person: dict[str, Any]) -> str:
    return str(person.get("customer_id") or person.get("email") or person.get("phone"))


@pytest.mark.usefixtures("trusting")
@BY_IDENTIFIER
async def test_each_turn_stands_with_the_person_whom_its_message_names(
    sandbox: Sandbox, first: dict[str, Any], second: dict[str, Any]
) -> None:
    bot = Bot()
    bot.start()
    await says(bot, first, "one")
    await says(bot, second, "two")
    await says(bot, {}, "three")
    await says(bot, first, "four")
    await delivered()

    assert timelines(sandbox) == {surest(first): turn("one", "four"), surest(second): turn("two", "three")}
    assert len(sandbox.state.conversations) == 2


@pytest.mark.usefixtures("trusting")
async def test_each_person_has_a_ticket_a_reference_and_a_note_of_their_own(sandbox: Sandbox) -> None:
    bot = Bot()
    bot.start()
    await says(bot, A, "my parcel is lost")
    reference = await wants_a_human(bot, A)
    bot.metadata = B
    bot.user("what about my ticket?", "ticket_status")
    await bot.call("action_kustomer_ticket_status")
    assert bot.said[-1]["text"] == "You have no open ticket."
    other = await wants_a_human(bot, B, "I am Bob, a human please")
    await delivered()

    assert reference != other
    assert bot.slots["kustomer_conversation_id"] in {
        row["id"] for row in sandbox.state.conversations.values() if other in row["name"]
    }
    notes = {
        ticket: row["body"]
        for row in sandbox.state.notes.values()
        for ticket in (reference, other)
        if ticket in row["body"]
    }
    assert "C-A" in notes[reference]
    assert "C-B" in notes[other]
    assert "C-A" not in notes[other]
    assert "parcel" not in notes[other]
    assert await wants_a_human(bot, A) == reference, "who comes back raises their own ticket"


@pytest.mark.usefixtures("trusting")
async def test_while_records_wait_nobodys_words_change_hands(sandbox: Sandbox, configure: Callable[..., None]) -> None:
    configure(handoff_wait_seconds="0.1")
    sandbox.fail("*", "reset-before", times=None)
    bot = Bot()
    bot.start()
    await says(bot, A, "one")
    first = await wants_a_human(bot, A)
    await says(bot, B, "two")
    second = await wants_a_human(bot, B)
    await runtime.shut_down()
    await says(bot, A, "three")
    sandbox.heal()
    runtime.current().breaker.probe_soon()
    await delivered()

    assert timelines(sandbox) == {
        "C-A": [*turn("one"), "a human, please", *turn("three")],
        "C-B": [*turn("two"), "a human, please"],
    }
    assert first != second


@pytest.mark.usefixtures("trusting")
async def test_a_process_that_sees_the_whole_chat_only_now_finds_the_same(sandbox: Sandbox) -> None:
    bot = Bot()
    bot.start()
    await says(bot, A, "one")
    await says(bot, B, "two")
    await runtime.shut_down()
    bot.metadata = {}
    await says(bot, {}, "three")
    await runtime.shut_down()
    runtime.current()
    bot.events = [event for event in bot.events if event["event"] != "session_started"]  # a tracker that was cut
    del bot.events[: next(n for n, event in enumerate(bot.events) if event.get("text") == "three")]
    await says(bot, {}, "four")
    await delivered()

    assert timelines(sandbox) == {"C-A": turn("one"), "C-B": turn("two", "three", "four")}
    assert len(sandbox.state.conversations) == 2


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("by_event", [True, False])
async def test_who_writes_first_may_be_another_than_who_began_the_session(sandbox: Sandbox, by_event: bool) -> None:
    """Session metadata against message metadata."""
    bot = Bot()
    bot.start(A)
    if by_event:
        bot.apply("slot", name="session_started_metadata", value=A)
    bot.bot("Hello Ann!")
    await says(bot, B, "one")
    await runtime.shut_down()
    await says(bot, A, "two")
    await delivered()

    told = timelines(sandbox)
    assert told["C-B"] == turn("one")
    assert sorted(told["C-A"]) == sorted(["Hello Ann!", *turn("two")])


@pytest.mark.usefixtures("trusting")
async def test_the_end_of_one_session_is_not_the_next_ones(sandbox: Sandbox) -> None:
    """Rasa tells who begins a session before it has begun."""
    bot = Bot()
    bot.start(A)
    bot.apply("slot", name="session_started_metadata", value=A)
    bot.user("not recorded yet")
    bot.bot("an answer")
    bot.slots["session_started_metadata"] = B
    bot.apply("slot", name="session_started_metadata", value=B)
    async with KustomerClient(sandbox.url, sandbox.api_key) as client:
        await client.create_customer({"externalId": B["customer_id"], "name": "Bob"})
    await bot.call("action_session_start")
    assert bot.slots["kustomer_customer_name"] == "Bob", "the new session's greeting is for who begins it"
    bot.apply("session_started")
    bot.apply("slot", name="session_started_metadata", value=B)
    await says(bot, {}, "one")
    await delivered()

    assert timelines(sandbox) == {"C-A": ["not recorded yet", "an answer"], "C-B": turn("one")}


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("mirrored", ["true", "false"])
async def test_who_signs_in_takes_the_conversation_along(
    sandbox: Sandbox, configure: Callable[..., None], mirrored: str
) -> None:
    configure(enable_sync=mirrored)
    bot = Bot()
    bot.start()
    await says(bot, {}, "one")
    anonymous = await wants_a_human(bot, {})
    await delivered()
    await says(bot, A, "two")
    reference = await wants_a_human(bot, {})
    await delivered()

    (chat,) = sandbox.state.conversations.values()
    assert _known_as(sandbox.state.customers[chat["customer"]]) == "C-A"
    assert reference == anonymous


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("later", [{"email": "ann@example.com"}, {"customer_id": "C-A", "email": "new@example.com"}])
async def test_the_same_person_in_more_detail_is_no_change(sandbox: Sandbox, later: dict[str, Any]) -> None:
    bot = Bot()
    bot.start()
    await says(bot, {**A, "email": "ann@example.com"}, "one")
    await says(bot, later, "two")
    await says(bot, {"customer_id": "undefined", "email": ""}, "three")
    await delivered()

    assert timelines(sandbox) == {"C-A": turn("one", "two", "three")}


async def test_without_trust_metadata_split_nothing(sandbox: Sandbox) -> None:
    bot = Bot()
    bot.start()
    await says(bot, A, "one")
    await says(bot, B, "two")
    await delivered()

    assert len(sandbox.state.conversations) == 1


@pytest.mark.usefixtures("trusting")
async def test_after_a_change_identify_fills_the_slots_for_who_speaks_now(sandbox: Sandbox) -> None:
    bot = Bot()
    bot.start()
    reference = await wants_a_human(bot, A)
    await says(bot, B, "hello")
    await bot.call("action_kustomer_identify")
    assert bot.slots["kustomer_customer_name"] == "Bob"
    assert (bot.slots["kustomer_ticket"], bot.slots["kustomer_handoff_status"]) == (None, "none")
    assert bot.slots["kustomer_conversation_id"] is None

    await says(bot, A, "I am back")
    await bot.call("action_kustomer_identify")
    assert (bot.slots["kustomer_ticket"], bot.slots["kustomer_handoff_status"]) == (reference, "created")
    await delivered()


@pytest.mark.usefixtures("trusting")
async def test_what_the_bot_solved_for_one_does_not_close_the_others_chat(sandbox: Sandbox) -> None:
    bot = Bot()
    bot.start()
    await says(bot, A, "one")
    await says(bot, B, "two")
    await bot.call("action_kustomer_resolve")
    await delivered()

    closed = {
        _known_as(sandbox.state.customers[row["customer"]]): row["status"]
        for row in sandbox.state.conversations.values()
    }
    assert closed == {"C-A": "open", "C-B": "done"}


@pytest.mark.usefixtures("trusting")
async def test_a_ticket_that_still_waits_is_told_to_nobody_else(
    sandbox: Sandbox, configure: Callable[..., None]
) -> None:
    configure(handoff_wait_seconds="0.1")
    bot = Bot()
    bot.start()
    sandbox.fail("POST /v1/conversations", "status:503", times=None)
    reference = await wants_a_human(bot, A)
    for asker in (B, A):
        bot.metadata = asker
        bot.user("what about my ticket?", "ticket_status")
        await bot.call("action_kustomer_ticket_status")
        assert (reference in bot.said[-1]["text"]) is (asker is A)
    sandbox.heal()
    await delivered()


@pytest.mark.usefixtures("trusting")
async def test_who_signs_in_need_not_hand_off_to_take_the_conversation_along(sandbox: Sandbox) -> None:
    bot = Bot()
    bot.start()
    await says(bot, {}, "one")
    await delivered()
    await says(bot, A, "two")
    await delivered()

    assert timelines(sandbox) == {"C-A": turn("one", "two")}
