"""What is logged: each thing once, on one line, and nothing that somebody else wrote."""

import logging
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.actions.bot import Bot, delivered

from kustomer_sandbox import Sandbox
from rasa_kustomer import runtime
from rasa_kustomer.kustomer.client import KustomerClient
from rasa_kustomer.kustomer.errors import KustomerError
from rasa_kustomer.log import MAX_REMEMBERED, Once, one_line
from rasa_kustomer.outbox import OutboxUnavailableError

FORGED = "call me on 555-0100, ann@example.com\n2026-11-25 09:00:00 ERROR root  - forged"
PARTS = ("555-0100", "ann@example.com", "forged")


@pytest.fixture
async def deployment(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    for name, value in {"API_KEY": sandbox.api_key, "BASE_URL": sandbox.url, "DEFAULT_TEAM_ID": "Support",
                        "RATE_SHARE": "1", "DEBUG": "true"}.items():  # fmt: skip
        monkeypatch.setenv(f"KUSTOMER_{name}", value)
    yield
    await runtime.shut_down()


@pytest.mark.parametrize("slot", ["kustomer_team", "kustomer_priority", "kustomer_handoff_reason", "name", "email"])
async def test_no_text_of_a_slot_is_in_the_log_at_any_level(
    deployment: None, sandbox: Sandbox, caplog: pytest.LogCaptureFixture, slot: str
) -> None:
    caplog.set_level(logging.DEBUG, logger="rasa_kustomer")
    bot = Bot(sender=FORGED)
    bot.start({"name": FORGED})
    await bot.turn(FORGED, FORGED)
    bot.user("I want a human", f"human\n{FORGED}")
    bot.slots |= {slot: FORGED}
    await bot.call("action_kustomer_handoff")
    await delivered()

    ours = [one.getMessage() for one in caplog.records if one.name.startswith("rasa_kustomer")]
    assert not [line for line in ours if any(part in line for part in PARTS)]
    assert not [line for line in ours if "\n" in line]
    if slot == "kustomer_team":
        (note,) = sandbox.state.notes.values()
        assert "555-0100" in note["body"]
        assert len([line for line in ours if "does not exist in Kustomer" in line]) == 1


@pytest.mark.parametrize(
    "error",
    [
        {"code": "ann 555 0100", "detail": FORGED},
        {"code": "badparam", "source": {"parameter": "ann_lee_555"}, "title": FORGED},
        {"detail": "/ann.lee/555"},
        {"code": FORGED, "source": {"pointer": FORGED}},
    ],
)
@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 409, 422, 429, 500])
async def test_nothing_of_kustomers_answer_is_in_an_error(error: dict[str, Any], status: int) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(status, json={"errors": [error]}))
    async with KustomerClient("https://x.example", "key", transport=transport) as client:
        with pytest.raises(KustomerError) as raised:
            await client.create_customer({"name": "x"})

    assert not [
        word for word in ("ann", "lee", "555", "forged") if word in str(raised.value).lower().split("channel")[0]
    ]


async def test_a_field_that_we_sent_and_a_known_code_are_named() -> None:
    error = {"code": "badparam", "source": {"parameter": "/emails/0/email"}}
    transport = httpx.MockTransport(lambda _: httpx.Response(400, json={"errors": [error]}))
    async with KustomerClient("https://x.example", "key", transport=transport) as client:
        with pytest.raises(KustomerError, match=r"\(badparam\), field emails/0/email"):
            await client.create_customer({"emails": [{"email": "ann@example.com"}]})


def test_what_a_database_says_is_one_line() -> None:
    assert str(OutboxUnavailableError("first\nsecond\x1b[31m")) == "first second [31m"


def test_a_thing_is_said_once_and_what_is_remembered_is_bounded_and_no_text(caplog: pytest.LogCaptureFixture) -> None:
    say = Once(logging.getLogger("rasa_kustomer.test"))
    for _ in range(3):
        say("A sentence.", about=("slot", FORGED))
    say("A sentence.", about="another")
    assert len(caplog.records) == 2

    for number in range(2 * MAX_REMEMBERED):
        say(f"Sentence {number}.")
    assert len(caplog.records) == MAX_REMEMBERED
    assert all(isinstance(one, int) for value in vars(say).values() if isinstance(value, set) for one in value)


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "a\u2028b", "a\x85b", "a\x1b[2Jb", "a\u202eb", "a\udcffb"])
def test_nothing_begins_a_line_or_steers_a_terminal(text: str) -> None:
    assert one_line(text).isprintable()
