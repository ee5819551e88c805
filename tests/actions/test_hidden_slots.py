"""A slot that is to be hidden is shown nowhere, and works all the same."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.actions.bot import Bot

from kustomer_sandbox import Sandbox
from rasa_kustomer.kustomer.client import KustomerClient
from rasa_kustomer.settings import SettingsError, load_settings

PASSWORD, IBAN = "hunter2-xyz", "DE89 3704 0044 0532 0130 00"


async def hand_off(**slots: Any) -> Bot:
    bot = Bot(domain={"forms": {"pay": {"required_slots": ["amount", "cvv"]}}})
    bot.start()
    await bot.turn("hello", "hi")
    bot.user("I want a human", "human_handoff")
    bot.slots |= slots
    await bot.call("action_kustomer_handoff", active_loop={"name": "pay"})
    return bot


def written(sandbox: Sandbox) -> str:
    """Everything that an agent may read."""
    state = sandbox.state
    return json.dumps([*state.notes.values(), *state.conversations.values()], ensure_ascii=False, default=str)


@pytest.mark.parametrize(
    "value",
    [
        '"password,iban"',
        " Password , IBAN ,",
        "password,iban\r\n",
        "\ufeffpassword,\u00a0iban",
        "'PASSWORD, iban'",
        "\uff50assword,iban",
    ],
)
async def test_a_list_is_read_as_it_was_meant(
    sandbox: Sandbox, configure: Callable[..., None], value: str, caplog: pytest.LogCaptureFixture
) -> None:
    configure(note_hidden_slots=value, debug="true")
    await hand_off(password=PASSWORD, iban=IBAN, Plan="gold")

    assert "Plan: gold" in written(sandbox)
    assert PASSWORD not in written(sandbox) + caplog.text
    assert IBAN not in written(sandbox) + caplog.text


@pytest.mark.parametrize(
    "value",
    [
        "password; iban",
        "password iban",
        "password\niban",
        "password\u3001iban",
        "password\uff0ciban",
        "password\u060ciban",
        "password|iban",
        '["password", "iban"]',
        "[password, iban]",
        "{password, iban}",
        '"password","iban"',
        "'password', 'iban'",
        "- password",
        "password, iban; cvv",
        "password,iban # secret",
        "password & iban",
        "*",
        "password\u200biban",
        "slots=password",
        "password/iban",
        "password:iban",
        "password,,;",
    ],
)
def test_what_is_no_list_stops_the_start_in_one_line(configure: Callable[..., None], value: str) -> None:
    configure(note_hidden_slots=value)
    with pytest.raises(SettingsError) as raised:
        load_settings()

    (line,) = raised.value.problems
    assert line.startswith("KUSTOMER_NOTE_HIDDEN_SLOTS: ")


async def test_who_it_is_says_only_that_there_is_something(sandbox: Sandbox, configure: Callable[..., None]) -> None:
    configure(note_hidden_slots="Email,phone,customer_id,name")
    await hand_off(email="ann@example.com", phone="+14155550100", customer_id="C-4711", name="Ann Lee")

    (note,) = sandbox.state.notes.values()
    for secret in ("ann@example.com", "4155550100", "C-4711", "Ann Lee"):
        assert secret not in note["body"]
    for kind in ("a name", "a customer id", "an e-mail address", "a phone number"):
        assert f"{kind} (hidden)" in note["body"]


async def test_a_hidden_address_still_finds_the_customer(sandbox: Sandbox, configure: Callable[..., None]) -> None:
    async with KustomerClient(sandbox.url, sandbox.api_key) as client:
        known = await client.create_customer({"emails": [{"email": "ann.lee@example.com"}]})
    configure(note_hidden_slots="email")
    await hand_off(email="ann.lee@example.com")

    (ticket,) = sandbox.state.conversations.values()
    assert ticket["customer"] == known.id
    assert "ann.lee@example.com" not in written(sandbox)


async def test_the_reason_and_the_subject_hold_no_hidden_value(
    sandbox: Sandbox, configure: Callable[..., None]
) -> None:
    configure(note_hidden_slots="iban,code")
    await hand_off(iban=IBAN, code=4711, kustomer_handoff_reason=f"wrong account {IBAN.lower()}, code 4711")

    assert "wrong account (hidden), code (hidden)" in written(sandbox)
    assert IBAN.lower() not in written(sandbox)


async def test_a_hidden_reason_is_not_shown(sandbox: Sandbox, configure: Callable[..., None]) -> None:
    configure(note_hidden_slots="kustomer_handoff_reason")
    await hand_off(kustomer_handoff_reason="a secret reason")

    assert "secret reason" not in written(sandbox)
    assert "the customer asked for a person" in written(sandbox)


async def test_slots_that_a_form_still_asks_for_are_not_named_when_hidden(
    sandbox: Sandbox, configure: Callable[..., None]
) -> None:
    configure(note_hidden_slots="CVV")
    await hand_off()

    assert "Still missing: amount" in written(sandbox)
    assert "cvv" not in written(sandbox)


async def test_team_and_priority_are_not_quoted_when_hidden(
    sandbox: Sandbox, configure: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    configure(note_hidden_slots="kustomer_team,kustomer_priority")
    await hand_off(kustomer_team="secret team", kustomer_priority="secret priority")

    assert "secret" not in written(sandbox) + caplog.text
    assert "The bot asked for priority (hidden), which does not exist" in written(sandbox)
    assert "The team (hidden) does not exist" in written(sandbox)


async def test_rules_still_look_at_hidden_slots(
    sandbox: Sandbox, configure: Callable[..., None], tmp_path: Path
) -> None:
    configure(note_hidden_slots="plan,kustomer_team")
    (tmp_path / "kustomer_routing.yml").write_text("rules:\n  - when: {slot: {plan: gold}}\n    priority: urgent\n")
    await hand_off(plan="gold", kustomer_team="Support")

    (ticket,) = sandbox.state.conversations.values()
    assert (ticket["priority"], ticket["assignedTeams"]) == (5, [sandbox.team("Support")["id"]])
    assert "gold" not in written(sandbox)
