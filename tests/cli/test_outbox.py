"""`rasa-kustomer outbox`: what an operator sees and can do."""

import asyncio
import json
from pathlib import Path

import pytest
from tests.delivery.breaking import break_first_page, files_of
from typer.testing import CliRunner, Result

from kustomer_sandbox import Sandbox
from rasa_kustomer.cli import app
from rasa_kustomer.cli import outbox as commands
from rasa_kustomer.outbox import Kind, NewRecord, Outbox, SessionKey

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
        (lease,) = await outbox.lease(1)
        await outbox.delivered(lease, lease.records[0], kustomer_id="m1", sent_ms=1)
        await outbox.dead(lease, lease.records[1], "the preview is refused")
        await outbox.release(lease)
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

    assert "1 records requeued" in run("retry", "--all").stdout

    assert (status()["dead"], status()["pending"]) == (0, 2)


def test_export_writes_every_record_once_and_never_over_a_file(tmp_path: Path) -> None:
    file = tmp_path / "export.jsonl"

    assert run("export", str(file)).exit_code == 0
    assert file.stat().st_mode & 0o077 == 0
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


def test_list_can_be_limited_to_a_kind() -> None:
    assert len(json.loads(run("list", "--kind", "message", "--json").stdout)) == 3
    assert json.loads(run("list", "--kind", "note", "--json").stdout) == []
    assert run("list", "--kind", "letter").exit_code == 2


def test_purging_what_is_dead_asks_first_and_says_that_kustomer_never_got_it() -> None:
    asked = CliRunner().invoke(app, ["outbox", "purge", "--older-than-days", "0", "--dead"], input="n\n")

    assert asked.exit_code == 1
    assert "Kustomer never got them" in asked.stdout
    assert status()["dead"] == 1


def test_retrying_all_does_so_once_for_each_and_ends_waiting_times_also_when_nothing_is_dead() -> None:
    assert "1 records requeued" in run("retry", "--all").stdout
    assert "0 records requeued" in run("retry", "--all").stdout
    assert (status()["pending"], status()["balanced"]) == (2, True)


def test_books_that_do_not_balance_are_an_error_that_names_the_usual_reason(outbox_url: str) -> None:
    async def lose() -> None:
        outbox = Outbox(outbox_url)
        await outbox.database.run(lambda c: c.change("DELETE FROM kustomer_record WHERE key = 'key-3'"))
        await outbox.close()

    asyncio.run(lose())
    result = run("status")

    assert result.exit_code == 1
    assert "After the rescue of a damaged file this can happen" in " ".join(result.stdout.split())


@pytest.mark.parametrize("outbox_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "command",
    [
        ["outbox", "status"],
        ["outbox", "list"],
        ["outbox", "show", "1"],
        ["outbox", "export", "exported.jsonl"],
        ["outbox", "retry", "--all"],
        ["outbox", "purge", "--yes"],
        ["check"],
        ["reconcile"],
        ["reconcile", "--dry-run"],
    ],
    ids=" ".join,
)
def test_a_command_reports_a_damaged_file_and_neither_renames_nor_makes_one(
    threaded_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: list[str]
) -> None:
    monkeypatch.setenv("KUSTOMER_API_KEY", threaded_sandbox.api_key)
    monkeypatch.setenv("KUSTOMER_BASE_URL", threaded_sandbox.url)
    path = tmp_path / "folder" / "outbox.db"
    break_first_page(path)
    before = files_of(path)

    result = CliRunner().invoke(app, command)

    assert result.exit_code == 1
    assert "file is damaged" in " ".join(result.output.split())
    assert files_of(path) == before == {"outbox.db"}


def test_retry_names_what_it_puts_back() -> None:
    """The number may mean another record than the one that was seen before a purge."""
    assert "key-2" in " ".join(run("retry", "2").stdout.split())


def test_where_there_is_much_a_terminal_gets_a_progress_bar(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    quiet = run("export", str(tmp_path / "quiet.jsonl"))
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setattr(commands, "MUCH", 1)
    shown = run("export", str(tmp_path / "shown.jsonl"))

    assert "exporting" not in quiet.stderr
    assert "exporting" in shown.stderr
    assert (quiet.exit_code, shown.exit_code) == (0, 0)
