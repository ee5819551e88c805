"""An SQLite file that breaks, moves or vanishes under processes that use it: nothing accepted is lost unnoticed."""

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.delivery.breaking import INDEX_OF_WAITING, break_first_page, break_page_of, files_of
from tests.delivery.test_outbox import OTHER, SESSION, WHO, turn

from rasa_kustomer.outbox import Access, Kind, NewRecord, Outbox, OutboxUnavailableError, SessionKey, damage

DEAD_INDEXES = ("kustomer_record_dead", "kustomer_record_dead_of")  # counting reads one of them, recording none


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


@pytest.fixture
async def two(path: Path) -> AsyncIterator[tuple[Outbox, Outbox]]:
    """A server and a worker, each with the file open and ann's session in it."""
    both = Outbox(f"sqlite:///{path}"), Outbox(f"sqlite:///{path}")
    for number in range(40):
        await both[0].record(SESSION, WHO, [turn(number)])
    assert (await both[1].counts()).pending == 40
    yield both
    for box in both:
        await box.close()


async def keys_at(path: Path) -> list[str]:
    """What somebody who starts now finds."""
    box = Outbox(f"sqlite:///{path}", access=Access.LOOK)
    keys = [one["key"] for one in await box.maintenance.entries(limit=1_000)]
    await box.close()
    return keys


def asides(path: Path) -> list[str]:
    return sorted(name for name in files_of(path) if "damaged" in name)


async def test_a_turn_that_meets_damage_is_in_the_new_file_and_one_damage_makes_one_file_aside(
    path: Path, two: tuple[Outbox, Outbox], caplog: pytest.LogCaptureFixture
) -> None:
    """E1, first way: the first page is rubbish."""
    server, worker = two
    break_first_page(path)

    assert await server.record(OTHER, WHO, [turn(1, OTHER)]) == 1
    assert await server.record(OTHER, WHO, [turn(2, OTHER)]) == 1
    assert (await worker.counts()).accepted == 2
    assert await server.record(OTHER, WHO, [turn(3, OTHER)]) == 1
    assert await worker.record(OTHER, WHO, [turn(4, OTHER)]) == 1

    assert await keys_at(path) == [turn(number, OTHER).key for number in (1, 2, 3, 4)]
    [lease] = await worker.lease(8)
    assert len(lease.records) == 4
    assert asides(path) == ["outbox.db.damaged-1"]
    [line] = [one.getMessage() for one in caplog.records if one.levelname == "ERROR"]
    assert damage.GUIDE in line
    page, _, section = damage.GUIDE.partition(", ")
    assert f"## {section}" in (Path(__file__).parents[2] / page).read_text(encoding="utf-8")


async def test_who_only_looks_reports_damage_and_changes_nothing(path: Path, two: tuple[Outbox, Outbox]) -> None:
    """E1, second way: an index that recording does not touch; who records goes on, and nothing goes astray."""
    server, _ = two
    break_page_of(path, *DEAD_INDEXES)
    before = files_of(path)
    for access in (Access.LOOK, Access.CHANGE):
        operator = Outbox(f"sqlite:///{path}", access=access)
        with pytest.raises(OutboxUnavailableError, match="damaged"):
            await operator.maintenance.retry() if access is Access.CHANGE else await operator.counts()
        await operator.close()
    assert files_of(path) == before

    for number in (41, 42, 43):
        assert await server.record(SESSION, WHO, [turn(number)]) == 1
    assert (await keys_at(path))[-3:] == [turn(number).key for number in (41, 42, 43)]

    assert (await server.counts()).accepted == 0, "who delivers begins anew"
    assert asides(path) == ["outbox.db.damaged-1"]
    assert await server.record(SESSION, WHO, [turn(43), turn(44)]) == 2


async def test_damage_that_only_delivery_meets_is_mended_there(path: Path, two: tuple[Outbox, Outbox]) -> None:
    _, worker = two
    break_page_of(path, INDEX_OF_WAITING)

    assert await worker.lease(8) == []

    assert asides(path) == ["outbox.db.damaged-1"]
    assert await worker.record(SESSION, WHO, [turn(1)]) == 1
    assert len(await worker.lease(8)) == 1


async def test_damage_that_only_recording_meets_is_mended_there(path: Path, two: tuple[Outbox, Outbox]) -> None:
    server, _ = two
    break_page_of(path, "kustomer_record")

    assert await server.record(SESSION, WHO, [turn(50)]) == 1

    assert await keys_at(path) == [turn(50).key]


async def test_processes_that_meet_damage_at_the_same_time_set_one_file_aside(
    path: Path, two: tuple[Outbox, Outbox]
) -> None:
    more = [Outbox(f"sqlite:///{path}") for _ in range(3)]
    for box in more:
        await box.counts()
    break_first_page(path)

    everybody = [*two, *more]
    sessions = [SessionKey(f"rasa:u{number}:1", f"u{number}", 1) for number in range(len(everybody))]
    added = await asyncio.gather(
        *(box.record(one, WHO, [turn(1, one)]) for box, one in zip(everybody, sessions, strict=True)),
        return_exceptions=True,
    )
    kept = [one for one, count in zip(sessions, added, strict=True) if isinstance(count, OutboxUnavailableError)]
    await asyncio.gather(*(box.counts() for box in everybody))
    for one in kept:  # the machine was too busy for a second; whoever keeps them tries again
        await everybody[0].record(one, WHO, [turn(1, one)])

    assert asides(path) == ["outbox.db.damaged-1"]
    assert sorted(await keys_at(path)) == sorted(turn(1, one).key for one in sessions)
    for box in more:
        await box.close()


async def test_a_sound_file_is_never_set_aside_because_of_an_earlier_one(
    path: Path, two: tuple[Outbox, Outbox]
) -> None:
    """A process that stood still since before the damage finds a sound file in its place."""
    server, sleeper = two
    break_first_page(path)
    await server.record(OTHER, WHO, [turn(1, OTHER)])
    healthy = damage.identity(path)

    assert await sleeper.record(OTHER, WHO, [turn(2, OTHER)]) == 1
    assert [lease.key for lease in await sleeper.lease(8)] == [OTHER.key]

    assert damage.identity(path) == healthy
    assert asides(path) == ["outbox.db.damaged-1"]


async def test_a_file_that_is_being_replaced_by_somebody_is_left_to_them(
    path: Path, two: tuple[Outbox, Outbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process at a time; the turn is kept by whoever wants to record it, and recorded when that is over."""
    monkeypatch.setattr(damage, "LOCK_SECONDS", 0.02)
    server, _ = two
    break_first_page(path)
    other = os.open(path.parent, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)

    with pytest.raises(OutboxUnavailableError, match="another process"):
        await server.record(OTHER, WHO, [turn(1, OTHER)])
    assert asides(path) == []

    os.close(other)  # as when it is killed
    assert await server.record(OTHER, WHO, [turn(1, OTHER)]) == 1
    assert asides(path) == ["outbox.db.damaged-1"]


@pytest.mark.parametrize("gone", ["moved", "moved without its log", "deleted"])
async def test_a_file_that_is_moved_or_deleted_by_hand_is_noticed_before_anything_is_accepted(
    path: Path, two: tuple[Outbox, Outbox], gone: str
) -> None:
    server, worker = two
    elsewhere = path.parent / "elsewhere"
    elsewhere.mkdir()
    for file in path.parent.glob("outbox.db*"):
        if gone == "deleted":
            file.unlink()
        elif gone == "moved" or file == path:
            file.rename(elsewhere / file.name)

    assert await server.record(OTHER, WHO, [turn(1, OTHER)]) == 1
    assert [lease.key for lease in await worker.lease(8)] == [OTHER.key]

    assert await keys_at(path) == [turn(1, OTHER).key]
    if gone == "moved without its log":
        for suffix in ("-wal", "-shm"):  # as the guide says
            (path.parent / f"outbox.db.damaged-1{suffix}").rename(elsewhere / f"outbox.db{suffix}")
    if gone != "deleted":
        assert len(await keys_at(elsewhere / "outbox.db")) == 40, "the latest turns were in the log"


async def test_a_replaced_file_takes_its_log_along(path: Path, two: tuple[Outbox, Outbox]) -> None:
    """What was accepted last is in the log, and the log is of that file only."""
    server, _ = two
    break_page_of(path, *DEAD_INDEXES)
    await server.record(SESSION, WHO, [turn(50)])

    await server.counts()

    aside = sqlite3.connect(path.with_name("outbox.db.damaged-1"))
    assert aside.execute("SELECT count(*) FROM kustomer_record NOT INDEXED").fetchone() == (41,)
    aside.close()
    assert await keys_at(path) == []


async def test_a_disk_that_is_full_when_a_file_was_set_aside_costs_no_second_file(
    path: Path, two: tuple[Outbox, Outbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, worker = two
    break_first_page(path)

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as disk:
        disk.setattr("rasa_kustomer.outbox.sqlite.prepare", full)
        for box in (server, worker, server):
            with pytest.raises(OutboxUnavailableError, match="full"):
                await box.record(OTHER, WHO, [turn(1, OTHER)])

    assert await server.record(OTHER, WHO, [turn(1, OTHER)]) == 1
    assert await worker.record(OTHER, WHO, [turn(2, OTHER)]) == 1
    assert asides(path) == ["outbox.db.damaged-1"]
    assert await keys_at(path) == [turn(1, OTHER).key, turn(2, OTHER).key]


@pytest.mark.parametrize(
    "record",
    [
        NewRecord("half a pair \ud800", Kind.MESSAGE, {"direction": "in", "text": "secret", "at_ms": 1}, 1),
        NewRecord("key", Kind.MESSAGE, {"direction": "in", "text": "secret", "at_ms": 1}, 1),
    ],
)
async def test_no_error_of_the_driver_leaves_the_outbox(outbox_url: str, record: NewRecord) -> None:
    """Values that no database takes are refused in our own words, which quote nothing."""
    box = Outbox(outbox_url)
    session = SESSION if "half" in record.key else SessionKey("rasa:ann:1", "ann", 2**70)

    with pytest.raises(OutboxUnavailableError) as raised:
        await box.record(session, WHO, [record])

    assert "secret" not in str(raised.value)
    assert await box.record(OTHER, WHO, [turn(1, OTHER)]) == 1
    await box.close()


async def test_looking_at_a_closed_outbox_makes_no_file(path: Path) -> None:
    box = Outbox(f"sqlite:///{path}")
    await box.record(SESSION, WHO, [turn(1)])
    await box.close()
    before = {one.name for one in path.parent.iterdir()}

    assert await keys_at(path) == [turn(1).key]

    assert {one.name for one in path.parent.iterdir()} == before == {"outbox.db"}


async def test_looking_sees_what_is_recorded_meanwhile(path: Path) -> None:
    """Also when it began while nobody wrote."""
    box = Outbox(f"sqlite:///{path}")
    await box.record(SESSION, WHO, [turn(1)])
    await box.close()
    looks = Outbox(f"sqlite:///{path}", access=Access.LOOK)
    assert (await looks.counts()).accepted == 1

    await box.record(SESSION, WHO, [turn(2)])
    assert (await looks.counts()).accepted == 2
    await looks.close()
    await box.close()
