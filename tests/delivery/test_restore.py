"""An older copy of the outbox, an empty one, a new one beside running chats: nothing is doubled, nothing is lost."""

import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.delivery.office import ANONYMOUS, Office

from kustomer_sandbox import Sandbox
from rasa_kustomer.outbox import Attempt, Kind, NewRecord, SessionKey
from rasa_kustomer.outbox.copies import back_up, restore

if TYPE_CHECKING:
    from tests.servers import Postgres

KNOWN = {"external_id": "C-1", "email": "ann@example.com", "phone": None, "name": "Ann", "trusted": True}
EARLY = ("hello", "hi, how can I help?")
LATE = ("my parcel", "which one?", "the red one", "I see", "where is it?", "on its way", "thanks", "bye")
Lose = Callable[[Office], Awaitable[Office]]
Copy = Callable[[Office], Awaitable[Callable[[], Awaitable[Office]]]]


@pytest.fixture(autouse=True)
def _quick_jobs(sandbox: Sandbox) -> None:
    sandbox.rules.bulk_seconds = 0


@pytest.fixture
def copy(sandbox: Sandbox, outbox_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Copy:
    """Copies the outbox of an office; what it returns closes that office, puts the copy back and opens another one."""

    async def make(office: Office) -> Callable[[], Awaitable[Office]]:
        server: Postgres | None = request.getfixturevalue("postgres_server") if office.outbox.path is None else None
        file = server.dump(outbox_url) if server is not None else tmp_path / "copy.db"
        if office.outbox.path is not None:
            back_up(office.outbox.path, file)

        async def put_back() -> Office:
            await office.close()
            office.clock.now += 3_600
            if server is not None:
                server.restore(file, outbox_url)
            else:
                restore(file, Path(outbox_url.removeprefix("sqlite:///")), office.clock.now)
            second = Office(sandbox, outbox_url, clock=office.clock)
            if server is not None:
                await second.outbox.restored()
            return second

        return put_back

    return make


@pytest.fixture
def lose(sandbox: Sandbox, outbox_url: str, request: pytest.FixtureRequest) -> Lose:
    """Closes an office and opens another one on an outbox that is begun anew."""

    async def anew(office: Office) -> Office:
        await office.close()
        office.clock.now += 3_600
        url = f"{outbox_url}-2"
        if office.outbox.path is None:
            url = request.getfixturevalue("postgres_server").fresh()
        return Office(sandbox, url, clock=office.clock, born=office.clock.now)

    return anew


async def say_at(office: Office, sender: str, started_ms: int, *texts: str) -> SessionKey:
    """A chat that began at a moment."""
    session = SessionKey(f"rasa:{sender}:{started_ms}", sender, started_ms)
    new = [
        NewRecord(
            f"{session.key}:{number}",
            Kind.MESSAGE,
            {"direction": "in" if number % 2 else "out", "text": text, "at_ms": started_ms + number, "channel": "chat"},
            started_ms + number,
        )
        for number, text in enumerate(texts, start=1)
    ]
    await office.outbox.record(session, ANONYMOUS, new)
    return session


def calls(sandbox: Sandbox, since: int = 0) -> Counter[str]:
    return Counter(f"{one.method} {one.path}" for one in list(sandbox.requests)[since:])


def look_ups(sandbox: Sandbox, since: int) -> list[str]:
    """Requests for conversations, messages and notes that may be there."""
    asked = [f"{one.method} {one.path}" for one in list(sandbox.requests)[since:]]
    return [one for one in asked if one.startswith(("GET /v1/conversations", "GET /v1/messages"))]


def check(office: Office, people: list[str], *texts: str) -> None:
    """Each has said this, once and in order, in one conversation of one customer."""
    for name in people:
        assert office.texts(name) == list(texts)
        assert len(office.conversations(name)) == 1
    assert len(office.sandbox.state.conversations) == len(office.sandbox.state.customers) == len(people)
    assert len(office.sandbox.state.messages) == len(people) * len(texts)


@pytest.mark.parametrize("people", [[f"visitor-{number}" for number in range(15)], ["ann"]], ids=["bulk", "singly"])
async def test_a_copy_with_turns_that_were_sent_since_doubles_nothing_and_goes_on(
    office: Office, sandbox: Sandbox, copy: Copy, people: list[str]
) -> None:
    for one in people:
        await office.say(one, *EARLY)
    await office.deliver()
    await office.worker.stop()
    for one in people:
        await office.say(one, *LATE, start=3)
    put_back = await copy(office)
    office = await _delivered_elsewhere(office, put_back)

    begun = len(sandbox.requests)
    await office.deliver()
    assert len(look_ups(sandbox, begun)) <= 2 * len(people), "the conversation, and one list of it"
    assert not any(call.startswith("POST") for call in calls(sandbox, begun))
    for one in people:
        await office.say(one, *EARLY, *LATE, "one more thing")  # the tracker is read whole again
    await office.deliver()

    check(office, people, *EARLY, *LATE, "one more thing")
    assert (await office.outbox.counts()).balanced
    await office.close()


async def test_a_chat_that_began_after_the_copy_is_found_again(office: Office, sandbox: Sandbox, copy: Copy) -> None:
    await office.say("ann", *EARLY)
    await office.deliver()
    await office.worker.stop()
    put_back = await copy(office)
    office.clock.now += 60
    started = int(office.clock.now * 1000)
    await say_at(office, "bob", started, *EARLY)
    office = await _delivered_elsewhere(office, put_back)

    await say_at(office, "bob", started, *EARLY, *LATE)
    await office.deliver()

    assert len(sandbox.state.conversations) == 2
    assert [row["preview"] for row in sandbox.state.messages.values()] == [*EARLY, *EARLY, *LATE]
    await office.close()


async def test_a_bulk_job_that_was_under_way_in_the_copy_doubles_nothing(
    office: Office, sandbox: Sandbox, copy: Copy
) -> None:
    await office.say("ann", *EARLY)
    await office.deliver()
    await office.worker.stop()
    await office.say("ann", *LATE, start=3)
    (lease,) = await office.outbox.lease(1)
    parts = [Attempt(lease.id, record, record.payload["at_ms"]) for record in lease.records]
    await office.outbox.bulk.begin(parts)
    refused = [{"_clientRef": record.key} for record in lease.records]  # so they are sent one by one, after the copy
    await office.outbox.bulk.posted(parts, await office.client.create_bulk("messages", refused))
    put_back = await copy(office)
    office = await _delivered_elsewhere(office, put_back)

    begun = len(sandbox.requests)
    await office.deliver()

    check(office, ["ann"], *EARLY, *LATE)
    assert len(look_ups(sandbox, begun)) <= 2
    await office.close()


async def _delivered_elsewhere(office: Office, put_back: Callable[[], Awaitable[Office]]) -> Office:
    """Deliver with the outbox that gets lost, then go on with the copy."""
    delivering = Office(office.sandbox, office.url, clock=office.clock)
    await office.outbox.close()
    await delivering.deliver()
    await delivering.worker.stop()
    await delivering.client.aclose()
    await delivering.outbox.close()
    return await put_back()


@pytest.mark.parametrize("people", [[f"visitor-{number}" for number in range(15)], ["ann"]], ids=["bulk", "singly"])
async def test_an_empty_outbox_finds_the_chats_that_go_on(
    office: Office, sandbox: Sandbox, lose: Lose, people: list[str]
) -> None:
    for one in people:
        await office.say(one, *EARLY, *LATE)
    await office.deliver()
    office = await lose(office)

    begun = len(sandbox.requests)
    for one in people:
        await office.say(one, *EARLY, *LATE, "one more thing")
    await office.deliver()

    check(office, people, *EARLY, *LATE, "one more thing")
    assert len(look_ups(sandbox, begun)) <= 2 * len(people)
    await office.close()


async def test_what_the_lost_outbox_had_not_sent_comes_in_its_place(
    office: Office, sandbox: Sandbox, lose: Lose
) -> None:
    await office.say("ann", *EARLY, *LATE)
    await office.deliver()
    for text in (LATE[2], LATE[7]):
        for row in [row for row in sandbox.state.messages.values() if row["preview"] == text]:
            sandbox.state.drop("messages", row["id"])
    office = await lose(office)

    await office.say("ann", *EARLY, *LATE)
    await office.deliver()

    check(office, ["ann"], *EARLY, *LATE)
    await office.close()


async def test_a_known_person_stays_one_customer(office: Office, sandbox: Sandbox, lose: Lose) -> None:
    session = await office.say("ann")
    records = [
        NewRecord("k-1", Kind.MESSAGE, {"direction": "in", "text": "hi", "at_ms": 1001, "channel": "chat"}, 1001),
    ]
    await office.outbox.record(session, KNOWN, records)
    await office.deliver()
    office = await lose(office)

    await office.outbox.record(session, KNOWN, records)
    await office.deliver()

    check(office, ["ann"], "hi")
    await office.close()


async def test_a_new_outbox_beside_running_chats_sends_what_nobody_has_mirrored(
    sandbox: Sandbox, outbox_url: str
) -> None:
    people = [f"visitor-{number}" for number in range(8)]
    office = Office(sandbox, outbox_url, born=2_000.0)
    for one in people:
        await office.say(one, *EARLY, *LATE)
    await office.deliver()

    check(office, people, *EARLY, *LATE)
    assert len(look_ups(sandbox, 0)) <= len(people), "a conversation that is not there holds no turns"
    assert calls(sandbox)["POST /v1/messages/bulk"] == 1, "they are old, yet gathered"
    await office.close()


@pytest.mark.parametrize("newly", ["lost", "restored"])
async def test_newer_chats_cost_no_look_up(
    office: Office, sandbox: Sandbox, lose: Lose, copy: Copy, newly: str
) -> None:
    await office.say("old", *EARLY)
    await office.deliver()
    office = await lose(office) if newly == "lost" else await (await copy(office))()

    begun = len(sandbox.requests)
    office.clock.now += 60
    await say_at(office, "new", int(office.clock.now * 1000) - 10_000, *EARLY)
    await office.deliver()

    assert look_ups(sandbox, begun) == []
    assert len(sandbox.state.messages) == 4
    await office.close()


async def test_a_clock_of_rasa_that_is_ahead_makes_old_turns_no_newer(
    office: Office, sandbox: Sandbox, lose: Lose
) -> None:
    """The turn that comes now shows by how much it is ahead."""
    ahead_ms = 600_000
    started = int(office.clock.now * 1000) + ahead_ms
    session = SessionKey(f"rasa:ann:{started}", "ann", started)

    def turns(number: int) -> list[NewRecord]:
        moments = [started + 10_000 * place for place in range(number)]
        return [
            NewRecord(f"k-{at}", Kind.MESSAGE, {"direction": "in", "text": f"{at}", "at_ms": at, "channel": "chat"}, at)
            for at in moments
        ]

    await office.outbox.record(session, ANONYMOUS, turns(2))
    await office.deliver()
    clock = office.clock.now
    office = await lose(office)
    office.clock.now = clock + 30  # the disk was lost half a minute later, by our clock
    office = Office(sandbox, _another(office), clock=office.clock, born=office.clock.now)
    office.clock.now += 10
    await office.outbox.record(session, ANONYMOUS, turns(5))
    await office.deliver()

    assert len(sandbox.state.conversations) == 1
    assert len(sandbox.state.messages) == 5
    await office.close()


def _another(office: Office) -> str:
    return office.url if office.outbox.path is None else f"{office.url}-3"


def hand_over(sandbox: Sandbox, row: dict[str, Any], **changes: Any) -> None:
    """What agents do in Kustomer."""
    sandbox.state.put("conversations", {**row, **changes})


def ticket_of(office: Office) -> dict[str, Any]:
    (row,) = office.conversations("ann")
    return row


async def handed_off(office: Office) -> SessionKey:
    session = await office.say("ann", *EARLY)
    await office.hand_off(session)
    await office.deliver()
    await office.worker.stop()
    return session


@pytest.mark.parametrize("people", [[f"visitor-{number}" for number in range(8)], []], ids=["bulk", "singly"])
async def test_a_ticket_that_agents_have_is_known_again_and_never_closed(
    office: Office, sandbox: Sandbox, lose: Lose, people: list[str]
) -> None:
    await handed_off(office)
    assert ticket_of(office)["assignedTeams"]
    for one in people:
        await office.say(one, *EARLY)
    office = await lose(office)

    session = await office.say("ann", *EARLY, "are you there?")
    for one in people:
        await office.say(one, *EARLY)
    await office.deliver()
    assert (await office.outbox.session_state(session.key) or {})["escalated"]
    office.clock.now += 7_200
    assert await office.outbox.maintenance.close_idle(60) == len(people)
    await office.deliver()

    assert ticket_of(office)["status"] == "open"
    assert all(row["status"] == "done" for one in people for row in office.conversations(one)), "bot chats are closed"
    await office.close()


@pytest.mark.parametrize("status", ["open", "snoozed"])
async def test_a_ticket_of_a_copy_that_was_handed_off_later_stays_as_agents_left_it(
    office: Office, sandbox: Sandbox, copy: Copy, status: str
) -> None:
    session = await office.say("ann", *EARLY)
    await office.deliver()
    await office.worker.stop()
    put_back = await copy(office)
    await office.hand_off(session)
    again = Office(sandbox, office.url, clock=office.clock)
    await again.deliver()
    await again.close()
    hand_over(sandbox, ticket_of(office), status=status)
    office = await put_back()
    office.clock.now += 7_200

    assert await office.outbox.maintenance.close_idle(60) == 1
    await office.deliver()

    assert ticket_of(office)["status"] == status
    assert (await office.outbox.session_state(session.key) or {})["escalated"]
    await office.close()


@pytest.mark.parametrize("status", ["open", "done"])
async def test_a_handoff_of_a_copy_that_was_delivered_since_takes_nothing_from_the_agents(
    office: Office, sandbox: Sandbox, copy: Copy, status: str
) -> None:
    session = await office.say("ann", *EARLY)
    await office.deliver()
    await office.worker.stop()
    await office.hand_off(session)
    put_back = await copy(office)
    again = Office(sandbox, office.url, clock=office.clock)
    await again.deliver()
    await again.close()
    agent = next(row["id"] for row in sandbox.state.users.values() if row["userType"] != "machine")
    hand_over(sandbox, ticket_of(office), status=status, assignedTeams=[], assignedUsers=[agent], priority=1)
    office = await put_back()

    await office.deliver()

    row = ticket_of(office)
    assert (row["status"], row["assignedUsers"], row["assignedTeams"], row["priority"]) == (status, [agent], [], 1)
    assert len(sandbox.state.notes) == 1
    assert (await office.outbox.counts()).balanced
    await office.close()


async def test_a_handoff_of_a_copy_that_was_not_delivered_is_delivered(
    office: Office, sandbox: Sandbox, copy: Copy
) -> None:
    session = await office.say("ann", *EARLY)
    await office.deliver()
    await office.worker.stop()
    await office.hand_off(session)
    office = await (await copy(office))()

    await office.deliver()

    row = ticket_of(office)
    assert (row["status"], row["assignedUsers"], len(row["assignedTeams"]), row["priority"]) == ("open", [], 1, 4)
    assert len(sandbox.state.notes) == 1
    await office.close()


async def test_asking_for_a_human_again_after_a_loss_raises_the_ticket_and_takes_nothing_from_the_agents(
    office: Office, sandbox: Sandbox, lose: Lose
) -> None:
    await handed_off(office)
    agent = next(row["id"] for row in sandbox.state.users.values() if row["userType"] != "machine")
    hand_over(sandbox, ticket_of(office), status="done", assignedTeams=["other"], assignedUsers=[agent])
    office = await lose(office)

    session = await office.say("ann", *EARLY)
    await office.hand_off(session)
    await office.deliver()

    row = ticket_of(office)
    assert (row["status"], row["assignedUsers"], row["assignedTeams"]) == ("open", [agent], ["other"])
    assert len(sandbox.state.notes) == 1, "no second summary"
    await office.close()


async def test_a_ticket_without_a_team_is_known_by_its_tag_and_note(
    sandbox: Sandbox, outbox_url: str, lose: Lose
) -> None:
    office = Office(sandbox, outbox_url, default_team=None)
    await handed_off(office)
    assert not ticket_of(office)["assignedTeams"]
    office = await lose(office)

    session = await office.say("ann", *EARLY, "hello?")
    await office.deliver()

    assert (await office.outbox.session_state(session.key) or {})["escalated"]
    await office.close()


@pytest.mark.parametrize("parking", ["assign-bot", "none"])
async def test_a_bot_chat_that_somebody_tagged_is_a_bot_chat(
    sandbox: Sandbox, outbox_url: str, lose: Lose, parking: str
) -> None:
    office = Office(sandbox, outbox_url, parking=parking)
    await office.say("ann", *EARLY)
    await office.deliver()
    hand_over(sandbox, ticket_of(office), tags=[sandbox.state.new_id()])
    office = await lose(office)
    office = Office(sandbox, office.url, clock=office.clock, parking=parking)

    session = await office.say("ann", *EARLY, "hello?")
    await office.deliver()

    assert not (await office.outbox.session_state(session.key) or {})["escalated"]
    await office.close()


async def test_the_customer_after_a_merge_is_the_one_of_the_conversation(
    office: Office, sandbox: Sandbox, copy: Copy
) -> None:
    await office.say("ann", *EARLY)
    await office.deliver()
    await office.worker.stop()
    put_back = await copy(office)
    (row,) = sandbox.state.customers.values()
    merged = sandbox.state.put("customers", {**row, "id": sandbox.state.new_id()})["id"]
    hand_over(sandbox, ticket_of(office), customer=merged)
    office = await put_back()

    session = await office.say("ann", *EARLY, "hello?")
    await office.deliver()

    assert (await office.outbox.session_state(session.key) or {})["customer_id"] == merged
    assert office.texts("ann") == [*EARLY, "hello?"]
    await office.close()


async def test_an_outbox_of_release_0_1_looks_nothing_up_for_what_it_knows(
    office: Office, sandbox: Sandbox, outbox_url: str, request: pytest.FixtureRequest
) -> None:
    await office.say("ann", *EARLY)
    await office.deliver()
    await office.close()
    stampless = "DELETE FROM kustomer_meta WHERE name = 'born_ms'"
    if office.outbox.path is None:
        request.getfixturevalue("postgres_server").sql(stampless, outbox_url)
    else:
        with closing(sqlite3.connect(office.outbox.path)) as connection, connection:
            connection.execute(stampless)
    office = Office(sandbox, outbox_url, clock=office.clock, born=office.clock.now)

    begun = len(sandbox.requests)
    await office.say("ann", *EARLY, *LATE)
    await say_at(office, "earlier", -60_000, *EARLY)
    await say_at(office, "later", 5_000, *EARLY)
    await office.deliver()

    assert look_ups(sandbox, begun) == ["GET /v1/conversations/externalId=rasa%3Aearlier%3A-60000"]
    await office.close()
