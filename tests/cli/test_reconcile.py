"""`rasa-kustomer reconcile`: what an operator sees, and the exit code."""

import asyncio
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from kustomer_sandbox import Sandbox
from rasa_kustomer import runtime
from rasa_kustomer.cli import app
from rasa_kustomer.cli.reconcile import parse_since
from rasa_kustomer.outbox import Kind, NewRecord, SessionKey

SESSION = SessionKey("rasa:ann:1000", "ann", 1000)
WHO = {"external_id": None, "email": None, "phone": None, "name": None, "trusted": False}
TEXTS = ("hello", "Hi!", "my order")


@pytest.fixture(autouse=True)
def deployment(threaded_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outbox_url: str) -> None:
    """Three turns that were delivered."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUSTOMER_API_KEY", threaded_sandbox.api_key)
    monkeypatch.setenv("KUSTOMER_BASE_URL", threaded_sandbox.url)
    monkeypatch.setenv("KUSTOMER_OUTBOX_URL", outbox_url)
    monkeypatch.setenv("KUSTOMER_RATE_SHARE", "1")
    deliver(*TEXTS)


def deliver(*texts: str) -> None:
    """As a worker does: until nothing waits."""

    async def work() -> None:
        running = runtime.current()
        new = [
            NewRecord(
                f"{SESSION.key}:{n}", Kind.MESSAGE, {"direction": "in", "text": text, "at_ms": n, "channel": "chat"}, n
            )
            for n, text in enumerate(texts, start=1)
        ]
        if new:
            await running.outbox.record(SESSION, WHO, new)
        for _ in range(2_000):
            if (await running.outbox.counts()).pending == 0:
                break
            await asyncio.sleep(0.01)
        else:
            pytest.fail("it was not delivered in time")
        await runtime.shut_down()

    asyncio.run(work())


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["reconcile", *arguments])


def report(*arguments: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(run("--json", *arguments).stdout)
    return loaded


def lose(sandbox: Sandbox, text: str) -> None:
    (lost,) = [row["id"] for row in sandbox.state.messages.values() if row["preview"] == text]
    sandbox.state.drop("messages", lost)


def test_what_was_lost_is_found_sent_again_and_then_all_is_there(threaded_sandbox: Sandbox) -> None:
    first = run()
    assert (first.exit_code, "100.00 %" in first.stdout) == (0, True)

    lose(threaded_sandbox, "Hi!")
    assert report("--dry-run")["put_back"] == 0
    second = report()
    assert (second["missing"], second["put_back"], second["success_percent"]) == (1, 1, 66.66)
    deliver()

    third = report()
    assert (third["success_percent"], third["checked"], third["out_of_order"]) == (100.0, 3, 0)
    assert [row["preview"] for row in ordered(threaded_sandbox)] == list(TEXTS)


def ordered(sandbox: Sandbox) -> list[dict[str, Any]]:
    return sorted(sandbox.state.messages.values(), key=lambda row: str(row["sentAt"]))


def test_doubled_turns_are_told_and_are_no_failure(threaded_sandbox: Sandbox) -> None:
    row = next(iter(threaded_sandbox.state.messages.values()))
    threaded_sandbox.state.put("messages", {**row, "id": threaded_sandbox.state.new_id()})

    result = run("--json")

    assert (result.exit_code, json.loads(result.stdout)["doubled"]) == (0, 1)


def test_a_second_conversation_is_told_in_the_table_in_json_and_by_its_id(threaded_sandbox: Sandbox) -> None:
    state = threaded_sandbox.state
    mine = next(iter(state.conversations.values()))
    second = state.put("conversations", {**mine, "id": state.new_id()})["id"]
    for row in list(state.messages.values()):
        state.put("messages", {**row, "id": state.new_id(), "conversation": second})

    told = report("--dry-run")
    assert (told["doubled_conversations"], told["doubled_conversation_ids"], told["doubled"]) == (1, [second], 3)
    shown = run("--dry-run").stdout
    assert second in shown
    assert "doubled conversations │ 1" in shown


def test_where_it_cannot_know_of_a_second_conversation_it_says_so_instead_of_a_rate(threaded_sandbox: Sandbox) -> None:
    threaded_sandbox.fail("GET /v1/customers/*/conversations", "status:404", times=None)

    shown = run("--dry-run").stdout

    assert "may have a second one" in shown
    assert "100.00 %" not in shown


def test_it_writes_nothing_to_kustomer_and_shows_no_text(threaded_sandbox: Sandbox) -> None:
    before = len(threaded_sandbox.requests)
    lose(threaded_sandbox, "Hi!")

    shown = run().output

    assert {request.method for request in threaded_sandbox.requests[before:]} == {"GET"}
    assert not [word for word in (*TEXTS, threaded_sandbox.api_key) if word in shown]


@pytest.mark.parametrize("outbox_url", ["sqlite"], indirect=True)
def test_a_missing_role_fails_and_is_named(threaded_sandbox: Sandbox) -> None:
    threaded_sandbox.roles.discard("org.permission.message.read")

    result = run()

    assert result.exit_code == 1
    assert "org.permission.message.read" in result.stderr


@pytest.mark.parametrize("outbox_url", ["sqlite"], indirect=True)
def test_without_a_key_or_an_outbox_it_says_which_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "broken.db").mkdir()
    monkeypatch.setenv("KUSTOMER_OUTBOX_URL", f"sqlite:///{tmp_path}/broken.db")
    unreadable = run()
    assert (unreadable.exit_code, "KUSTOMER_OUTBOX_URL" in unreadable.stderr) == (1, True)

    monkeypatch.delenv("KUSTOMER_API_KEY")
    off = run()
    assert (off.exit_code, "KUSTOMER_API_KEY" in off.stderr) == (1, True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90m", 94_600.0), ("24h", 13_600.0), ("1d", 13_600.0), ("2026-11-20", datetime(2026, 11, 20).timestamp())],
)
@pytest.mark.parametrize("outbox_url", ["sqlite"], indirect=True)
def test_since_is_a_time_span_or_a_day(text: str, expected: float) -> None:
    assert parse_since(text, 100_000.0) == expected


@pytest.mark.parametrize("outbox_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("text", ["", "yesterday", "7", "7w", "-1d", "2026-13-01", "20.11.2026"])
def test_any_other_since_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="--since must be like 24h"):
        parse_since(text, 100_000.0)
