"""`rasa-kustomer outbox backup | restore | restored`: what an operator sees, what is refused, what stays as it was."""

import asyncio
import sqlite3
import stat
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from rasa_kustomer.cli import app
from rasa_kustomer.outbox import Kind, NewRecord, Outbox, SessionKey

SESSION = SessionKey("rasa:ann:1000", "ann", 1000)


@pytest.fixture(autouse=True)
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outbox_url: str) -> str:
    """Three turns that wait."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUSTOMER_OUTBOX_URL", outbox_url)
    asyncio.run(record(outbox_url, 1, 2, 3))
    return outbox_url


async def record(url: str, *numbers: int, keep_open: bool = False) -> Outbox:
    outbox = Outbox(url)
    payload = {"direction": "in", "text": "hi", "at_ms": 1, "channel": "chat"}
    await outbox.record(SESSION, {}, [NewRecord(f"key-{n}", Kind.MESSAGE, payload, n) for n in numbers])
    if not keep_open:
        await outbox.close()
    return outbox


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["outbox", *arguments])


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def file_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


sqlite_only = pytest.mark.parametrize("outbox_url", ["sqlite"], indirect=True)
postgres_only = pytest.mark.parametrize("outbox_url", ["postgresql"], indirect=True)


@sqlite_only
def test_a_backup_is_whole_for_its_owner_only_and_never_replaces_a_file(url: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"

    async def while_it_is_open() -> Result:
        outbox = await record(url, 4, keep_open=True)
        done = await asyncio.to_thread(run, "backup", str(copy))
        await outbox.close()
        return done

    assert asyncio.run(while_it_is_open()).exit_code == 0
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert rows(copy, "PRAGMA integrity_check") == [("ok",)]
    assert rows(copy, "SELECT count(*) FROM kustomer_record") == [(4,)], "what stands in the log is part of it"
    before = copy.read_bytes()

    again = run("backup", str(copy))

    assert (again.exit_code, "exists" in again.stderr) == (1, True)
    assert copy.read_bytes() == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["copy.db", "folder"], "nothing half-made is left"


@sqlite_only
def test_a_damaged_outbox_gives_no_backup(url: str, tmp_path: Path) -> None:
    file_of(url).write_bytes(b"rubbish" * 1_000)

    failed = run("backup", str(tmp_path / "copy.db"))

    assert failed.exit_code == 1
    assert [one.name for one in tmp_path.iterdir()] == ["folder"]


@sqlite_only
def test_a_restore_keeps_what_was_there_and_marks_what_may_have_gone_on(url: str, tmp_path: Path) -> None:
    run("backup", str(tmp_path / "copy.db"))
    asyncio.run(record(url, 4, 5))
    began = int(time.time() * 1000)

    done = run("restore", str(tmp_path / "copy.db"), "--yes")

    assert done.exit_code == 0, done.output
    assert "3 pending records are looked up" in done.stdout
    path = file_of(url)
    kept = path.with_name("outbox.db.before-restore-1")
    assert rows(kept, "SELECT count(*) FROM kustomer_record") == [(5,)]
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert rows(path, "SELECT count(*) FROM kustomer_record WHERE unsure AND state = 'pending'") == [(3,)]
    assert rows(path, "SELECT count(*) FROM kustomer_session WHERE creating") == [(1,)]
    [(born,)] = rows(path, "SELECT value FROM kustomer_meta WHERE name = 'born_ms'")
    assert int(born) >= began
    assert "accepted" in run("status").stdout


@sqlite_only
def test_a_restore_onto_a_lost_disk_makes_the_file(url: str, tmp_path: Path) -> None:
    run("backup", str(tmp_path / "copy.db"))
    for file in file_of(url).parent.iterdir():
        file.unlink()
    file_of(url).parent.rmdir()

    assert run("restore", str(tmp_path / "copy.db"), "--yes").exit_code == 0
    assert rows(file_of(url), "SELECT count(*) FROM kustomer_record") == [(3,)]


@sqlite_only
def test_a_restore_replaces_a_damaged_file(url: str, tmp_path: Path) -> None:
    run("backup", str(tmp_path / "copy.db"))
    file_of(url).write_bytes(b"rubbish" * 1_000)

    assert run("restore", str(tmp_path / "copy.db"), "--yes").exit_code == 0
    assert rows(file_of(url), "SELECT count(*) FROM kustomer_record") == [(3,)]
    assert file_of(url).with_name("outbox.db.before-restore-1").read_bytes().startswith(b"rubbish")


@sqlite_only
@pytest.mark.parametrize("what", ["missing", "text", "another database", "newer", "damaged", "itself"])
def test_what_is_no_outbox_of_ours_is_refused_and_nothing_is_changed(url: str, tmp_path: Path, what: str) -> None:
    file = tmp_path / "copy.db"
    if what == "text":
        file.write_text("a,b\n" * 1_000)
    elif what == "another database":
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute("CREATE TABLE kustomer_meta (name, value)")
    elif what == "itself":
        file = file_of(url)
    elif what != "missing":
        run("backup", str(file))
        if what == "newer":
            with closing(sqlite3.connect(file)) as connection, connection:
                connection.execute("UPDATE kustomer_meta SET value = '99' WHERE name = 'schema_version'")
        else:  # a page that nothing reads while copying
            [(page,)] = rows(file, "SELECT rootpage FROM sqlite_master WHERE name = 'kustomer_session_sender'")
            [(size,)] = rows(file, "PRAGMA page_size")
            content = bytearray(file.read_bytes())
            content[(page - 1) * size : page * size] = b"\xff" * size
            file.write_bytes(content)
    before = {one.name: one.read_bytes() for one in file_of(url).parent.iterdir()}

    refused = run("restore", str(file), "--yes")

    assert refused.exit_code == 1
    assert "Nothing was changed" in refused.stderr
    assert {one.name: one.read_bytes() for one in file_of(url).parent.iterdir()} == before


@sqlite_only
def test_an_outbox_in_use_is_not_replaced(url: str, tmp_path: Path) -> None:
    run("backup", str(tmp_path / "copy.db"))

    async def while_it_is_open() -> Result:
        outbox = await record(url, 4, keep_open=True)
        refused = await asyncio.to_thread(run, "restore", str(tmp_path / "copy.db"), "--yes")
        await record(url, 5)
        assert (await outbox.counts()).accepted == 5, "it goes on"
        await outbox.close()
        return refused

    refused = asyncio.run(while_it_is_open())
    assert (refused.exit_code, "stop the action server" in refused.stderr) == (1, True)
    assert run("restore", str(tmp_path / "copy.db"), "--yes").exit_code == 0


@sqlite_only
def test_a_restore_asks_first(url: str, tmp_path: Path) -> None:
    run("backup", str(tmp_path / "copy.db"))
    before = file_of(url).read_bytes()

    asked = CliRunner().invoke(app, ["outbox", "restore", str(tmp_path / "copy.db")], input="n\n")

    assert asked.exit_code == 1
    assert file_of(url).read_bytes() == before


def test_after_a_restore_by_other_means_the_same_is_marked(url: str) -> None:
    done = run("restored", "--yes")

    assert (done.exit_code, "3 pending records are looked up" in done.stdout) == (0, True), done.output

    async def lease() -> tuple[bool, bool]:
        outbox = Outbox(url)
        (lease,) = await outbox.lease(1)
        await outbox.close()
        return lease.creating, all(record.marked for record in lease.records)

    assert asyncio.run(lease()) == (True, True)


@sqlite_only
def test_without_an_outbox_all_three_say_so_and_make_none(url: str, tmp_path: Path) -> None:
    file_of(url).unlink()

    for command in (("backup", "copy.db"), ("restored", "--yes"), ("restore", "copy.db", "--yes")):
        assert run(*command).exit_code == 1
    assert not file_of(url).exists()
    assert not (tmp_path / "copy.db").exists()


@postgres_only
def test_on_postgresql_its_own_tools_are_named_without_the_password(tmp_path: Path) -> None:
    backup, restore = run("backup", "copy.dump"), run("restore", "copy.dump", "--yes")

    assert (backup.exit_code, restore.exit_code) == (1, 1)
    assert "pg_dump --format=custom --table='kustomer_*' --file=copy.dump --host=127.0.0.1" in backup.stderr
    assert "pg_restore" in restore.stderr
    assert "rasa-kustomer outbox restored" in restore.stderr
    assert "password" not in backup.stderr + restore.stderr
    assert list(tmp_path.iterdir()) == []
