"""What a handoff says when the outbox fails half way: an accepted one comes, and its reference is told."""

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.actions.bot import Bot, delivered
from tests.actions.test_handoff import talk, ticket

from kustomer_sandbox import Sandbox
from rasa_kustomer import runtime
from rasa_kustomer.outbox import Outbox, OutboxUnavailableError, OutcomeUnknownError

Method = Callable[..., Any]
DOWN, ODD = OutboxUnavailableError("the server is gone"), ValueError("a text of the customer")


class Failing:
    """A method of the outbox that fails in some of its calls, before or after it did its work."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        self._real: Method = getattr(Outbox, name)
        self.before: Exception | None = None
        self.after: Exception | None = None
        self.skip = 0

        async def method(outbox: Outbox, *args: Any, **options: Any) -> Any:
            return await self._call(outbox, *args, **options)

        monkeypatch.setattr(Outbox, name, method)

    async def _call(self, *args: Any, **options: Any) -> Any:
        self.skip -= 1
        if self.before and self.skip < 0:
            raise self.before
        result = await self._real(*args, **options)
        if self.after and options.get("escalate"):
            raise self.after
        return result


@pytest.mark.parametrize("error", [DOWN, ODD], ids=["unavailable", "surprise"])
@pytest.mark.parametrize(("name", "skip"), [("session_state", 1), ("wait_until_settled", 0)])
async def test_after_it_is_accepted_no_failure_takes_the_reference_away(  # noqa: PLR0917 - fixtures and a table
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    name: str,
    skip: int,
    error: Exception,
) -> None:
    bot = Bot()
    await talk(bot)
    await bot.call("action_listen")
    reading = Failing(monkeypatch, name)
    reading.before, reading.skip = error, skip
    await bot.call("action_kustomer_handoff")

    assert bot.slots["kustomer_handoff_status"] in {"created", "queued"}
    assert bot.slots["kustomer_ticket"] in bot.said[-1]["text"]
    assert "a text of the customer" not in caplog.text
    await delivered()
    assert bot.slots["kustomer_ticket"] in ticket(sandbox)["name"]

    reading.before = None
    bot.user("a human, please", "human_handoff")
    await bot.call("action_kustomer_handoff")
    assert bot.slots["kustomer_handoff_status"] == "created"
    assert len(sandbox.state.conversations) == len(sandbox.state.notes) == 1


async def test_a_handoff_that_was_not_accepted_in_time_does_not_come_late(sandbox: Sandbox, tmp_path: Path) -> None:
    bot = Bot()
    await talk(bot)
    await bot.call("action_listen")
    await delivered()
    await runtime.current().delivery.worker.stop()
    blocker = sqlite3.connect(tmp_path / ".kustomer" / "outbox.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    await bot.call("action_kustomer_handoff")
    blocker.execute("ROLLBACK")
    blocker.close()

    assert (bot.slots["kustomer_handoff_status"], bot.slots["kustomer_ticket"]) == ("failed", None)
    assert "cannot reach" in bot.said[-1]["text"]
    other = Bot("bob")  # what is written now is written behind all that still waited
    await talk(other)
    await other.call("action_listen")
    assert await runtime.current().outbox.tickets("ann") == []

    await runtime.shut_down()
    bot.user("please!", "human_handoff")
    await bot.call("action_kustomer_handoff")
    assert bot.slots["kustomer_handoff_status"] == "created"
    assert len(sandbox.state.notes) == 1


async def test_an_answer_that_was_lost_is_looked_up_before_anything_is_said(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit succeeds, and the caller hears the opposite: a time limit, or a connection that ends just then."""
    writing = Failing(monkeypatch, "record")
    writing.after = OutcomeUnknownError("the database did not answer in time")
    bot = Bot()
    await talk(bot)
    await bot.call("action_kustomer_handoff")

    assert bot.slots["kustomer_handoff_status"] == "created"
    assert bot.slots["kustomer_ticket"] in ticket(sandbox)["name"]


async def test_a_handoff_that_is_surely_not_there_is_not_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    bot = Bot()
    await talk(bot)
    await bot.call("action_listen")
    writing = Failing(monkeypatch, "record")
    writing.before = OutcomeUnknownError("the database did not answer in time")
    await bot.call("action_kustomer_handoff")

    assert bot.slots["kustomer_handoff_status"] == "failed"
    assert await runtime.current().outbox.tickets("ann") == []


async def test_a_handoff_of_which_nothing_is_known_is_tried_until_it_is_there(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, configure: Callable[..., None]
) -> None:
    configure(handoff_wait_seconds="0")
    monkeypatch.setattr("rasa_kustomer.plugin.RETRY_SECONDS", 0.01)
    bot = Bot()
    await talk(bot)
    await bot.call("action_listen")
    writing, looking = Failing(monkeypatch, "record"), Failing(monkeypatch, "record_state")
    writing.before, looking.before, looking.skip = OutcomeUnknownError("connection lost"), DOWN, 1
    await bot.call("action_kustomer_handoff")
    assert bot.slots["kustomer_handoff_status"] == "queued"

    writing.before = looking.before = None
    (trying,) = runtime.current().background.tasks
    await asyncio.wait_for(trying, 120)
    await delivered()
    assert bot.slots["kustomer_ticket"] in ticket(sandbox)["name"]
    assert len(sandbox.state.notes) == 1


@pytest.mark.parametrize(
    "error", [DOWN, pytest.param(ODD, marks=pytest.mark.swallows)], ids=["unavailable", "surprise"]
)
async def test_who_asks_again_while_nothing_can_be_recorded_keeps_the_reference(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    bot = Bot()
    await talk(bot)
    await bot.call("action_kustomer_handoff")
    reference = bot.slots["kustomer_ticket"]
    Failing(monkeypatch, "record_state").before = error
    bot.user("a human!", "human_handoff")
    await bot.call("action_kustomer_handoff")

    assert (bot.slots["kustomer_handoff_status"], bot.slots["kustomer_ticket"]) == ("created", reference)
    assert reference in bot.said[-1]["text"]


@pytest.mark.parametrize("sync", ["true", "false"])
async def test_a_tracker_without_a_session_start_opens_one_ticket_however_often_it_asks(
    sandbox: Sandbox, configure: Callable[..., None], sync: str
) -> None:
    configure(enable_sync=sync)
    bot = Bot()
    for _ in range(3):
        bot.user("human", "human_handoff")
        await bot.call("action_kustomer_handoff")

    assert len(sandbox.state.conversations) == len(sandbox.state.notes) == 1


async def test_turns_that_a_handoff_could_not_record_are_kept(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rasa_kustomer.recorder.RETRY_SECONDS", 0.01)
    bot = Bot()
    await talk(bot)
    recording = Failing(monkeypatch, "record")
    recording.before = DOWN
    await bot.call("action_kustomer_handoff")
    assert bot.slots["kustomer_handoff_status"] == "failed"

    recording.before = None
    await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == "kustomer_unrecorded"))
    await delivered()
    texts = [row["preview"] for row in sandbox.state.messages.values()]
    assert texts == ["hello", "hi", "my parcel arrived broken", "oh no", "I want a human"]


async def test_identify_asks_kustomer_also_when_the_move_cannot_be_recorded_and_moves_it_later(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, configure: Callable[..., None]
) -> None:
    configure(session_wait_seconds="20")
    monkeypatch.setattr("rasa_kustomer.plugin.RETRY_SECONDS", 0.01)
    bot = Bot()
    bot.start()
    await bot.turn("hello", "your address?")
    await delivered()
    bot.user("ann@example.com")
    await bot.call("action_listen")
    bot.slots["email"] = "ann@example.com"
    recording = Failing(monkeypatch, "record")
    recording.before = DOWN
    await bot.call("action_kustomer_identify")
    assert bot.slots["kustomer_customer_id"] is not None

    recording.before = None
    await asyncio.wait_for(asyncio.gather(*runtime.current().background.tasks), 120)
    await delivered()
    assert ticket(sandbox)["customer"] == bot.slots["kustomer_customer_id"]
