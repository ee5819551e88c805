"""What is removed is removed whole, what is kept is kept, and a row that cannot be read costs itself only."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.delivery.office import ANONYMOUS, Office

from kustomer_sandbox import Sandbox
from rasa_kustomer.delivery.housekeeping import Housekeeping
from rasa_kustomer.delivery.session import SURPRISES_TO_GIVE_UP
from rasa_kustomer.outbox import Kind, NewRecord, Outbox, SessionKey

DAY = 86_400.0
ANN = {
    "external_id": "C-77",
    "email": "ann.lee@example.com",
    "phone": "+4930901820",
    "name": "Ann Lee",
    "trusted": True,
}
WHO_SHE_IS = ["C-77", "ann.lee@example.com", "+4930901820", "Ann Lee", "broken parcel", "she wants a refund"]
SESSION = SessionKey("rasa:web-1:1000", "web-1", 1000)


def turns(*texts: str, first: int = 1) -> list[NewRecord]:
    return [
        NewRecord(
            f"{SESSION.key}:{n}",
            Kind.MESSAGE,
            {"direction": "in", "text": said, "at_ms": 1000 + n, "channel": "chat"},
            1000 + n,
        )
        for n, said in enumerate(texts, start=first)
    ]


async def handed_off(office: Office) -> None:
    """Ann's chat, with a ticket, all of it in Kustomer."""
    await office.outbox.record(SESSION, ANN, turns("my broken parcel"))
    note = NewRecord(f"{SESSION.key}:note", Kind.NOTE, {"text": "Ann Lee: she wants a refund", "team": None})
    ticket = NewRecord(f"{SESSION.key}:ticket", Kind.TICKET, {"priority": 3, "team": None, "subject": "RK-1 Ann Lee"})
    await office.outbox.record(SESSION, ANN, [note, ticket], escalate=True)
    await office.deliver()
    await office.worker.stop()


async def retire(outbox: Outbox, days: float = 7) -> None:
    while any(await outbox.maintenance.retire(older_than_seconds=days * DAY)):
        pass


async def readable(office: Office) -> str:
    """All that the database holds, in its files where it has any."""
    path = office.outbox.path
    if path is not None:
        return "".join(one.read_bytes().decode("latin-1") for one in path.parent.glob(f"{path.name}*"))
    tables = ("kustomer_session", "kustomer_record", "kustomer_meta")
    rows: list[str] = await office.outbox.database.run(
        lambda c: [str(dict(row)) for table in tables for row in c.rows(f"SELECT * FROM {table}")]  # noqa: S608
    )
    return "".join(rows)


def found(where: str) -> list[str]:
    return [one for one in WHO_SHE_IS if one in where]


async def test_what_the_retention_removes_is_removed_whole(office: Office) -> None:
    await handed_off(office)
    assert found(await readable(office)) == WHO_SHE_IS
    office.clock.now += 6 * DAY
    await retire(office.outbox)
    assert found(await readable(office)) == WHO_SHE_IS, "it is too young"

    office.clock.now += 2 * DAY
    await retire(office.outbox)
    assert found(await readable(office)) == []
    assert (await office.outbox.counts()).balanced


async def test_what_the_person_still_needs_survives_it(office: Office, sandbox: Sandbox) -> None:
    """Their ticket's reference, what was recorded already, and whose it is when they come again."""
    await handed_off(office)
    office.clock.now += 8 * DAY
    await retire(office.outbox)

    (ticket,) = await office.outbox.tickets("web-1")
    assert ticket["key"] == SESSION.key
    assert ticket["conversation_id"] in sandbox.state.conversations
    assert await office.outbox.record(SESSION, ANN, turns("my broken parcel")) == 0, "it was recorded already"

    assert await office.outbox.record(SESSION, ANN, turns("me again", first=2)) == 1
    sandbox.state.drop("conversations", ticket["conversation_id"])
    await office.deliver()
    (again,) = sandbox.state.conversations.values()
    assert sandbox.state.customers[again["customer"]]["name"] == "Ann Lee"
    assert len(sandbox.state.customers) == 1


async def test_whoever_has_something_waiting_is_still_delivered_to_the_right_customer(
    office: Office, sandbox: Sandbox
) -> None:
    await office.outbox.record(SESSION, ANN, turns("my broken parcel"))
    office.clock.now += 8 * DAY
    await retire(office.outbox)
    assert "ann.lee@example.com" in await readable(office)

    await office.deliver()
    (customer,) = sandbox.state.customers.values()
    assert customer["name"] == "Ann Lee"
    assert office.sandbox.state.messages


async def test_a_dead_record_loses_its_text_and_nothing_else(office: Office, sandbox: Sandbox) -> None:
    sandbox.fail("POST /v1/conversations/*/messages", "status:422", times=None)
    await office.outbox.record(SESSION, ANN, turns("my broken parcel"))
    await office.deliver()
    await office.worker.stop()
    office.clock.now += 8 * DAY
    await retire(office.outbox)

    assert found(await readable(office)) == []
    (entry,) = await office.outbox.maintenance.entries(state="dead")
    assert "its text was deleted" in entry["reason"]
    assert await office.outbox.maintenance.retry() == 0, "there is nothing left that could be sent"
    assert await office.outbox.record(SESSION, ANN, turns("my broken parcel")) == 0
    await retire(office.outbox)
    assert await office.outbox.maintenance.purge(older_than_seconds=7 * DAY, dead=True) == 1
    assert found(await readable(office)) == []
    assert await office.outbox.record(SESSION, ANN, turns("my broken parcel")) == 0


async def test_a_session_that_a_killed_process_left_open_is_tidied_too(office: Office) -> None:
    await office.outbox.record(SESSION, ANN, turns("my broken parcel"))
    (lease,) = await office.outbox.lease(1)
    lease.conversation_id = "k"
    await office.outbox.resolved(lease)
    await office.outbox.delivered(lease, lease.records[0], kustomer_id="m", sent_ms=1)  # and never released
    await office.outbox.maintenance.let_go()
    assert await office.outbox.maintenance.close_idle(-1) == 0, "somebody is at work on it"

    office.clock.now += 4000
    await office.outbox.maintenance.let_go()
    assert await office.outbox.maintenance.close_idle(60) == 1


async def spoil(office: Office, table: str, column: str, key: str, value: object = "no JSON") -> None:
    change = f"UPDATE {table} SET {column} = :value WHERE key = :key"  # noqa: S608 - a test's own words
    await office.outbox.database.run(lambda c: c.change(change, value=value, key=key))


async def test_a_payload_that_cannot_be_read_does_not_keep_others_from_being_purged(office: Office) -> None:
    await handed_off(office)
    await spoil(office, "kustomer_record", "payload", f"{SESSION.key}:1")
    office.clock.now += 8 * DAY
    await retire(office.outbox)

    assert await office.outbox.maintenance.entries() == []


@pytest.mark.parametrize("value", ["no JSON", "[]", '{"surprise": 1}', '{"email": 5, "name": ["x"]}'])
async def test_an_identity_that_cannot_be_read_holds_up_no_other_session(office: Office, value: str) -> None:
    for sender in ("ann", "bob", "eve"):
        await office.say(sender, "hello")
    await spoil(office, "kustomer_session", "identity", "rasa:ann:1000", value)
    await office.deliver()

    assert [office.texts(one) for one in ("ann", "bob", "eve")] == [["hello"]] * 3


@pytest.mark.parametrize("value", ["no JSON", "[]", "{}", '{"at_ms": "soon", "text": 1, "direction": "in"}'])
@pytest.mark.parametrize("many", [1, 12])
async def test_a_turn_that_cannot_be_read_costs_itself_only(
    office: Office, caplog: pytest.LogCaptureFixture, value: str, many: int
) -> None:
    """Neither its own session nor those that share a bulk job with it."""
    office.step_seconds = 5.0
    for number in range(many):
        await office.say(f"v{number}", "one", "two", "three")
    await spoil(office, "kustomer_record", "payload", "rasa:v0:1000:2", value)
    await office.deliver()

    assert office.texts("v0") == ["one", "three"]
    assert all(office.texts(f"v{number}") == ["one", "two", "three"] for number in range(1, many))
    (dead,) = await office.outbox.maintenance.entries(state="dead")
    assert dead["key"] == "rasa:v0:1000:2"
    assert "Traceback" not in caplog.text
    failed = sum("Delivery of a session failed" in one.getMessage() for one in caplog.records)
    assert failed <= SURPRISES_TO_GIVE_UP, "no other session had to be tried again"


async def test_a_closing_whose_key_is_taken_closes_the_others_and_is_not_tried_for_ever(office: Office) -> None:
    sessions = [await office.say(f"v{number}", "hello") for number in range(3)]
    await office.deliver()
    await office.worker.stop()
    taken = f"{sessions[0].key}:close:{int(office.clock.now * 1000)}"
    state = await office.outbox.maintenance.entries()
    assert len(state) == 3
    now = office.clock.now
    await office.outbox.database.run(lambda c: c.change("UPDATE kustomer_session SET last_turn_at = :now", now=now))
    record = "UPDATE kustomer_record SET key = :taken WHERE key = :key"
    await office.outbox.database.run(lambda c: c.change(record, taken=taken, key=f"{sessions[0].key}:1"))

    office.clock.now += 3600
    assert await office.outbox.maintenance.close_idle(30) == 3
    assert await office.outbox.maintenance.close_idle(30) == 0
    assert len(await office.outbox.maintenance.entries(kind="close")) == 2
    assert (await office.outbox.counts()).balanced


async def test_a_surprise_with_one_row_costs_that_row(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever it is: the others of its batch are closed all the same."""
    for number in range(5):
        await office.say(f"v{number}", "hello")
    await office.deliver()
    await office.worker.stop()
    office.clock.now += 3600
    await spoil(office, "kustomer_session", "last_turn_at", "rasa:v2:1000", -1e306)
    house = Housekeeping(office.outbox, idle_close_minutes=30, retention_days=0, sleep=office.clock.sleep)
    house.start()
    for _ in range(200):
        office.clock.now += 10
        await asyncio.sleep(0.002)
    await house.stop()

    assert len(await office.outbox.maintenance.entries(kind="close")) == 4
    assert len([one for one in caplog.records if "A row of the outbox was skipped" in one.getMessage()]) == 1
    assert "Traceback" not in caplog.text


async def test_many_idle_chats_are_queued_in_one_round(office: Office) -> None:
    for number in range(120):
        session = SessionKey(f"rasa:v{number}:1", f"v{number}", 1)
        await office.outbox.record(session, ANONYMOUS, [NewRecord(f"{session.key}:1", Kind.MESSAGE, {"at_ms": 1}, 1)])
    for lease in await office.outbox.lease(120):
        lease.conversation_id = lease.key
        await office.outbox.resolved(lease)
        await office.outbox.delivered(lease, lease.records[0], kustomer_id="m", sent_ms=1)
        await office.outbox.release(lease)
    office.clock.now += 3600

    batches = []
    while closed := await office.outbox.maintenance.close_idle(30):
        batches.append(closed)
    assert sum(batches) == 120
    assert len(batches) > 1


def test_deleted_texts_are_overwritten_whatever_the_build_of_sqlite(tmp_path: Path) -> None:
    async def secure() -> list[Any]:
        outbox = Outbox(f"sqlite:///{tmp_path}/outbox.db")
        await outbox.record(SESSION, ANN, turns("hello"))
        await outbox.record(SESSION, ANN, turns("hello", first=2))
        found: int = await outbox.database.run(lambda c: c.value("PRAGMA secure_delete"))
        await outbox.close()
        return [found]

    assert asyncio.run(secure()) == [1]
    assert sqlite3.connect(tmp_path / "outbox.db").execute("SELECT count(*) FROM kustomer_record").fetchone() == (2,)
