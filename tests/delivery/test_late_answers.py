"""What an answer says that comes late is about the record that was begun, and about nothing that bears its number."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.delivery.test_outbox import OTHER, SESSION, WHO, turn
from tests.helpers import Clock

from rasa_kustomer.outbox import DELIVERED, PENDING, Attempt, Lease, Outbox, Outcome, Record

DAY_SECONDS = 86_400.0
STALL_SECONDS = 20.0


class Two(NamedTuple):
    """Two processes on one outbox, and their clock."""

    first: Outbox
    second: Outbox
    clock: Clock


Answer = Callable[[Outbox, Lease, Record], Awaitable[object]]


def parts(lease: Lease, record: Record) -> list[Attempt]:
    return [Attempt(lease.id, record, 5_000)]


SINGLE: dict[str, Answer] = {
    "delivered": lambda box, lease, record: box.delivered(lease, record, kustomer_id="m", sent_ms=9_000),
    "dead": lambda box, lease, record: box.dead(lease, record, "refused"),
    "unsent": lambda box, _, record: box.unsent(record),
    "deferred": lambda box, _, record: box.defer(record, seconds=600, reason="a role is missing"),
}
IN_A_JOB: dict[str, Answer] = {
    "posted": lambda box, lease, record: box.bulk.posted(parts(lease, record), "job"),
    "delivered": lambda box, lease, record: box.bulk.delivered([Outcome(one, "m") for one in parts(lease, record)]),
    "unsent": lambda box, lease, record: box.bulk.unsent(parts(lease, record)),
    "returned": lambda box, lease, record: box.bulk.returned(parts(lease, record), unsure=False, reason="odd"),
}
ANSWERS = [pytest.param(False, one, id=name) for name, one in SINGLE.items()]
ANSWERS += [pytest.param(True, one, id=f"{name} in a job") for name, one in IN_A_JOB.items()]


@pytest.fixture
async def two(outbox_url: str) -> AsyncIterator[Two]:
    clock = Clock(1_700_000_000.0)
    both = Two(Outbox(outbox_url, now=clock), Outbox(outbox_url, now=clock), clock)
    await both.first.counts()  # makes the tables, with more time than a turn may take
    await both.second.counts()
    yield both
    assert (await both.first.counts()).balanced
    await both.first.close()
    await both.second.close()


def remove(folder: Path) -> None:
    for file in folder.glob("outbox.db*"):
        file.unlink()


async def begin(box: Outbox, lease: Lease, record: Record, *, in_a_job: bool) -> None:
    begun = await box.bulk.begin(parts(lease, record)) if in_a_job else await box.begin(lease, record)
    assert begun, "its lease is its own"


async def deliver_all(box: Outbox) -> None:
    for lease in await box.lease(8):
        for record in lease.records:
            assert await box.begin(lease, record)
            await box.delivered(lease, record, kustomer_id="m", sent_ms=5_000)
        await box.release(lease)


async def seen(box: Outbox, key: str) -> dict[str, object]:
    """The record as an operator sees it, and as a worker gets it."""
    [shown] = [one for one in await box.maintenance.entries() if one["key"] == key]
    leases = await box.lease(8)
    found = [record for lease in leases for record in lease.records if record.key == key]
    assert found, f"{key} is not due: {shown}"
    for lease in leases:
        await box.release(lease)
    [due] = found
    return {**shown, "unsure": due.unsure, "job": due.bulk_job, "in_a_job": due.bulk_at is not None}


@pytest.mark.parametrize("outbox_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("in_a_job", "answer"), ANSWERS)
@pytest.mark.parametrize("same_process", [False, True], ids=["nobody has it", "the same process has it"])
async def test_an_answer_settles_no_record_that_was_given_the_number_since(
    two: Two, in_a_job: bool, answer: Answer, same_process: bool
) -> None:
    """E22: ann's turn is sent, its process stands still, another one delivers and purges it, then bob speaks."""
    first, second, clock = two
    await first.record(SESSION, WHO, [turn(1)])
    [stalled] = await first.lease(8)
    [anns] = stalled.records
    await begin(first, stalled, anns, in_a_job=in_a_job)
    clock.now += STALL_SECONDS
    await deliver_all(second)
    clock.now += 8 * DAY_SECONDS
    assert await second.maintenance.purge(older_than_seconds=7 * DAY_SECONDS) == 1
    await second.record(OTHER, WHO, [turn(1, OTHER)])
    [before] = [await seen(second, turn(1, OTHER).key)]
    assert before["id"] == anns.id, "SQLite gives the number out again"
    taken = await first.lease(8) if same_process else []

    await answer(first, stalled, anns)

    for lease in taken:
        await first.release(lease)
    assert await seen(second, turn(1, OTHER).key) == before
    await deliver_all(second)
    assert await second.record_state(turn(1, OTHER).key) == DELIVERED


@pytest.mark.parametrize(("in_a_job", "answer"), ANSWERS)
async def test_an_answer_changes_nothing_while_somebody_else_is_at_the_record(
    two: Two, in_a_job: bool, answer: Answer
) -> None:
    """The second attempt is under way; nothing of the first may be said of it."""
    first, second, _ = two
    await first.record(SESSION, WHO, [turn(1)])
    [stalled] = await first.lease(8)
    await begin(first, stalled, stalled.records[0], in_a_job=in_a_job)
    await first.release(stalled)  # as if it had run out; on PostgreSQL the server's clock decides that
    [taken] = await second.lease(8)
    await begin(second, taken, taken.records[0], in_a_job=False)

    await answer(first, stalled, stalled.records[0])

    assert await second.record_state(turn(1).key) == PENDING
    await second.release(taken)
    [again] = await second.lease(8)
    assert (again.records[0].unsure, again.records[0].attempts, again.records[0].bulk_job) == (True, 2, None)
    assert again.last_sent_ms == 0
    await second.delivered(again, again.records[0], kustomer_id="m", sent_ms=5_000)
    assert await second.record_state(turn(1).key) == DELIVERED


async def test_an_answer_counts_that_comes_late_while_nobody_else_has_the_session(two: Two) -> None:
    first, _, clock = two
    await first.record(SESSION, WHO, [turn(1)])
    [stalled] = await first.lease(8)
    assert await first.begin(stalled, stalled.records[0])
    clock.now += STALL_SECONDS

    await first.delivered(stalled, stalled.records[0], kustomer_id="m", sent_ms=5_000)

    assert await first.record_state(turn(1).key) == DELIVERED


async def test_a_record_is_begun_by_one_only(two: Two) -> None:
    first, second, _ = two
    await first.record(SESSION, WHO, [turn(1), turn(2)])
    [stalled] = await first.lease(8)
    await first.release(stalled)
    [taken] = await second.lease(8)
    assert await second.begin(taken, taken.records[0])
    await second.release(taken)
    [again] = await first.lease(8)

    assert not await first.begin(again, stalled.records[0]), "read before the other's attempt"
    assert await first.bulk.begin([Attempt(again.id, stalled.records[0], 5_000)]) == set()
    assert await first.begin(again, again.records[0])


async def test_who_lost_a_session_says_nothing_of_it(two: Two) -> None:
    """Ids in Kustomer and waiting times of a session are for whoever has it."""
    first, second, _ = two
    await first.record(SESSION, WHO, [turn(1)])
    [stalled] = await first.lease(8)
    await first.release(stalled)
    [taken] = await second.lease(8)
    taken.customer_id, taken.conversation_id = "c", "k"
    await second.resolved(taken)

    stalled.conversation_id = "another"
    await first.resolved(stalled)
    await first.release(stalled, wait_seconds=600)
    assert not await first.begin_conversation(stalled)
    assert await first.bulk.begin_conversations([stalled]) == set()
    assert await first.due(stalled) == []

    assert await second.begin_conversation(taken)
    await second.release(taken)
    [again] = await second.lease(8)
    assert (again.conversation_id, again.attempts) == ("k", 0)


async def test_a_session_at_hand_is_known_by_its_key_and_not_by_its_number(tmp_path: Path) -> None:
    """In a file that was begun anew the same chat has another number, and another chat may have this one."""
    box = Outbox(f"sqlite:///{tmp_path}/outbox.db")
    await box.record(OTHER, WHO, [turn(1, OTHER)])
    await box.record(SESSION, WHO, [turn(1)])
    under_way = next(lease for lease in await box.lease(8) if lease.key == SESSION.key)
    assert await box.begin(under_way, under_way.records[0])
    await box.close()
    remove(tmp_path)
    await box.record(SESSION, WHO, [turn(1)])
    await box.record(OTHER, WHO, [turn(1, OTHER)])

    leases = await box.lease(8, but_not=[under_way.key])
    assert [lease.key for lease in leases] == [OTHER.key]
    assert leases[0].id == under_way.id, "the number of ann's session is bob's now"
    assert await box.due(under_way) == []
    under_way.conversation_id = "ann's"
    await box.resolved(under_way)
    await box.delivered(under_way, under_way.records[0], kustomer_id="m", sent_ms=5_000)
    await box.release(under_way, wait_seconds=600)

    assert await box.begin(leases[0], leases[0].records[0]), "bob's session is still leased"
    assert [record.key for record in await box.due(leases[0])] == [turn(1, OTHER).key]
    state = await box.session_state(OTHER.key)
    assert state is not None
    assert state["conversation_id"] is None
    assert await box.record_state(turn(1).key) == PENDING
    await box.close()
