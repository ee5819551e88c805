"""What only PostgreSQL can do to the outbox: go away and come back, be shared by machines, refuse a login."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeAlias

import psycopg
import pytest
from tests.delivery.test_outbox import OTHER, SESSION, WHO, turn
from tests.helpers import Clock
from tests.servers import PASSWORD, Postgres

from rasa_kustomer.outbox import Attempt, Kind, Lease, NewRecord, Outbox, OutboxUnavailableError


@pytest.fixture
def url(postgres_server: Postgres) -> str:
    return postgres_server.fresh()


@pytest.fixture
async def outbox(url: str) -> AsyncIterator[Outbox]:
    outbox = Outbox(url)
    yield outbox
    assert (await outbox.counts()).balanced
    await outbox.close()


@asynccontextmanager
async def locked_table(url: str) -> AsyncIterator[None]:
    """The table of sessions, locked by somebody else."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await connection.execute("LOCK TABLE kustomer_session")
        yield


async def failure(outbox: Outbox) -> str:
    """What record() says when it cannot record; it says so while the server is still in the way."""
    with pytest.raises(OutboxUnavailableError) as raised:
        await outbox.record(SESSION, WHO, [turn(1)])
    assert raised.value.__cause__ is None, "the driver's error holds what was to be written"
    assert PASSWORD not in str(raised.value)
    return str(raised.value)


async def test_a_stopped_server_is_reported_in_time_and_used_when_it_is_back(
    outbox: Outbox, postgres_server: Postgres
) -> None:
    await outbox.record(SESSION, WHO, [turn(2)])
    await asyncio.to_thread(postgres_server.stop)
    try:
        assert "Connection refused" in await failure(outbox)
        with pytest.raises(OutboxUnavailableError):
            await outbox.lease(8)
        with pytest.raises(OutboxUnavailableError):
            await outbox.counts()
    finally:
        await asyncio.to_thread(postgres_server.start)

    assert await outbox.record(SESSION, WHO, [turn(2), turn(3)]) == 1
    (lease,) = await outbox.lease(8)
    assert [record.payload["text"] for record in lease.records] == ["2", "3"]


async def test_a_server_that_restarts_between_two_turns_is_not_noticed(
    outbox: Outbox, postgres_server: Postgres
) -> None:
    await asyncio.gather(*(outbox.record(SESSION, WHO, [turn(number)]) for number in range(1, 9)))
    await asyncio.to_thread(postgres_server.restart)

    assert await outbox.record(SESSION, WHO, [turn(9)]) == 1
    assert (await outbox.counts()).accepted == 9


async def test_a_connection_that_is_cut_in_the_middle_of_a_turn_writes_nothing(
    outbox: Outbox, postgres_server: Postgres, url: str
) -> None:
    await outbox.record(OTHER, WHO, [turn(1, OTHER)])
    cut = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with locked_table(url):
        recording = asyncio.create_task(failure(outbox))
        while not await asyncio.to_thread(postgres_server.sql, cut, url):
            assert not recording.done()
        said = await recording
        assert re.search("terminating connection due to administrator command|server closed the connection", said)

    assert (await outbox.counts()).accepted == 1
    assert await outbox.record(SESSION, WHO, [turn(1)]) == 1


async def test_a_locked_table_is_reported_in_time_and_used_when_it_is_free(outbox: Outbox, url: str) -> None:
    await outbox.record(OTHER, WHO, [turn(1, OTHER)])
    async with locked_table(url):
        assert "in time" in await failure(outbox)

    assert await outbox.record(SESSION, WHO, [turn(1)]) == 1


@pytest.mark.parametrize(
    ("pattern", "replacement", "reason"),
    [
        (f":{PASSWORD}@", ":wrong@", "password authentication failed"),
        ("/test_", "/missing_", "does not exist"),
        ("127.0.0.1", "host.invalid", "Name|known|resolution"),
        (r":\d+/", ":1/", "Connection refused"),
    ],
)
async def test_why_the_server_cannot_be_used_is_said_without_the_password(
    url: str, pattern: str, replacement: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = Outbox(re.sub(pattern, replacement, url))

    assert re.search(reason, await failure(outbox))
    assert PASSWORD not in outbox.place + caplog.text
    await outbox.close()


async def test_what_the_server_refuses_is_not_quoted(outbox: Outbox) -> None:
    record = NewRecord("a key\x00with NUL", Kind.MESSAGE, {"direction": "in", "text": "my secret", "at_ms": 1}, 1)

    with pytest.raises(OutboxUnavailableError) as raised:
        await outbox.record(SESSION, WHO, [record])

    assert str(raised.value) == "DataError"


async def test_outboxes_that_begin_at_the_same_time_make_the_tables_once(url: str) -> None:
    boxes = [Outbox(url) for _ in range(6)]

    added = await asyncio.gather(*(box.record(SESSION, WHO, [turn(1)]) for box in boxes))

    assert sum(added) == 1
    await asyncio.gather(*(box.close() for box in boxes))


async def test_a_database_of_a_newer_release_is_refused_with_the_version(url: str, postgres_server: Postgres) -> None:
    outbox = Outbox(url)
    await outbox.record(SESSION, WHO, [turn(1)])
    await outbox.close()
    postgres_server.sql("UPDATE kustomer_meta SET value = '99' WHERE name = 'schema_version'", url)

    assert "schema 99" in await failure(outbox)
    await outbox.close()


async def test_leases_run_by_the_servers_clock_whatever_the_machines_think(url: str, postgres_server: Postgres) -> None:
    """A machine whose clock is a day ahead does not take what another one works at; nor may the first keep it."""
    ahead = Clock()
    ahead.now = time.time() + 86_400
    first, second = Outbox(url), Outbox(url, now=ahead)
    await first.record(SESSION, WHO, [turn(1)])
    (stale,) = await first.lease(8)
    assert await second.lease(8) == []

    postgres_server.sql("UPDATE kustomer_session SET leased_until = leased_until - 14", url)
    await first.heartbeat([stale.id])
    assert await second.lease(8) == [], "the heartbeat kept the lease"

    postgres_server.sql("UPDATE kustomer_session SET leased_until = leased_until - 15", url)
    (taken,) = await second.lease(8)
    assert not await first.begin(stale, stale.records[0])
    assert await second.begin(taken, taken.records[0])
    await first.close()
    await second.close()


async def test_the_leases_of_a_process_that_seems_dead_from_here_are_left_alone(url: str) -> None:
    """It may live on another machine that bears the same host name, as containers do."""
    elsewhere, here = Outbox(url), Outbox(url)
    host = here.owner.rsplit("/", 2)[0]
    elsewhere.owner = f"{host}/4194305/deadbeef"  # above the largest process id that Linux gives out
    await elsewhere.record(SESSION, WHO, [turn(1)])
    (lease,) = await elsewhere.lease(8)

    await here.free_dead_owners()

    assert await here.lease(8) == []
    assert await elsewhere.begin(lease, lease.records[0])
    await elsewhere.close()
    await here.close()


async def test_it_goes_on_after_it_was_closed(outbox: Outbox) -> None:
    await outbox.record(SESSION, WHO, [turn(1)])
    await outbox.close()

    assert (await outbox.counts()).accepted == 1


Several: TypeAlias = tuple[Outbox, Lease, Lease]


@pytest.fixture
async def several(url: str) -> AsyncIterator[Several]:
    """An outbox with two leased sessions, the second first, of which the first one lies behind in the table."""
    outbox = Outbox(f"{url}?options=-c enable_indexscan=off -c enable_bitmapscan=off")
    await outbox.record(SESSION, WHO, [turn(1)])
    await outbox.record(OTHER, WHO, [turn(1, OTHER)])
    first, second = sorted(await outbox.lease(8), key=lambda lease: lease.id)
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        for one in (second, first):
            await connection.execute("UPDATE kustomer_session SET not_before = 9 WHERE id = %s", [one.id])
    yield outbox, second, first
    await outbox.close()


async def _begin(outbox: Outbox, leases: Sequence[Lease]) -> object:
    return await outbox.bulk.begin([Attempt(lease.id, lease.records[0], 0) for lease in leases])


@pytest.mark.parametrize(
    "work",
    [
        lambda outbox, leases: outbox.heartbeat([lease.id for lease in leases]),
        lambda outbox, leases: outbox.resolved(*leases),
        lambda outbox, leases: outbox.bulk.begin_conversations(leases),
        lambda outbox, _leases: outbox.maintenance.retry(),
        _begin,
    ],
    ids=["heartbeat", "resolved", "begin_conversations", "retry", "begin"],
)
async def test_several_sessions_are_locked_in_one_order_so_that_nothing_deadlocks(
    url: str, work: Callable[[Outbox, Sequence[Lease]], Awaitable[object]], several: Several
) -> None:
    """Whoever waits for the first session holds none of the later ones."""
    outbox, second, first = several
    async with await psycopg.AsyncConnection.connect(url) as other:
        await other.execute("SELECT FROM kustomer_session WHERE id = %s FOR UPDATE", [first.id])
        working = asyncio.ensure_future(work(outbox, [second, first]))
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as watcher:
            waits = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            while not (await watcher.execute(waits)).rowcount:
                assert not working.done()
        await other.execute("SELECT FROM kustomer_session WHERE id = %s FOR UPDATE NOWAIT", [second.id])
    await working
