"""What is tidied, when, and what is left alone."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from rasa_kustomer.delivery.housekeeping import (
    DAY_SECONDS,
    FIRST_PURGE_SECONDS,
    IDLE_CHECK_SECONDS,
    PAUSE_SECONDS,
    PURGE_SECONDS,
    SHORT_PAUSE_SECONDS,
    Housekeeping,
)
from rasa_kustomer.outbox import Kind, NewRecord, Outbox, OutboxUnavailableError, SessionKey
from rasa_kustomer.outbox.admin import OutboxAdmin

WHO = {"external_id": None, "email": None, "phone": None, "name": None, "trusted": False}
SESSION = SessionKey("rasa:ann:1000", "ann", 1000)


class Time:
    """Time that passes only while somebody sleeps, and notes how long."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0
        self.sleeps: list[float] = []
        self._allowed = asyncio.Semaphore(0)
        self.asleep = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.asleep.set()
        await self._allowed.acquire()
        self.now += seconds

    async def pass_on(self) -> None:
        """Let one sleep end, and wait for the next one to begin."""
        self.asleep.clear()
        self._allowed.release()
        await asyncio.wait_for(self.asleep.wait(), 120)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def outbox(outbox_url: str, time: Time) -> AsyncIterator[Outbox]:
    """One delivered, one dead and one pending turn; their chat is quiet for eight days."""
    outbox = Outbox(outbox_url, now=lambda: time.now)
    turns = [
        NewRecord(f"{SESSION.key}:{n}", Kind.MESSAGE, {"direction": "in", "text": "t", "at_ms": n}, n)
        for n in (1, 2, 3)
    ]
    await outbox.record(SESSION, WHO, turns)
    (lease,) = await outbox.lease(1)
    lease.customer_id, lease.conversation_id = "c", "k"
    await outbox.resolved(lease)
    await outbox.delivered(lease, lease.records[0], kustomer_id="m", sent_ms=1)
    await outbox.dead(lease, lease.records[1], "refused")
    await outbox.release(lease)
    time.now += 8 * DAY_SECONDS
    yield outbox
    assert (await outbox.counts()).balanced
    await outbox.close()


async def settle(outbox: Outbox) -> None:
    """All that waits is delivered."""
    while leases := await outbox.lease(100):
        for lease in leases:
            lease.customer_id, lease.conversation_id = "c", lease.key
            await outbox.resolved(lease)
            for record in lease.records:
                await outbox.delivered(lease, record, kustomer_id="m", sent_ms=3)
            await outbox.release(lease)


async def keys(outbox: Outbox) -> list[str]:
    return [one["key"].rsplit(":", 1)[1] for one in await outbox.maintenance.entries()]


async def test_delivered_records_go_after_the_retention_and_all_others_stay(outbox: Outbox, time: Time) -> None:
    house = Housekeeping(outbox, idle_close_minutes=0, retention_days=7, sleep=time.sleep)
    house.start()
    house.start()
    await asyncio.wait_for(time.asleep.wait(), 120)
    assert await keys(outbox) == ["1", "2", "3"], "a server that has just started has other things to do"

    await time.pass_on()
    assert await keys(outbox) == ["2", "3"]
    await time.pass_on()
    await house.stop()

    assert time.sleeps == [FIRST_PURGE_SECONDS, PAUSE_SECONDS, PURGE_SECONDS]
    counts = await outbox.counts()
    assert (counts.accepted, counts.delivered, counts.dead, counts.pending) == (3, 1, 1, 1)


async def test_it_comes_again_every_hour_and_keeps_what_is_young(outbox: Outbox, time: Time) -> None:
    house = Housekeeping(outbox, idle_close_minutes=0, retention_days=9, sleep=time.sleep)
    house.start()
    await asyncio.wait_for(time.asleep.wait(), 120)
    await time.pass_on()
    await time.pass_on()
    await house.stop()

    assert time.sleeps == [FIRST_PURGE_SECONDS, PURGE_SECONDS, PURGE_SECONDS]
    assert await keys(outbox) == ["1", "2", "3"]


async def test_with_0_everything_is_kept_and_nothing_is_closed(outbox: Outbox, time: Time) -> None:
    house = Housekeeping(outbox, idle_close_minutes=0, retention_days=0, sleep=time.sleep)
    house.start()
    await asyncio.sleep(0)
    await house.stop()

    assert time.sleeps == []


async def test_quiet_chats_are_closed_every_minute(outbox: Outbox, time: Time) -> None:
    await settle(outbox)
    house = Housekeeping(outbox, idle_close_minutes=60, retention_days=0, sleep=time.sleep)
    house.start()
    await asyncio.wait_for(time.asleep.wait(), 120)
    await time.pass_on()
    await house.stop()

    assert time.sleeps == [IDLE_CHECK_SECONDS, SHORT_PAUSE_SECONDS]
    assert [one["kind"] for one in await outbox.maintenance.entries(state="pending")] == [Kind.CLOSE.value]


@pytest.mark.parametrize("error", [OutboxUnavailableError("disk full"), ValueError("a customer's text")])
async def test_it_goes_on_after_whatever_happened(
    outbox: Outbox, time: Time, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    purge: Callable[..., object] = OutboxAdmin.purge

    async def fail(*_: object, **__: object) -> int:
        raise error

    monkeypatch.setattr(OutboxAdmin, "purge", fail)
    house = Housekeeping(outbox, idle_close_minutes=0, retention_days=7, sleep=time.sleep)
    house.start()
    await asyncio.wait_for(time.asleep.wait(), 120)
    await time.pass_on()
    await time.pass_on()
    monkeypatch.setattr(OutboxAdmin, "purge", purge)
    await time.pass_on()
    await house.stop()

    assert await keys(outbox) == ["2", "3"]
    said = [one.getMessage() for one in caplog.records if one.levelname in {"WARNING", "ERROR"}]
    assert len(said) == isinstance(error, ValueError), "an outage is said by whoever records or delivers"
    assert "a customer's text" not in caplog.text
    assert "Traceback" not in caplog.text


async def test_a_surprise_does_not_end_the_closing_of_idle_chats(
    outbox: Outbox, time: Time, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await settle(outbox)
    close: Callable[..., object] = OutboxAdmin.close_idle

    async def fail(*_: object, **__: object) -> int:
        raise ValueError

    monkeypatch.setattr(OutboxAdmin, "close_idle", fail)
    house = Housekeeping(outbox, idle_close_minutes=60, retention_days=0, sleep=time.sleep)
    house.start()
    await asyncio.wait_for(time.asleep.wait(), 120)
    await time.pass_on()
    await time.pass_on()
    monkeypatch.setattr(OutboxAdmin, "close_idle", close)
    await time.pass_on()
    await house.stop()

    assert [one["kind"] for one in await outbox.maintenance.entries(state="pending")] == [Kind.CLOSE.value]
    assert len([one for one in caplog.records if "ValueError at" in one.getMessage()]) == 1


async def test_all_that_is_idle_is_queued_in_the_round_in_which_it_is_due(outbox: Outbox, time: Time) -> None:
    """In short transactions, with pauses between them in which turns go first."""
    await settle(outbox)
    for number in range(250):
        session = SessionKey(f"rasa:v{number}:1", f"v{number}", 1)
        await outbox.record(session, WHO, [NewRecord(f"{session.key}:1", Kind.MESSAGE, {"at_ms": 1}, 1)])
    await settle(outbox)
    time.now += DAY_SECONDS
    house = Housekeeping(outbox, idle_close_minutes=60, retention_days=0, sleep=time.sleep)
    house.start()
    await asyncio.wait_for(time.asleep.wait(), 120)
    while len(time.sleeps) < 2 or time.sleeps[-1] != IDLE_CHECK_SECONDS:
        await time.pass_on()
    await house.stop()

    assert len(await outbox.maintenance.entries(state="pending", kind="close", limit=999)) == 251
    assert time.sleeps == [IDLE_CHECK_SECONDS, *[SHORT_PAUSE_SECONDS] * 3, IDLE_CHECK_SECONDS]
    assert all(lease.records[0].kind is Kind.CLOSE for lease in await outbox.lease(999))


async def test_a_batch_is_of_a_thousand_at_the_most(outbox: Outbox, time: Time) -> None:
    many = SessionKey("rasa:bob:1", "bob", 1)
    turns = [
        NewRecord(f"{many.key}:{n}", Kind.MESSAGE, {"direction": "in", "text": "t", "at_ms": n}, n)
        for n in range(1, 1_101)
    ]
    await outbox.record(many, WHO, turns)
    for lease in await outbox.lease(8):
        while due := await outbox.due(lease):
            for record in due:
                await outbox.delivered(lease, record, kustomer_id="m", sent_ms=1)
        await outbox.release(lease)
    time.now += 8 * DAY_SECONDS

    assert await outbox.maintenance.count_purgeable(older_than_seconds=DAY_SECONDS) == 1_102
    assert [await outbox.maintenance.purge(older_than_seconds=DAY_SECONDS) for _ in range(3)] == [1_000, 102, 0]
