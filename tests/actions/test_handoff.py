"""The handoff: one ticket with the right team and priority, and the truth for the user."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.actions.bot import Bot, delivered

from kustomer_sandbox import Sandbox
from rasa_kustomer import runtime


async def talk(bot: Bot) -> None:
    bot.start()
    await bot.turn("hello", "hi")
    await bot.turn("my parcel arrived broken", "oh no", "complain")
    bot.user("I want a human", "human_handoff")


def ticket(sandbox: Sandbox) -> dict[str, Any]:
    (row,) = sandbox.state.conversations.values()
    return dict(row)


async def test_created_is_said_with_a_reference_that_stands_on_the_ticket(sandbox: Sandbox) -> None:
    bot = Bot()
    await talk(bot)
    await bot.call("action_kustomer_handoff")

    reference = bot.slots["kustomer_ticket"]
    (note,) = sandbox.state.notes.values()
    assert bot.slots["kustomer_handoff_status"] == "created"
    assert bot.slots["kustomer_conversation_id"] == ticket(sandbox)["id"]
    assert reference in bot.said[-1]["text"]
    assert reference in ticket(sandbox)["name"]
    assert reference in note["body"]
    assert "my parcel arrived broken" in ticket(sandbox)["name"]
    assert (ticket(sandbox)["status"], ticket(sandbox)["priority"]) == ("open", 3)
    assert ticket(sandbox)["assignedTeams"] == [sandbox.team("Support")["id"]]
    assert ticket(sandbox)["assignedUsers"] == []
    assert [row["preview"] for row in sandbox.state.messages.values()][-1] == "I want a human"


async def test_while_kustomer_is_away_the_user_hears_queued_and_the_ticket_follows(
    sandbox: Sandbox, configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rasa_kustomer.delivery.circuit_breaker.MAX_PROBE_SECONDS", 0.02)
    configure(handoff_wait_seconds="0.2")
    sandbox.fail("*", "reset-before", times=None)
    bot = Bot()
    await talk(bot)
    await bot.call("action_kustomer_handoff")
    assert bot.slots["kustomer_handoff_status"] == "queued"
    assert bot.slots["kustomer_ticket"] in bot.said[-1]["text"]

    sandbox.heal()
    await delivered()
    assert bot.slots["kustomer_ticket"] in ticket(sandbox)["name"]


async def test_a_handoff_wakes_the_breaker(
    sandbox: Sandbox, configure: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next probe is made at once, and not when its time has come."""
    monkeypatch.setattr("rasa_kustomer.delivery.circuit_breaker.FIRST_PROBE_SECONDS", 3_600.0)
    configure(handoff_wait_seconds="20")
    bot = Bot()
    bot.start()
    runtime.current().breaker.failed("a session", "Kustomer was away", at_once=True)
    bot.user("I want a human", "human_handoff")
    await bot.call("action_kustomer_handoff")

    assert bot.slots["kustomer_handoff_status"] == "created"
    assert bot.slots["kustomer_ticket"] in ticket(sandbox)["name"]


async def test_a_second_handoff_raises_the_same_ticket(sandbox: Sandbox) -> None:
    bot = Bot()
    await talk(bot)
    await bot.call("action_kustomer_handoff")
    first = bot.slots["kustomer_ticket"]
    sandbox.state.put("conversations", {**ticket(sandbox), "status": "done", "assignedTeams": []})
    bot.slots["kustomer_priority"] = "urgent"
    bot.user("a human, now!", "human_handoff")
    await bot.call("action_kustomer_handoff")

    assert (bot.slots["kustomer_ticket"], bot.slots["kustomer_handoff_status"]) == (first, "created")
    assert len(sandbox.state.notes) == 1
    assert (ticket(sandbox)["status"], ticket(sandbox)["priority"], ticket(sandbox)["assignedTeams"]) == ("open", 5, [])


async def test_a_connector_that_gives_every_message_the_same_id_can_raise_a_ticket_again(sandbox: Sandbox) -> None:
    bot = Bot()
    bot.start()
    for priority in ("low", "high", "urgent"):
        bot.slots["kustomer_priority"] = priority
        bot.user("I want a human", "human_handoff", message_id="1")
        bot.latest["message_id"] = "1"
        await bot.call("action_kustomer_handoff")

    assert ticket(sandbox)["priority"] == 5


async def test_a_handoff_that_waits_is_not_queued_twice(sandbox: Sandbox, configure: Callable[..., None]) -> None:
    configure(handoff_wait_seconds="0.1")
    sandbox.fail("*", "reset-before", times=None)
    bot = Bot()
    await talk(bot)
    await bot.call("action_kustomer_handoff")
    await bot.call("action_kustomer_handoff")
    sandbox.heal()
    await bot.call("action_kustomer_handoff")
    await delivered()

    assert len(sandbox.state.conversations) == len(sandbox.state.notes) == 1


async def test_a_refused_ticket_is_a_failure_and_may_be_tried_again(sandbox: Sandbox) -> None:
    sandbox.fail("PATCH /v1/conversations/*", "status:400", times=None)
    bot = Bot()
    await talk(bot)
    await bot.call("action_kustomer_handoff")
    assert bot.slots["kustomer_handoff_status"] == "failed"

    sandbox.heal()
    bot.user("please", "human_handoff")
    await bot.call("action_kustomer_handoff")
    assert bot.slots["kustomer_handoff_status"] == "created"


async def test_a_ticket_whose_record_was_purged_is_raised_and_not_opened_anew(sandbox: Sandbox) -> None:
    """An agent has it by now, whatever KUSTOMER_RETENTION_DAYS has deleted since."""
    bot = Bot()
    bot.start()
    bot.user("human", "human_handoff")
    await bot.call("action_kustomer_handoff")
    await delivered()
    (row,) = sandbox.state.conversations.values()
    row["assignedTeams"] = []
    outbox = runtime.current().outbox
    while await outbox.maintenance.purge(older_than_seconds=-60):
        pass

    bot.user("urgent", "human_handoff")
    await bot.call("action_kustomer_handoff")
    await delivered()

    assert ticket(sandbox)["assignedTeams"] == []
    assert len(sandbox.state.notes) == 1


@pytest.mark.swallows
async def test_nothing_is_promised_when_it_cannot_be_kept(configure: Callable[..., None], tmp_path: Path) -> None:
    (tmp_path / ".kustomer").write_text("a file where the folder should be")
    bot = Bot()
    bot.start()
    bot.user("human", "human_handoff")
    await bot.call("action_kustomer_handoff")

    assert (bot.slots["kustomer_handoff_status"], bot.slots["kustomer_ticket"]) == ("failed", None)
    assert "cannot reach" in bot.said[-1]["text"]


@pytest.mark.parametrize(
    ("slots", "intent", "team", "priority"),
    [
        ({}, "human_handoff", "Support", 3),
        ({"kustomer_team": "Sales", "kustomer_priority": "low"}, "refund", "Sales", 2),
        ({}, "refund", "Billing", 5),
        ({"kustomer_priority": "nonsense"}, "refund", "Billing", 5),
    ],
)
async def test_slot_before_rule_before_default(  # noqa: PLR0917 - a table with many columns
    sandbox: Sandbox, tmp_path: Path, slots: dict[str, str], intent: str, team: str, priority: int
) -> None:
    (tmp_path / "kustomer_routing.yml").write_text(
        "rules:\n  - when: {intent: refund}\n    team: Billing\n    priority: urgent\n    tags: [money]\n"
    )
    bot = Bot()
    bot.start()
    bot.slots |= slots
    bot.user("help", intent)
    await bot.call("action_kustomer_handoff")

    assert ticket(sandbox)["assignedTeams"] == [sandbox.team(team)["id"]]
    assert ticket(sandbox)["priority"] == priority


async def test_a_priority_that_does_not_exist_is_told_to_agent_and_admin(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    """The log gets no value, since a slot may hold what the customer typed; and each value one line."""
    for sender, value in (("ann", "call me on 555 0100"), ("bob", "call me on 555 0100"), ("eve", "asap")):
        bot = Bot(sender)
        bot.start()
        bot.slots["kustomer_priority"] = value
        bot.user("help")
        await bot.call("action_kustomer_handoff")
    await delivered()

    said = [one.getMessage() for one in caplog.records if "kustomer_priority" in one.getMessage()]
    assert len(said) == 2
    assert "low, medium, high, urgent" in said[0]
    assert "555" not in caplog.text
    notes = [note["body"] for note in sandbox.state.notes.values()]
    assert sum('The bot asked for priority "call me on 555 0100", which does not exist' in note for note in notes) == 2


async def test_a_rule_may_look_at_the_customers_tags(sandbox: Sandbox, tmp_path: Path) -> None:
    """Kustomer returns tags as ids, so the rule names the id."""
    (tmp_path / "kustomer_routing.yml").write_text(
        "rules:\n  - when: {customer_tag: vip-tag-id}\n    priority: urgent\n"
    )
    bot = Bot()
    bot.start()
    bot.user("help")
    await bot.call("action_listen")
    await delivered()
    (customer,) = sandbox.state.customers.values()
    sandbox.state.put("customers", {**customer, "tags": ["vip-tag-id"]})
    runtime.current().directory._known.clear()
    await bot.call("action_kustomer_handoff")

    assert ticket(sandbox)["priority"] == 5


async def test_the_domains_own_words_are_used_with_their_placeholders() -> None:
    bot = Bot(domain={"responses": {"utter_kustomer_handoff_created": [{"text": "Danke, {ticket}"}]}})
    await talk(bot)
    await bot.call("action_kustomer_handoff")

    said = bot.said[-1]
    assert (said["response"], said["text"], said["ticket"]) == (
        "utter_kustomer_handoff_created",
        None,
        bot.slots["kustomer_ticket"],
    )
    assert (said["team"], said["priority"]) == ("", "medium")


async def test_hidden_slots_stay_out_of_the_note(sandbox: Sandbox, configure: Callable[..., None]) -> None:
    configure(note_hidden_slots="password, iban")
    bot = Bot()
    bot.slots |= {"password": "hunter2", "order_id": "A1001"}
    await talk(bot)
    await bot.call("action_kustomer_handoff")

    (note,) = sandbox.state.notes.values()
    assert "A1001" in note["body"]
    assert "hunter2" not in note["body"]


async def test_resolve_closes_a_chat_once_and_leaves_a_ticket_to_the_human(sandbox: Sandbox) -> None:
    bot = Bot()
    await talk(bot)
    await bot.call("action_kustomer_resolve")
    await bot.call("action_kustomer_resolve")
    await delivered()
    assert ticket(sandbox)["status"] == "done"

    bot.user("no, a human please", "human_handoff")
    await bot.call("action_kustomer_handoff")
    await bot.call("action_kustomer_resolve")
    await delivered()
    assert ticket(sandbox)["status"] == "open"
