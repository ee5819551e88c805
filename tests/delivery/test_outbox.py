"""The outbox: accepts once, leases to one, settles for good, and its books balance."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.delivery.office import begin
from tests.helpers import Clock

from rasa_kustomer.outbox import (
    DEAD,
    DELIVERED,
    LEASE_SECONDS,
    PENDING,
    Attempt,
    Kind,
    NewRecord,
    Outbox,
    OutboxUnavailableError,
    Outcome,
    PastUnknownError,
    Recorded,
    SessionKey,
)

SESSION = SessionKey("rasa:ann:1000", "ann", 1000)
OTHER = SessionKey("rasa:bob:2000", "bob", 2000)
WHO = {"external_id": None, "email": None, "phone": None, "name": None, "trusted": False}


def turn(number: int, session: SessionKey = SESSION) -> NewRecord:
    at_ms = session.started_ms + number
    return NewRecord(
        f"{session.key}:{number}", Kind.MESSAGE, {"direction": "in", "text": f"{number}", "at_ms": at_ms}, at_ms
    )


async def limit_pages(outbox: Outbox, pages: int) -> None:
    await outbox.database.run(lambda c: c.rows(f"PRAGMA max_page_count={pages}"))


@pytest.fixture
def clock() -> Clock:
    return Clock(1_700_000_000.0)


@pytest.fixture
async def outbox(outbox_url: str, clock: Clock) -> AsyncIterator[Outbox]:
    begin(outbox_url, -86_400.0)
    outbox = Outbox(outbox_url, now=clock)
    await outbox.counts()  # connects, with more time than a turn may take
    yield outbox
    assert (await outbox.counts()).balanced, "accepted = delivered + pending + dead after every test"
    await outbox.close()


async def test_a_turn_is_accepted_once_however_often_it_is_seen(outbox: Outbox) -> None:
    assert await outbox.record(SESSION, WHO, [turn(1), turn(2)]) == 2
    assert await outbox.record(SESSION, WHO, [turn(1), turn(2), turn(3)]) == 1

    counts = await outbox.counts()
    assert (counts.accepted, counts.pending) == (3, 3)


async def test_parallel_recordings_of_the_same_turns_accept_each_once(outbox_url: str) -> None:
    """Two outboxes on one database stand for two processes."""
    first, second = Outbox(outbox_url), Outbox(outbox_url)
    turns = [turn(number) for number in range(6)]  # few: each has one second, also on a busy machine

    added = await asyncio.gather(
        *(box.record(SESSION, WHO, turns[: n + 1]) for n in range(6) for box in (first, second))
    )

    assert sum(added) == 6
    counts = await first.counts()
    assert (counts.accepted, counts.pending, counts.balanced) == (6, 6, True)
    await first.close()
    await second.close()


async def test_a_sender_of_any_text_is_recorded_and_found_again(outbox: Outbox) -> None:
    """NUL and lone surrogates are texts in Python; no database takes both."""
    odd = SessionKey("rasa:odd:1", "nul \x00 and half a pair \ud800", 1)

    assert await outbox.record(odd, WHO, [turn(1, odd)], escalate=True) == 1

    found = await outbox.latest_session(odd.sender_id)
    assert found is not None
    assert found.key == odd.key
    assert [ticket["key"] for ticket in await outbox.tickets(odd.sender_id)] == [odd.key]


async def test_records_come_back_in_the_order_of_recording(outbox: Outbox) -> None:
    await outbox.record(SESSION, WHO, [turn(3), turn(1)])
    await outbox.record(SESSION, WHO, [turn(2)])

    (lease,) = await outbox.lease(8)

    assert [record.payload["text"] for record in lease.records] == ["3", "1", "2"]


async def test_a_session_is_leased_to_one_worker_until_it_is_released(outbox_url: str, clock: Clock) -> None:
    first, second = Outbox(outbox_url, now=clock), Outbox(outbox_url, now=clock)
    await first.record(SESSION, WHO, [turn(1)])

    (lease,) = await first.lease(8)
    assert await second.lease(8) == []

    await first.release(lease)
    assert len(await second.lease(8)) == 1
    await first.close()
    await second.close()


async def test_a_lease_is_kept_only_while_its_session_is_at_hand(tmp_path: Path, clock: Clock) -> None:
    """A session that could not be given back, because the database was away, is not kept from others for ever."""
    url = f"sqlite:///{tmp_path}/outbox.db"
    first, second = Outbox(url, now=clock), Outbox(url, now=clock)
    await first.record(SESSION, WHO, [turn(1)])
    await first.record(OTHER, WHO, [turn(2)])
    forgotten, kept = await first.lease(8)
    clock.now += LEASE_SECONDS - 1
    await first.heartbeat([kept.id])
    clock.now += 2

    assert [lease.id for lease in await second.lease(8)] == [forgotten.id]
    await first.close()
    await second.close()


async def test_a_clock_that_is_set_back_holds_nothing_up(outbox: Outbox, clock: Clock) -> None:
    await outbox.record(SESSION, WHO, [turn(1)])
    (lease,) = await outbox.lease(8)
    await outbox.defer(lease.records[0], seconds=300, reason="a role is missing")
    await outbox.release(lease, wait_seconds=60)
    assert await outbox.lease(8) == []

    clock.now -= 3 * 3_600
    (again,) = await outbox.lease(8)
    assert [record.key for record in again.records] == [turn(1).key]


async def test_a_worker_that_stood_still_does_not_take_its_own_session_twice(outbox: Outbox, clock: Clock) -> None:
    await outbox.record(SESSION, WHO, [turn(1)])
    (lease,) = await outbox.lease(8)
    clock.now += LEASE_SECONDS + 1

    assert await outbox.lease(8, but_not=[lease.key]) == []
    assert await outbox.begin(lease, lease.records[0]), "nobody else has it, so it goes on"


async def test_a_lease_that_runs_out_goes_to_another_worker_and_the_first_may_not_send(
    tmp_path: Path, clock: Clock
) -> None:
    url = f"sqlite:///{tmp_path}/outbox.db"
    first, second = Outbox(url, now=clock), Outbox(url, now=clock)
    await first.record(SESSION, WHO, [turn(1)])
    (stale,) = await first.lease(8)

    clock.now += 10
    await first.heartbeat([stale.id])
    clock.now += 10
    assert await second.lease(8) == [], "the heartbeat kept the lease"

    clock.now += 10
    (taken,) = await second.lease(8)
    assert not await first.begin(stale, stale.records[0])
    assert await second.begin(taken, taken.records[0])
    await first.close()
    await second.close()


@pytest.mark.parametrize("in_a_job", [False, True])
async def test_a_late_answer_does_not_turn_the_last_sent_time_back(
    outbox: Outbox, outbox_url: str, clock: Clock, in_a_job: bool
) -> None:
    """The lease ran out while the request was under way; another process has looked the turn up and gone on."""
    await outbox.record(SESSION, WHO, [turn(number) for number in range(3)])
    (stalled,) = await outbox.lease(8)
    await outbox.release(stalled)  # as if it had run out; on PostgreSQL the server's clock decides that
    other = Outbox(outbox_url, now=clock)
    (lease,) = await other.lease(8)
    for record, sent_ms in zip(lease.records[:2], (5_000, 5_001), strict=True):
        await other.delivered(lease, record, kustomer_id="m", sent_ms=sent_ms)
    await other.release(lease)

    late = stalled.records[0]
    if in_a_job:
        await outbox.bulk.delivered([Outcome(Attempt(stalled.id, late, 5_000), "m")])
    else:
        await outbox.delivered(stalled, late, kustomer_id="m", sent_ms=5_000)

    (again,) = await other.lease(8)
    assert again.last_sent_ms == 5_001, "the third turn comes after the second"
    await other.close()


async def test_workers_that_claim_at_the_same_time_share_the_sessions(outbox_url: str) -> None:
    first, second = Outbox(outbox_url), Outbox(outbox_url)
    for number in range(30):
        session = SessionKey(f"rasa:u{number}:1", f"u{number}", 1)
        await first.record(session, WHO, [turn(1, session)])

    leases = await asyncio.gather(*(box.lease(5) for _ in range(8) for box in (first, second)))
    keys = [lease.key for found in leases for lease in found]
    while leases := [await box.lease(5) for box in (first, second)]:
        if not any(leases):
            break
        keys += [lease.key for found in leases for lease in found]

    assert len(keys) == len(set(keys)) == 30
    await first.close()
    await second.close()


async def test_the_leases_of_a_killed_process_of_this_host_are_free_at_once(tmp_path: Path, clock: Clock) -> None:
    """Same host, a process id that is gone."""
    url = f"sqlite:///{tmp_path}/outbox.db"
    killed, restarted = Outbox(url, now=clock), Outbox(url, now=clock)
    host = killed.owner.rsplit("/", 2)[0]
    killed.owner = f"{host}/4194305/deadbeef"  # above the largest process id that Linux gives out
    await killed.record(SESSION, WHO, [turn(1)])
    assert len(await killed.lease(8)) == 1

    await restarted.free_dead_owners()

    assert len(await restarted.lease(8)) == 1
    await killed.close()
    await restarted.close()


async def test_the_leases_of_processes_on_other_hosts_are_theirs_until_they_run_out(
    tmp_path: Path, clock: Clock
) -> None:
    """A process id that is gone here says nothing about another host, whose processes may share the file."""
    url = f"sqlite:///{tmp_path}/outbox.db"
    elsewhere, restarted = Outbox(url, now=clock), Outbox(url, now=clock)
    elsewhere.owner = "another-host/4194305/deadbeef"
    await elsewhere.record(SESSION, WHO, [turn(1)])
    assert len(await elsewhere.lease(8)) == 1

    await restarted.free_dead_owners()
    assert await restarted.lease(8) == []

    clock.now += LEASE_SECONDS + 1
    assert len(await restarted.lease(8)) == 1
    await elsewhere.close()
    await restarted.close()


async def test_a_purge_keeps_the_records_of_chats_that_still_go_on(outbox: Outbox, clock: Clock) -> None:
    """Else a tracker that is read again, with a turn in it whose time was not known, would bring it a second time."""
    timeless = NewRecord(f"{SESSION.key}:x", Kind.MESSAGE, {"direction": "in", "text": "x", "at_ms": 1})
    await outbox.record(SESSION, WHO, [timeless])
    (lease,) = await outbox.lease(8)
    await outbox.delivered(lease, lease.records[0], kustomer_id="m", sent_ms=1)
    await outbox.release(lease)
    clock.now += 10
    await outbox.record(SESSION, WHO, [timeless, turn(2)])

    assert await outbox.maintenance.purge(older_than_seconds=5) == 0
    assert await outbox.record(SESSION, WHO, [timeless, turn(2)]) == 0


async def test_an_attempt_without_outcome_is_remembered_as_unsure(outbox: Outbox) -> None:
    await outbox.record(SESSION, WHO, [turn(1)])
    (lease,) = await outbox.lease(8)
    assert not lease.records[0].unsure
    assert await outbox.begin(lease, lease.records[0])
    await outbox.release(lease)

    (again,) = await outbox.lease(8)

    assert again.records[0].unsure
    assert again.records[0].attempts == 1


async def test_an_attempt_that_surely_failed_leaves_no_doubt(outbox: Outbox) -> None:
    await outbox.record(SESSION, WHO, [turn(1)])
    (lease,) = await outbox.lease(8)
    await outbox.begin(lease, lease.records[0])
    await outbox.unsent(lease.records[0])
    await outbox.release(lease)

    (again,) = await outbox.lease(8)

    assert not again.records[0].unsure


async def test_a_settled_record_is_not_offered_again(outbox: Outbox) -> None:
    await outbox.record(SESSION, WHO, [turn(1), turn(2), turn(3)])
    (lease,) = await outbox.lease(8)
    await outbox.delivered(lease, lease.records[0], kustomer_id="m1", sent_ms=5)
    await outbox.dead(lease, lease.records[1], "the text is refused")
    await outbox.release(lease)

    (again,) = await outbox.lease(8)
    counts = await outbox.counts()

    assert [record.payload["text"] for record in again.records] == ["3"]
    assert again.last_sent_ms == 5
    assert (counts.delivered, counts.dead, counts.pending) == (1, 1, 1)
    assert await outbox.record_state(turn(2).key) == DEAD
    assert await outbox.record_state(turn(1).key) == DELIVERED


async def test_a_session_that_waits_does_not_hold_up_others(outbox: Outbox, clock: Clock) -> None:
    await outbox.record(SESSION, WHO, [turn(1)])
    clock.now += 1
    await outbox.record(OTHER, WHO, [turn(1, OTHER)])
    (first, second) = await outbox.lease(8)
    await outbox.release(first, wait_seconds=30)
    await outbox.release(second)

    assert [lease.key for lease in await outbox.lease(8)] == [OTHER.key]

    clock.now += 31
    recovered = next(lease for lease in await outbox.lease(8) if lease.key == SESSION.key)
    assert recovered.attempts == 1


async def test_one_deferred_record_lets_the_rest_of_its_session_go_on(outbox: Outbox, clock: Clock) -> None:
    await outbox.record(SESSION, WHO, [turn(1), turn(2)])
    (lease,) = await outbox.lease(8)
    await outbox.defer(lease.records[0], seconds=60, reason="a role is missing")
    await outbox.release(lease)

    (again,) = await outbox.lease(8)
    assert [record.payload["text"] for record in again.records] == ["2"]
    await outbox.delivered(again, again.records[0], kustomer_id="m", sent_ms=None)
    await outbox.release(again)
    assert await outbox.lease(8) == []

    clock.now += 61
    (later,) = await outbox.lease(8)
    assert [record.payload["text"] for record in later.records] == ["1"]


async def test_handed_off_sessions_come_first(outbox: Outbox, clock: Clock) -> None:
    await outbox.record(SESSION, WHO, [turn(1)])
    clock.now += 100
    await outbox.record(OTHER, WHO, [turn(1, OTHER)], escalate=True)

    (lease,) = await outbox.lease(1)

    assert lease.key == OTHER.key


async def test_a_handoff_ends_the_waiting_time_of_its_session(outbox: Outbox) -> None:
    await outbox.record(SESSION, WHO, [turn(1)])
    (lease,) = await outbox.lease(1)
    await outbox.release(lease, wait_seconds=600)

    await outbox.record(SESSION, WHO, [turn(2)], escalate=True)

    assert len(await outbox.lease(1)) == 1


async def test_waiting_for_a_record_ends_when_it_is_settled(outbox: Outbox) -> None:
    await outbox.record(SESSION, WHO, [turn(1)])
    (lease,) = await outbox.lease(1)
    waiting = asyncio.create_task(outbox.wait_until_settled(turn(1).key, 30))
    await outbox.delivered(lease, lease.records[0], kustomer_id="m", sent_ms=1)

    assert await waiting == DELIVERED
    assert await outbox.wait_until_settled("unknown", 30) is None


async def test_waiting_for_a_record_ends_with_its_time(outbox: Outbox) -> None:
    await outbox.record(SESSION, WHO, [turn(1)])

    assert await outbox.wait_until_settled(turn(1).key, 0) == PENDING


async def test_idle_sessions_are_closed_once_and_never_when_handed_off(outbox: Outbox, clock: Clock) -> None:
    for session, escalate in ((SESSION, False), (OTHER, True)):
        await outbox.record(session, WHO, [turn(1, session)], escalate=escalate)
    for lease in await outbox.lease(8):
        lease.customer_id, lease.conversation_id = "c", "k"
        await outbox.resolved(lease)
        await outbox.delivered(lease, lease.records[0], kustomer_id="m", sent_ms=1)
        await outbox.release(lease)
    assert await outbox.maintenance.close_idle(60) == 0

    clock.now += 3601
    assert await outbox.maintenance.close_idle(60) == 1
    assert await outbox.maintenance.close_idle(60) == 0

    (lease,) = await outbox.lease(8)
    assert (lease.key, [record.kind for record in lease.records]) == (SESSION.key, [Kind.CLOSE])


async def test_a_session_whose_turn_was_refused_after_it_was_closed_is_closed_again(
    outbox: Outbox, clock: Clock
) -> None:
    async def settle(refused: str | None = None) -> None:
        [lease] = await outbox.lease(1)
        lease.customer_id = lease.conversation_id = "known"
        await outbox.resolved(lease)
        for record in lease.records:
            await outbox.begin(lease, record)
            if refused:
                await outbox.dead(lease, record, refused)
            else:
                await outbox.delivered(lease, record, kustomer_id="there", sent_ms=None)
        await outbox.release(lease)

    for number, refused in enumerate((None, "no such channel")):
        await outbox.record(SESSION, WHO, [turn(number)])
        await settle(refused)
        clock.now += 4_000
        assert await outbox.maintenance.close_idle(60) == 1
        await settle()


async def test_processes_that_tidy_up_at_the_same_time_do_it_once(
    outbox: Outbox, outbox_url: str, clock: Clock
) -> None:
    """Closing idle sessions and purging, each by two at once."""
    other = Outbox(outbox_url, now=clock)
    await outbox.record(SESSION, WHO, [turn(1)])
    (lease,) = await outbox.lease(8)
    lease.customer_id, lease.conversation_id = "c", "k"
    await outbox.resolved(lease)
    await outbox.delivered(lease, lease.records[0], kustomer_id="m", sent_ms=1)
    await outbox.release(lease)
    clock.now += 3601

    assert sum(await asyncio.gather(*(box.maintenance.purge(older_than_seconds=5) for box in (outbox, other)))) == 1
    assert sum(await asyncio.gather(*(box.maintenance.close_idle(60) for box in (outbox, other)))) == 1

    assert (await outbox.counts()).accepted == 2
    await other.close()


async def test_a_dead_record_that_is_retried_is_looked_up_first(outbox: Outbox) -> None:
    await outbox.record(SESSION, WHO, [turn(1)])
    (lease,) = await outbox.lease(8)
    await outbox.dead(lease, lease.records[0], "refused")
    await outbox.release(lease)
    assert await outbox.lease(8) == []

    assert await outbox.maintenance.retry() == 1

    (again,) = await outbox.lease(8)
    assert again.records[0].unsure


async def test_purged_turns_stay_counted_and_are_not_accepted_again(outbox: Outbox, clock: Clock) -> None:
    await outbox.record(SESSION, WHO, [turn(1)])
    (lease,) = await outbox.lease(8)
    await outbox.delivered(lease, lease.records[0], kustomer_id="m", sent_ms=1)
    await outbox.release(lease)
    clock.now += 10

    assert await outbox.maintenance.purge(older_than_seconds=5) == 1
    assert await outbox.maintenance.purge(older_than_seconds=5) == 0

    counts = await outbox.counts()
    assert (counts.accepted, counts.delivered) == (1, 1)
    assert await outbox.record(SESSION, WHO, [turn(1), turn(2)]) == 1, (
        "a restarted server reads the whole tracker again"
    )


async def test_what_another_process_purged_is_not_accepted_again(outbox: Outbox, outbox_url: str, clock: Clock) -> None:
    """An operator purges while the server runs, which has the session's row in mind."""
    await outbox.record(SESSION, WHO, [turn(1)])
    (lease,) = await outbox.lease(8)
    await outbox.delivered(lease, lease.records[0], kustomer_id="m", sent_ms=1)
    await outbox.release(lease)
    clock.now += 10

    operator = Outbox(outbox_url, now=clock)
    assert await operator.maintenance.purge(older_than_seconds=5) == 1
    await operator.close()

    assert await outbox.record(SESSION, WHO, [turn(1), turn(2)]) == 1


async def test_what_a_caller_takes_for_recorded_is_looked_for_before_more_is_recorded(
    outbox: Outbox, clock: Clock
) -> None:
    """Its own memory may be of another database: damaged and replaced, or restored."""
    last = Recorded(SESSION.key, turn(1).key, turn(1).at_ms)
    with pytest.raises(PastUnknownError):
        await outbox.record(SESSION, WHO, [turn(2)], after=last)
    assert (await outbox.counts()).accepted == 0

    await outbox.record(SESSION, WHO, [turn(1)])
    assert await outbox.record(SESSION, WHO, [turn(2)], after=last) == 1

    (lease,) = await outbox.lease(8)
    for record in lease.records:
        await outbox.delivered(lease, record, kustomer_id="m", sent_ms=1)
    await outbox.release(lease)
    clock.now += 10
    assert await outbox.maintenance.purge(older_than_seconds=5) == 2
    assert await outbox.record(SESSION, WHO, [turn(3)], after=last) == 1, "what was purged was here"


async def test_what_was_accepted_survives_the_process(outbox_url: str) -> None:
    before = Outbox(outbox_url)
    await before.record(SESSION, WHO, [turn(1)])
    await before.close()

    after = Outbox(outbox_url)
    (lease,) = await after.lease(8)
    assert lease.records[0].key == turn(1).key
    await after.close()


async def test_a_locked_database_is_reported_in_time_and_used_when_it_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rasa_kustomer.outbox.outbox.PATIENCE_SECONDS", 1.0)  # as shipped: less than SQLite's own
    outbox = Outbox(f"sqlite:///{tmp_path}/outbox.db")
    await outbox.record(SESSION, WHO, [turn(1)])
    blocker = sqlite3.connect(tmp_path / "outbox.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")

    with pytest.raises(OutboxUnavailableError, match="in time"):
        await outbox.record(SESSION, WHO, [turn(2)])

    blocker.execute("ROLLBACK")
    blocker.close()
    await outbox.record(SESSION, WHO, [turn(2), turn(3)])
    assert (await outbox.counts()).accepted == 3
    await outbox.close()


async def test_a_damaged_file_is_set_aside_and_recording_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "outbox.db"
    path.write_bytes(b"this is no database, " * 100)
    outbox = Outbox(f"sqlite:///{path}")

    assert await outbox.record(SESSION, WHO, [turn(1)]) == 1

    assert (tmp_path / "outbox.db.damaged-1").read_bytes().startswith(b"this is no database")
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    await outbox.close()


async def test_a_folder_that_cannot_be_written_is_named_and_used_once_it_can(tmp_path: Path) -> None:
    obstacle = tmp_path / "folder"
    obstacle.write_text("a file where the folder should be")
    outbox = Outbox(f"sqlite:///{obstacle}/outbox.db")

    with pytest.raises(OutboxUnavailableError):
        await outbox.record(SESSION, WHO, [turn(1)])

    obstacle.unlink()
    assert await outbox.record(SESSION, WHO, [turn(1)]) == 1
    await outbox.close()


async def test_a_full_disk_is_reported_and_recording_goes_on_when_there_is_room(tmp_path: Path) -> None:
    """SQLite's own page limit answers exactly as a full disk does."""
    outbox = Outbox(f"sqlite:///{tmp_path}/outbox.db")
    await outbox.record(SESSION, WHO, [turn(1)])
    await limit_pages(outbox, 1)
    large = NewRecord("large", Kind.MESSAGE, {"direction": "in", "text": "x" * 500_000, "at_ms": 9}, 9)

    with pytest.raises(OutboxUnavailableError, match="full"):
        await outbox.record(OTHER, WHO, [large])

    await limit_pages(outbox, 1_000_000)
    assert await outbox.record(OTHER, WHO, [large]) == 1
    assert (await outbox.counts()).balanced
    await outbox.close()


async def test_a_database_of_a_newer_release_is_refused_with_the_version(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox(f"sqlite:///{path}")
    await outbox.record(SESSION, WHO, [turn(1)])
    await outbox.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE kustomer_meta SET value = '99' WHERE name = 'schema_version'")
    connection.close()

    newer = Outbox(f"sqlite:///{path}")
    with pytest.raises(OutboxUnavailableError, match="schema 99"):
        await newer.record(SESSION, WHO, [turn(2)])
    await newer.close()


async def test_the_log_is_moved_into_the_file_beside_the_turns_also_when_nobody_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "outbox.db"
    outbox = Outbox(f"sqlite:///{path}")
    with monkeypatch.context() as soon:
        soon.setattr("rasa_kustomer.outbox.database.CHECKPOINT_SECONDS", 0.0)
        await outbox.record(SESSION, WHO, [turn(1)])
    await outbox.counts()  # comes after the checkpoint

    without_log = sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)
    assert without_log.execute("SELECT count(*) FROM kustomer_record").fetchone() == (1,)
    without_log.close()
    await outbox.close()
