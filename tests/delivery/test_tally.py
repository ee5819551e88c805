"""The sums that are kept: right whatever is done, by whichever release, and as cheap in an old outbox as in a new."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from tests.helpers import Clock

from rasa_kustomer.outbox import (
    Attempt,
    Kind,
    Lease,
    NewRecord,
    Outbox,
    Outcome,
    SessionKey,
    retention,
)
from rasa_kustomer.outbox.connection import Connection

WHO = {"external_id": None, "email": "ann@example.com", "phone": None, "name": "Ann", "trusted": False}
SESSION = SessionKey("rasa:ann:1000", "ann", 1000)


@pytest.fixture
async def outbox(outbox_url: str) -> AsyncIterator[Outbox]:
    clock = Clock(1_700_000_000.0)
    outbox = Outbox(outbox_url, now=clock)
    await outbox.counts()  # makes the tables, with more time than a turn may take
    yield outbox
    await outbox.close()


def turns(count: int, session: SessionKey = SESSION, first: int = 1) -> list[NewRecord]:
    return [
        NewRecord(f"{session.key}:{n}", Kind.MESSAGE, {"direction": "in", "text": "t", "at_ms": 1000 + n}, 1000 + n)
        for n in range(first, first + count)
    ]


async def live(outbox: Outbox) -> None:
    """Everything that can happen to records."""
    await outbox.record(SESSION, WHO, turns(6))
    await outbox.record(SESSION, WHO, turns(6))
    (lease,) = await outbox.lease(1)
    lease.conversation_id = "k"
    await outbox.resolved(lease)
    first, second, third, fourth, fifth, _ = lease.records
    await outbox.begin(lease, first)
    await outbox.delivered(lease, first, kustomer_id="m1", sent_ms=1)
    await outbox.delivered(lease, first, kustomer_id="m1", sent_ms=1)
    await outbox.begin(lease, second)
    await outbox.dead(lease, second, "refused")
    parts = [Attempt(lease.id, one, one.id) for one in (third, fourth)]
    await outbox.bulk.begin(parts)
    await outbox.bulk.delivered([Outcome(one, "m") for one in parts])
    await outbox.begin(lease, fifth)
    await outbox.dead(lease, fifth, "refused")
    await outbox.release(lease)
    await outbox.maintenance.retry([second.id])
    await outbox.auditing.put_back(lease.id, {third.id: None})
    for lease in await outbox.lease(9):
        for record in lease.records:
            await outbox.delivered(lease, record, kustomer_id="m", sent_ms=2)
        await outbox.release(lease)
    assert await outbox.maintenance.close_idle(-1) == 1
    await outbox.maintenance.purge(older_than_seconds=-1)
    await outbox.maintenance.purge(older_than_seconds=-1, dead=True)


async def test_the_sums_are_right_after_whatever_is_done(outbox: Outbox) -> None:
    await live(outbox)

    counts = await outbox.counts()
    assert (counts.accepted, counts.delivered, counts.pending, counts.dead) == (6, 5, 1, 0)
    assert counts.balanced
    assert await outbox.maintenance.recount(), "counting row by row finds the same"
    assert await outbox.counts() == counts


async def test_a_lost_record_shows_and_counting_again_does_not_hide_it(outbox: Outbox) -> None:
    """What was accepted is not counted from the records, else the books would always balance."""
    await outbox.record(SESSION, WHO, turns(3))
    await outbox.database.run(lambda c: c.change("DELETE FROM kustomer_record WHERE key = :key", key="rasa:ann:1000:2"))
    assert not (await outbox.counts()).balanced

    assert await outbox.maintenance.recount()
    assert not (await outbox.counts()).balanced


def drop_additions(c: Connection) -> None:
    """Make it an outbox of release 0.1."""
    if c.is_sqlite:
        for name in c.column("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            c.change(f"DROP TRIGGER {name}")
    else:
        c.change("DROP FUNCTION kustomer_tally CASCADE")
    c.change("DROP TABLE kustomer_tally")
    for name in ("session_idle", "session_named", "session_ticket", "record_dead_of"):
        c.change(f"DROP INDEX kustomer_{name}")


async def test_an_outbox_of_release_0_1_is_counted_once_and_goes_on(outbox: Outbox, outbox_url: str) -> None:
    await live(outbox)
    await outbox.record(SESSION, WHO, turns(2, first=7))
    before = await outbox.counts()
    await outbox.database.run(drop_additions)
    await outbox.close()

    again = Outbox(outbox_url)
    assert await again.counts() == before
    await again.record(SESSION, WHO, turns(2, first=9))
    counts = await again.counts()
    assert (counts.accepted, counts.balanced) == (before.accepted + 2, True)
    assert await again.maintenance.recount()
    await again.close()


async def test_what_release_0_1_writes_in_between_is_counted(outbox: Outbox) -> None:
    """It knows nothing of the sums; the database keeps them."""
    await outbox.record(SESSION, WHO, turns(1))
    await outbox.database.run(
        lambda c: c.change("UPDATE kustomer_session SET accepted = accepted + 1 WHERE key = 'rasa:ann:1000'")
    )
    await outbox.database.run(
        lambda c: c.change(
            "INSERT INTO kustomer_record"
            " (session_id, key, kind, payload, state, unsure, attempts, not_before, created_at)"
            " SELECT id, 'other', 'message', '{}', 'delivered', false, 0, 0, 0 FROM kustomer_session"
        )
    )

    counts = await outbox.counts()
    assert (counts.accepted, counts.delivered, counts.balanced) == (2, 1, True)
    assert await outbox.maintenance.recount()


def aged(path: Path, sessions: int) -> Outbox:
    return Outbox(f"sqlite:///{path}/{sessions}.db", now=lambda: NOW)


NOW = 1_800_000_000.0
OF_ANN = Lease(
    1, SESSION.key, SESSION.sender_id, WHO, None, None, creating=False, escalated=False, attempts=0, last_sent_ms=0
)
ASKED_OFTEN: dict[str, Callable[[Outbox], Awaitable[object]]] = {
    "counts": lambda outbox: outbox.counts(),
    "what to lease": lambda outbox: outbox.lease(8, escalated=False, handoff=False),
    "what is idle": lambda outbox: outbox.maintenance.close_idle(60),
    "who is to be forgotten": lambda outbox: outbox.maintenance._find(
        retention._NAMED, {"before": NOW - 86_400 * 7, "but_not": []}
    ),
    "what was left open": lambda outbox: outbox.maintenance.let_go(),
    "a sender's latest session": lambda outbox: outbox.latest_session("ann"),
    "a sender's tickets": lambda outbox: outbox.tickets("ann"),
    "a session's dead turns": lambda outbox: outbox.dead_turns(OF_ANN),
}


async def steps(path: Path, sessions: int) -> dict[str, int]:
    """How much SQLite works for each, with so many old sessions: closed, forgotten, all of them of one sender."""
    outbox = aged(path, sessions)
    await outbox.record(SESSION, WHO, turns(3))
    await outbox.close()
    with sqlite3.connect(path / f"{sessions}.db") as database:
        database.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
            "INSERT INTO kustomer_session (key, sender_id, started_ms, identity, conversation_id, creating, escalated,"
            " closed, accepted, purged, purged_ms, last_turn_at, last_sent_ms, not_before, attempts, leased_until)"
            " SELECT 'old' || i, 'ann', i, ?, 'k', 0, 0, 1, 2, 0, 0, 1000.0 + i, 0, 0.0, 0, 0.0 FROM n",
            (sessions, '{"external_id":null,"email":null,"phone":null,"name":null,"trusted":false}'),
        )
        database.execute(
            "INSERT INTO kustomer_record (session_id, key, kind, payload, state, unsure, attempts, not_before,"
            " created_at, settled_at) SELECT id, 'r' || id || '-' || i, 'message', '{}',"
            " CASE WHEN id % 50 = 2 THEN 'dead' ELSE 'delivered' END, 0, 1, 0, 0, 1000.0"
            " FROM kustomer_session, (SELECT 1 AS i UNION SELECT 2) WHERE key LIKE 'old%'"
        )
    database.close()
    outbox, found = aged(path, sessions), {}
    worked = 0

    def count() -> None:
        nonlocal worked
        worked += 1

    for name, ask in ASKED_OFTEN.items():
        await ask(outbox)  # statements are prepared
        for reads in (True, False):
            await outbox.database.run(lambda c: c._driver.set_progress_handler(count, 10), reads=reads)
        worked = 0
        await ask(outbox)
        found[name] = worked
        for reads in (True, False):
            await outbox.database.run(lambda c: c._driver.set_progress_handler(None, 0), reads=reads)
    await outbox.close()
    return found


async def test_what_is_asked_often_costs_the_same_however_old_the_outbox_is(tmp_path: Path) -> None:
    young, old = await steps(tmp_path, 100), await steps(tmp_path, 3_000)

    dead = 60 - 2  # `counts` goes through the dead ones, which are for an operator to see to
    assert {name: (young[name], old[name]) for name in old if old[name] > young[name] + 10 + dead * 2} == {}
