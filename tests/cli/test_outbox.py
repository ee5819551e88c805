"""`rasa-kustomer outbox`: what an operator sees and can do."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rasa_kustomer.cli import app
from rasa_kustomer.delivery.outbox import Kind, NewRecord, Outbox, SessionKey

SESSION = SessionKey("rasa:ann:1000", "ann", 1000)


@pytest.fixture(autouse=True)
def outbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outbox_url: str) -> None:
    """One delivered, one dead and one pending record."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUSTOMER_OUTBOX_URL", outbox_url)

    async def fill() -> None:
        outbox = Outbox(outbox_url)
        texts = [
            NewRecord(f"key-{n}", Kind.MESSAGE, {"direction": "in", "text": f"text {n}", "at_ms": n}, n)
            for n in (1, 2, 3)
        ]
        await outbox.record(SESSION, {}, texts)
        (claim,) = await outbox.claim(1)
        await outbox.delivered(claim, claim.records[0], kustomer_id="m1", sent_ms=1)
        await outbox.dead(claim, claim.records[1], "the preview is refused")
        await outbox.release(claim)
        await outbox.close()

    asyncio.run(fill())


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["outbox", *arguments])


def status() -> dict[str, object]:
    loaded: dict[str, object] = json.loads(run("status", "--json").stdout)
    return loaded


def test_status_balances() -> None:
    found = status()

    assert {name: found[name] for name in ("accepted", "delivered", "pending", "dead", "balanced")} == {
        "accepted": 3,
        "delivered": 1,
        "pending": 1,
        "dead": 1,
        "balanced": True,
    }
    assert "list --dead" in run("status").stdout


def test_dead_records_are_listed_with_the_reason_and_without_the_text() -> None:
    listed = json.loads(run("list", "--dead", "--json").stdout)

    assert [(one["key"], one["reason"]) for one in listed] == [("key-2", "the preview is refused")]
    assert "text 2" not in run("list", "--dead").stdout


def test_show_tells_everything_of_one_record() -> None:
    (dead,) = json.loads(run("list", "--dead", "--json").stdout)

    shown = json.loads(run("show", str(dead["id"])).stdout)

    assert shown["payload"]["text"] == "text 2"
    assert run("show", "999").exit_code == 1


def test_retry_puts_dead_records_back_in_line() -> None:
    assert run("retry").exit_code == 2, "which ones must be said"

    assert "1 records wait again" in run("retry", "--all").stdout

    assert (status()["dead"], status()["pending"]) == (0, 2)


def test_export_writes_every_record_once_and_never_over_a_file(tmp_path: Path) -> None:
    file = tmp_path / "export.jsonl"

    assert run("export", str(file)).exit_code == 0
    assert [json.loads(line)["key"] for line in file.read_text().splitlines()] == ["key-1", "key-2", "key-3"]
    assert run("export", str(file)).exit_code == 1


def test_purge_deletes_settled_records_only_and_the_books_still_balance() -> None:
    assert "1 delivered records deleted" in run("purge", "--older-than-days", "0", "--yes").stdout
    found = status()
    assert (found["accepted"], found["delivered"], found["pending"], found["dead"]) == (3, 1, 1, 1)

    assert "1 dead records deleted" in run("purge", "--older-than-days", "0", "--dead", "--yes").stdout
    found = status()
    assert (found["pending"], found["dead"], found["balanced"]) == (1, 0, True)


@pytest.mark.parametrize("outbox_url", ["sqlite"], indirect=True)
def test_without_an_outbox_it_says_that_there_is_none_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    monkeypatch.delenv("KUSTOMER_OUTBOX_URL")

    result = run("status")

    assert (result.exit_code, "no outbox yet" in result.stdout) == (0, True)
    assert list(empty.iterdir()) == []


def test_a_malformed_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUSTOMER_OUTBOX_URL", "outbox.db")

    result = run("status")

    assert result.exit_code == 1
    assert "KUSTOMER_OUTBOX_URL" in result.stderr
