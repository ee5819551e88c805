"""Delivery under every failure that can be scripted: nothing lost, nothing doubled, in order, and recovered."""

import asyncio
import logging
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.delivery.office import ANONYMOUS, Office

from kustomer_sandbox import Sandbox
from rasa_kustomer.outbox import DEAD, DELIVERED, LEASE_SECONDS, Kind, Lease, NewRecord, Outbox, Record

HELLO = ("hello", "hi, how can I help?", "my parcel is late", "I am sorry")
MESSAGES = "POST /v1/conversations/*/messages"


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


async def test_turns_stand_on_the_timeline_once_in_order_and_parked(office: Office, sandbox: Sandbox) -> None:
    await office.say("ann", *HELLO)
    await office.deliver()

    (conversation,) = office.conversations("ann")
    assert office.texts("ann") == list(HELLO)
    assert len({row["sentAt"] for row in office.rows("ann")}) == len(HELLO)
    assert [row["direction"] for row in office.rows("ann")] == ["in", "out", "in", "out"]
    assert [row["auto"] for row in office.rows("ann")] == [False, True, False, True]
    assert conversation["assignedUsers"] == [sandbox.machine_user["id"]]
    assert sandbox.state.customers[conversation["customer"]]["externalIds"][0]["externalId"] == "rasa:ann"


async def test_later_turns_go_to_the_same_conversation(office: Office) -> None:
    await office.say("ann", *HELLO[:2])
    await office.deliver()
    await office.say("ann", *HELLO[2:], start=3)
    await office.deliver()

    assert office.texts("ann") == list(HELLO)
    assert len(office.conversations("ann")) == 1


async def test_one_look_up_one_customer_one_conversation_and_one_request_a_message(
    office: Office, sandbox: Sandbox
) -> None:
    await office.say("ann", *HELLO)
    await office.deliver()

    assert [f"{one.method} {one.path.split('/')[2]}" for one in sandbox.requests] == [
        "GET customers",
        "POST customers",
        "GET users",
        "POST conversations",
        *["POST conversations"] * len(HELLO),
    ]


@pytest.mark.parametrize("outbox_url", ["sqlite"], indirect=True)  # what fails here is Kustomer, 54 times
@pytest.mark.parametrize(
    "match",
    [
        "POST /v1/customers",
        "POST /v1/conversations",
        MESSAGES,
        "POST /v1/conversations/*/notes",
        "POST /v1/conversations/*/tags",
        "PATCH /v1/conversations/*",
    ],
)
@pytest.mark.parametrize(
    "fault",
    [
        "reset-after",
        "reset-before",
        "status-after:503",
        "status:503",
        "html-after:200",
        "bad-json",
        "html:502",
        "429:org",
        "429:customer",
    ],
)
async def test_a_failure_at_any_step_doubles_and_loses_nothing(
    office: Office, sandbox: Sandbox, match: str, fault: str
) -> None:
    """Lost responses (the write happened, the answer did not) among them."""
    sandbox.fail(match, fault, times=2)
    session = await office.say("ann", *HELLO)
    await office.hand_off(session)

    await office.deliver()

    (conversation,) = office.conversations("ann")
    assert office.texts("ann") == list(HELLO)
    assert len(sandbox.state.customers) == 1
    (note,) = sandbox.state.notes.values()
    assert note["body"].startswith("summary")
    assert ("transcript follows" in note["body"]) is ((match, fault) == (MESSAGES, "429:customer"))
    assert (conversation["status"], conversation["priority"], conversation["assignedUsers"]) == ("open", 4, [])
    assert sandbox.state.tag_names(conversation) == ["bot-handoff"]
    assert (await office.outbox.counts()).dead == 0


async def test_a_server_that_hangs_after_the_write_does_not_get_it_twice(sandbox: Sandbox, tmp_path: Path) -> None:
    office = Office(sandbox, f"sqlite:///{tmp_path}/outbox.db", timeout_seconds=0.3)
    sandbox.fail(MESSAGES, "hang-after", times=1)
    await office.say("ann", *HELLO)

    await office.deliver()

    assert office.texts("ann") == list(HELLO)
    await office.close()


async def test_a_stuck_conversation_holds_up_no_other(office: Office, sandbox: Sandbox) -> None:
    await office.say("ann", "hello")
    await office.deliver()
    (stuck,) = office.conversations("ann")
    sandbox.fail(f"POST /v1/conversations/{stuck['id']}/messages", "status:500", times=None)
    await office.say("ann", "again", start=2)
    await office.say("bob", *HELLO)

    await office.deliver(pending=1)

    assert office.texts("bob") == list(HELLO)
    assert not office.breaker.is_open

    sandbox.heal()
    await office.deliver()
    assert office.texts("ann") == ["hello", "again"]


async def test_an_outage_keeps_everything_says_so_once_and_is_over_by_itself(
    office: Office, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="rasa_kustomer")
    sandbox.fail("*", "reset-before", times=None)
    for name in ("ann", "bob", "eve", "kim"):
        await office.say(name, *HELLO)
    office.worker.start()
    await office.until(lambda _counts: office.breaker.is_open and len(sandbox.requests) > 12)
    assert (await office.outbox.counts()).pending == 16

    sandbox.heal()
    await office.deliver()

    for name in ("ann", "bob", "eve", "kim"):
        assert office.texts(name) == list(HELLO)
    said = [
        record.levelname
        for record in caplog.records
        if record.name.startswith("rasa_kustomer.delivery.circuit_breaker")
    ]
    assert said == ["WARNING", "INFO"]


@pytest.mark.parametrize("key", ["wrong-key", "sandbox-expired-key", "sandbox-other-pod-key"])
async def test_a_refused_key_stops_sending_and_keeps_everything(
    sandbox: Sandbox, tmp_path: Path, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    office = Office(sandbox, f"sqlite:///{tmp_path}/outbox.db", api_key=key)
    for name in ("ann", "bob"):
        await office.say(name, *HELLO)
    office.worker.start()
    await office.until(lambda _counts: len(sandbox.requests) >= 3)

    assert office.breaker.is_open
    assert "KUSTOMER_" in str(office.breaker.cause)
    assert len(warnings_in(caplog)) == 1
    assert key not in caplog.text
    await office.close()

    send_with_fallbacks = Office(sandbox, f"sqlite:///{tmp_path}/outbox.db")
    await send_with_fallbacks.deliver()
    assert send_with_fallbacks.texts("ann") == send_with_fallbacks.texts("bob") == list(HELLO)
    await send_with_fallbacks.close()


async def test_a_missing_role_stops_sending_names_the_role_and_recovers(
    office: Office, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    role = "org.permission.message.create"
    sandbox.roles.discard(role)
    await office.say("ann", *HELLO)
    office.worker.start()
    await office.until(lambda _counts: office.breaker.is_open)
    assert role in str(office.breaker.cause)
    assert len(warnings_in(caplog)) == 1

    sandbox.roles.add(role)
    await office.deliver()

    assert office.texts("ann") == list(HELLO)


async def test_a_key_that_may_not_write_notes_still_makes_the_ticket(
    office: Office, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    role = "org.permission.note.create"
    sandbox.roles.discard(role)
    session = await office.say("ann", *HELLO)
    await office.hand_off(session)
    await office.deliver(pending=1)

    assert await office.outbox.record_state(f"{session.key}:ticket") == DELIVERED
    assert role in caplog.text

    sandbox.roles.add(role)
    await office.deliver()
    assert [note["body"] for note in sandbox.state.notes.values()] == ["summary"]


async def test_after_a_rate_limit_nothing_is_sent_before_the_reset(office: Office, sandbox: Sandbox) -> None:
    await office.say("ann", *HELLO)
    sandbox.fail(MESSAGES, "429:org", times=1)
    office.worker.start()
    await office.until(lambda _counts: office.rate_limiter.blocked_seconds > 0)
    sent, end = len(sandbox.requests), office.rate_limiter.blocked_until
    await office.hand_off(await office.say("bob", "a handoff waits for nothing else"))

    while office.clock.now < end - 1:
        office.clock.now += 0.5
        office.outbox.work_arrived.set()
        office.outbox.handoff_arrived.set()  # so that the worker does not gather
        await asyncio.sleep(0.005)
    assert len(sandbox.requests) == sent

    await office.deliver()
    assert office.texts("ann") == list(HELLO)


async def test_the_limit_of_one_customer_slows_that_customer_only(office: Office, sandbox: Sandbox) -> None:
    await office.say("ann", "hello")
    await office.deliver()
    (limited,) = office.conversations("ann")
    sandbox.fail(f"POST /v1/conversations/{limited['id']}/messages", "429:customer", times=None)
    await office.say("ann", "again", start=2)
    await office.say("bob", *HELLO)

    await office.deliver(pending=1)

    assert office.texts("bob") == list(HELLO)
    assert office.rate_limiter.blocked_seconds == 0
    sandbox.heal()
    await office.deliver()
    assert office.texts("ann") == ["hello", "again"]


@pytest.mark.parametrize("kind", ["conversations", "customers"])
async def test_what_was_deleted_in_kustomer_is_made_anew(office: Office, sandbox: Sandbox, kind: str) -> None:
    await office.say("ann", "hello")
    await office.deliver()
    (old,) = office.conversations("ann")
    sandbox.state.drop("conversations", old["id"])
    if kind == "customers":
        sandbox.state.drop("customers", old["customer"])
    sandbox.state.commit()

    await office.say("ann", "still there?", start=2)
    await office.deliver()

    (new,) = office.conversations("ann")
    assert new["id"] != old["id"]
    assert office.texts("ann") == ["still there?"]


@pytest.mark.parametrize("status", [400, 409, 422])
async def test_records_that_exist_already_are_adopted(office: Office, sandbox: Sandbox, status: int) -> None:
    """Where Kustomer keeps external ids unique, a second create is refused; which status it uses is unknown."""
    sandbox.rules.unique_external_ids = True
    sandbox.rules.duplicate_status = status
    sandbox.fail("POST /v1/conversations", "reset-after", times=1)
    sandbox.fail(MESSAGES, "reset-after", times=1, skip=1)
    await office.say("ann", *HELLO)

    await office.deliver()

    assert office.texts("ann") == list(HELLO)
    assert (await office.outbox.counts()).dead == 0


async def test_where_the_bot_cannot_be_assigned_chats_are_unparked_with_one_warning(
    office: Office, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.rules.bot_assignable = False
    for name in ("ann", "bob"):
        await office.say(name, *HELLO)
        await office.deliver()

    assert [row["assignedUsers"] for name in ("ann", "bob") for row in office.conversations(name)] == [[], []]
    assert len([text for text in warnings_in(caplog) if "KUSTOMER_PARKING" in text]) == 1


@pytest.mark.parametrize("parking", ["none", "queue"])
async def test_the_other_ways_of_parking(sandbox: Sandbox, tmp_path: Path, parking: str) -> None:
    queue = next(iter(sandbox.state.queues))
    wish = parking if parking == "none" else f"queue:{queue}"
    office = Office(sandbox, f"sqlite:///{tmp_path}/outbox.db", parking=wish)
    session = await office.say("ann", *HELLO)
    await office.deliver()
    (parked,) = office.conversations("ann")
    assert parked["assignedUsers"] == []
    assert bool(parked.get("queue")) is (parking == "queue")

    await office.hand_off(session)
    await office.deliver()
    assert await office.outbox.record_state(f"{session.key}:ticket") == DELIVERED
    await office.close()


async def test_an_unknown_team_falls_back_to_the_default_and_is_said(
    office: Office, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    session = await office.say("ann", *HELLO)
    await office.hand_off(session, team="Moon")
    await office.deliver()

    (ticket,) = office.conversations("ann")
    (note,) = sandbox.state.notes.values()
    assert ticket["assignedTeams"] == [sandbox.team("Support")["id"]]
    assert 'The team "Moon" does not exist' in note["body"]
    assert "The team of a handoff does not exist" in caplog.text
    assert "Moon" not in caplog.text


async def test_a_team_is_found_by_name_without_regard_to_capitals(office: Office, sandbox: Sandbox) -> None:
    session = await office.say("ann", *HELLO)
    await office.hand_off(session, team="bILLING")
    await office.deliver()

    assert office.conversations("ann")[0]["assignedTeams"] == [sandbox.team("Billing")["id"]]


async def test_a_turn_that_kustomer_refuses_is_set_aside_and_the_rest_goes_on(office: Office, sandbox: Sandbox) -> None:
    session = await office.say("ann", "hello", "x" * 20_000, "still here")
    await office.deliver()

    assert office.texts("ann") == ["hello", "still here"]
    assert await office.outbox.record_state(f"{session.key}:2") == DEAD
    counts = await office.outbox.counts()
    assert (counts.accepted, counts.delivered, counts.dead, counts.balanced) == (3, 2, 1, True)


async def test_the_note_says_how_many_turns_are_missing(office: Office, sandbox: Sandbox) -> None:
    session = await office.say("ann", "hello", "x" * 20_000, "y" * 20_000)
    await office.hand_off(session)
    await office.deliver()

    (note,) = sandbox.state.notes.values()
    assert note["body"] == "summary\n\nTurns that could not be shown here: 2."


async def test_the_handoff_comes_after_the_turns_and_the_note_before_the_ticket(
    office: Office, sandbox: Sandbox
) -> None:
    session = await office.say("ann", *HELLO)
    await office.hand_off(session)
    await office.deliver()

    steps = [f"{one.method} {one.path.rsplit('/', 1)[1]}" for one in sandbox.requests]
    assert steps[-3:] == ["POST notes", "POST tags", f"PATCH {office.conversations('ann')[0]['id']}"]


@pytest.mark.parametrize("outbox_url", ["sqlite"], indirect=True)  # what fails here is Kustomer
async def test_a_ticket_that_met_a_change_of_somebody_else_is_opened_later(office: Office, sandbox: Sandbox) -> None:
    sandbox.fail("PATCH /v1/conversations/*", "status:409", times=7)
    session = await office.say("ann", *HELLO)
    await office.hand_off(session)
    await office.deliver()

    (ticket,) = office.conversations("ann")
    assert (ticket["priority"], ticket["assignedTeams"]) == (4, [sandbox.team("Support")["id"]])
    assert (await office.outbox.counts()).dead == 0


@pytest.mark.parametrize("outbox_url", ["sqlite"], indirect=True)
async def test_a_closing_that_is_refused_for_ever_does_not_hold_up_what_is_said_later(
    office: Office, sandbox: Sandbox
) -> None:
    session = await office.say("ann", *HELLO[:2])
    await office.deliver()
    sandbox.fail("PATCH /v1/conversations/*", "status:409", times=None)
    await office.outbox.record(session, ANONYMOUS, [NewRecord(f"{session.key}:close:1", Kind.CLOSE, {})])
    await office.say("ann", "goodbye", start=4)  # the bot: the customer's words would take the closing back
    office.step_seconds = 5.0
    await office.deliver()

    assert office.texts("ann") == [*HELLO[:2], "goodbye"]
    assert await office.outbox.record_state(f"{session.key}:close:1") == DEAD


@pytest.mark.parametrize("outbox_url", ["sqlite"], indirect=True)
async def test_tags_that_are_there_already_are_no_failure(office: Office, sandbox: Sandbox) -> None:
    sandbox.fail("POST /v1/conversations/*/tags", "status:409", times=1)
    session = await office.say("ann", *HELLO)
    await office.hand_off(session)
    await office.deliver()

    assert await office.outbox.record_state(f"{session.key}:tags") == DELIVERED


async def test_who_signs_in_after_the_session_was_leased_is_who_the_conversation_goes_to(
    office: Office, sandbox: Sandbox
) -> None:
    session = await office.say("ann", "hello")
    await office.deliver()
    await office.worker.stop()
    await office.say("ann", "I am ann@example.com", start=2)
    (lease,) = await office.outbox.lease(1)
    move = NewRecord(f"{session.key}:customer:1", Kind.REPOINT, {})
    await office.outbox.record(session, ANONYMOUS | {"email": "ann@example.com"}, [move])
    lease.records = await office.outbox.due(lease)

    await office.delivery.deliver(lease, lambda: True)

    (conversation,) = office.conversations("ann")
    assert sandbox.state.customers[conversation["customer"]]["emails"][0]["email"] == "ann@example.com"


@pytest.mark.parametrize("outbox_url", ["sqlite"], indirect=True)
async def test_a_conversation_that_cannot_be_moved_holds_up_no_turns(office: Office, sandbox: Sandbox) -> None:
    """Whether Kustomer moves conversations, and how it says that it does not, is not documented."""
    session = await office.say("ann", *HELLO[:2])
    await office.deliver()
    sandbox.fail("PATCH /v1/conversations/*", "status:409", times=None)
    move = NewRecord(f"{session.key}:customer:1", Kind.REPOINT, {})
    await office.outbox.record(session, {**ANONYMOUS, "external_id": "c-7"}, [move])
    await office.say("ann", *HELLO[2:], start=3)
    await office.deliver()

    assert office.texts("ann") == list(HELLO)


async def test_what_a_newer_release_has_written_is_left_to_it_and_holds_up_nobody_else(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """Two releases side by side, as in a rolling update; both share the schema, one knows a kind of record more."""
    path = tmp_path / "outbox.db"
    old = Office(sandbox, f"sqlite:///{path}")
    await old.say("ann", "hello", "hi")
    with sqlite3.connect(path) as database:
        database.execute(
            "INSERT INTO kustomer_record"
            " (session_id, key, kind, payload, state, unsure, attempts, not_before, created_at)"
            " SELECT id, 'new', 'rating', '{}', 'pending', 0, 0, 0, 0 FROM kustomer_session"
        )
        database.execute("UPDATE kustomer_session SET accepted = accepted + 1")
    await old.say("bob", *HELLO)
    await old.deliver(pending=3)

    assert old.texts("bob") == list(HELLO)
    assert old.conversations("ann") == []
    with sqlite3.connect(path) as database:  # the newer one has done its part
        database.execute("UPDATE kustomer_record SET state = 'delivered' WHERE key = 'new'")
    await old.deliver()
    assert old.texts("ann") == ["hello", "hi"]
    await old.close()


async def test_a_surprise_does_not_end_the_worker(
    office: Office, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    lease, surprises = office.outbox.lease, [ValueError("a text of a customer")]

    async def surprising(*args: Any, **more: Any) -> Any:
        if surprises:
            raise surprises.pop()
        return await lease(*args, **more)

    monkeypatch.setattr(office.outbox, "lease", surprising)
    await office.say("ann", *HELLO)
    await office.deliver()

    assert office.texts("ann") == list(HELLO)
    assert "delivery loop, continuing: ValueError at " in caplog.text
    assert "a text of a customer" not in caplog.text


async def test_a_stopped_worker_gives_back_what_it_held_and_the_next_one_goes_on(
    sandbox: Sandbox, outbox_url: str
) -> None:
    first = Office(sandbox, outbox_url, timeout_seconds=600.0)
    sandbox.fail(MESSAGES, "hang", times=None, skip=1)
    await first.say("ann", *HELLO)
    first.worker.start()
    await first.until(lambda counts: counts.delivered == 1)
    await asyncio.wait_for(first.close(), 300)  # long before the request gives up

    sandbox.heal()
    second = Office(sandbox, outbox_url)
    await second.deliver()
    assert second.texts("ann") == list(HELLO)
    await second.close()


async def test_two_workers_on_one_outbox_double_nothing(sandbox: Sandbox, outbox_url: str) -> None:
    first, second = Office(sandbox, outbox_url), Office(sandbox, outbox_url)
    names = [f"visitor-{number}" for number in range(12)]
    for name in names:
        await first.say(name, *HELLO)
    first.worker.start()
    await second.deliver()

    for name in names:
        assert first.texts(name) == list(HELLO)
    await first.close()
    await second.close()


@pytest.mark.parametrize("outbox_url", ["sqlite"], indirect=True)  # whose leases go by the test's clock
async def test_a_session_whose_turn_another_process_has_just_settled_is_not_kept(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stalled with the turn under way and lost its lease to us; its answer comes between our look and our mark."""
    office.step_seconds = 0.02  # far less than a lease for each look
    begin, stalled = office.outbox.begin, Outbox(office.url, now=office.clock)
    late: list[Record] = []

    async def begin_after_the_late_answer(lease: Lease, record: Record) -> bool:
        if not late:
            late.append(record)
            await stalled.delivered(lease, record, kustomer_id="m", sent_ms=1_001)
        return await begin(lease, record)

    monkeypatch.setattr(office.outbox, "begin", begin_after_the_late_answer)
    began = office.clock.now
    await office.say("ann", "hello", "hi")
    await office.deliver()

    assert office.clock.now - began < LEASE_SECONDS, "the rest waits until the lease runs out, or while we are busy"
    await stalled.close()


async def test_what_is_leased_at_the_moment_of_a_stop_is_given_back(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else nobody delivers it until the lease expires."""
    await office.say("ann", "hello")
    lease, leased, go_on = office.outbox.lease, asyncio.Event(), asyncio.Event()

    async def slowly(*arguments: Any, **named: Any) -> list[Lease]:
        found = await lease(*arguments, **named)
        if found:
            leased.set()
            await go_on.wait()
        return found

    monkeypatch.setattr(office.outbox, "lease", slowly)
    office.worker.start()
    await leased.wait()
    stopping = asyncio.create_task(office.worker.stop())
    await asyncio.sleep(0)
    go_on.set()
    await stopping

    assert len(await lease(1)) == 1
    assert office.texts("ann") == []
