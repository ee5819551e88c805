"""Who waits for a person waits for nothing but Kustomer: no transcript, no turn under way, no team that is gone."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.delivery.office import Office
from tests.helpers import SharedClock

from kustomer_sandbox import Sandbox
from rasa_kustomer.delivery.session import QUICK_TURNS
from rasa_kustomer.outbox import DELIVERED

pytestmark = pytest.mark.parametrize("outbox_url", ["sqlite"], indirect=True)  # it is Kustomer that makes them wait
MESSAGES = "POST /v1/conversations/*/messages"
WAIT_SECONDS = 3.0  # KUSTOMER_HANDOFF_WAIT_SECONDS


def turns(number: int) -> tuple[str, ...]:
    return tuple(f"turn {one}" for one in range(1, number + 1))


@pytest.fixture
def clock() -> SharedClock:
    return SharedClock()


@pytest.fixture
async def sandbox(clock: SharedClock) -> AsyncIterator[Sandbox]:
    """One whose minutes pass with the test's clock."""
    async with Sandbox(now=clock).serve() as served:
        yield served


@pytest.fixture
async def office(sandbox: Sandbox, outbox_url: str, clock: SharedClock) -> AsyncIterator[Office]:
    office = Office(sandbox, outbox_url, clock)
    yield office
    await office.close()


def steps(sandbox: Sandbox) -> list[str]:
    """What was made, by kind."""
    return [
        one.path.rsplit("/", 1)[1] if one.method == "POST" else one.method
        for one in sandbox.requests
        if one.method != "GET"
    ]


def note_of(sandbox: Sandbox) -> str:
    (note,) = sandbox.state.notes.values()
    return str(note["body"])


# A transcript


async def test_a_few_turns_go_before_the_ticket(office: Office, sandbox: Sandbox) -> None:
    session = await office.say("ann", *turns(QUICK_TURNS))
    await office.hand_off(session)
    await office.ticket(session)

    assert steps(sandbox)[-3:] == ["notes", "tags", "PATCH"]
    assert steps(sandbox).count("messages") == QUICK_TURNS
    assert note_of(sandbox) == "summary"


@pytest.mark.parametrize("number", [QUICK_TURNS + 1, 150])
async def test_of_many_turns_none_goes_before_the_ticket_and_the_whole_transcript_follows(
    office: Office, sandbox: Sandbox, number: int
) -> None:
    session = await office.say("ann", *turns(number))
    await office.hand_off(session)
    assert await office.ticket(session) < WAIT_SECONDS

    made = steps(sandbox)
    assert made[: made.index("PATCH") + 1] == ["customers", "conversations", "notes", "tags", "PATCH"]
    assert note_of(sandbox) == f"summary\n\nThe transcript follows: {number} earlier messages are on their way."
    (ticket,) = office.conversations("ann")
    assert (ticket["status"], ticket["priority"], ticket["assignedUsers"]) == ("open", 4, [])

    await office.deliver()
    assert office.texts("ann") == list(turns(number))
    assert [row["sentAt"][-4:-1] for row in office.rows("ann")] == [f"{one % 1000:03d}" for one in range(1, number + 1)]
    assert (await office.outbox.counts()).dead == 0


async def test_a_backlog_of_thousands_is_not_read_for_each_request(office: Office) -> None:
    session = await office.say("ann", *turns(6_000))
    await office.hand_off(session)

    (lease,) = await office.outbox.lease(1)
    assert len(lease.records) < 110
    assert [one.kind.value for one in lease.records[-3:]] == ["note", "tags", "ticket"]


async def test_turns_that_have_waited_before_the_handoff_hold_it_up_as_little(office: Office, sandbox: Sandbox) -> None:
    sandbox.fail("*", "status:503", times=None)
    session = await office.say("ann", *turns(60))
    office.worker.start()
    await office.until(lambda _counts: len(sandbox.requests) > 3)
    sandbox.heal()
    await office.hand_off(session)

    assert await office.ticket(session) < WAIT_SECONDS
    await office.deliver()
    assert office.texts("ann") == list(turns(60))


async def test_of_a_customer_kustomer_is_never_asked_to_take_more_than_120_messages_a_minute(
    office: Office, sandbox: Sandbox
) -> None:
    office.step_seconds = 0.05
    sandbox.fail("POST /v1/*/bulk", "status:403", times=None)  # so that all go one by one
    session = await office.say("ann", *turns(150))
    await office.hand_off(session)
    await office.deliver()

    assert office.texts("ann") == list(turns(150))
    assert [one.status for one in sandbox.requests if one.status == 429] == []


async def test_a_long_backlog_of_a_conversation_that_people_have_goes_in_jobs(office: Office, sandbox: Sandbox) -> None:
    sandbox.rules.bulk_seconds = 0
    session = await office.say("ann", *turns(110))
    await office.hand_off(session)
    await office.deliver()

    assert office.texts("ann") == list(turns(110))
    assert len([one for one in sandbox.requests if one.path == "/v1/messages/bulk"]) <= 2
    assert steps(sandbox).count("messages") <= 10


async def test_a_customer_whose_minute_is_full_gets_the_ticket_all_the_same(office: Office, sandbox: Sandbox) -> None:
    session = await office.say("ann", "hello")
    await office.deliver()
    sandbox.fail(MESSAGES, "429:customer", times=None)
    await office.say("ann", "give me a human", start=2)
    await office.hand_off(session)
    assert await office.ticket(session) < WAIT_SECONDS
    assert "transcript follows: 1 earlier" in note_of(sandbox)

    sandbox.heal()
    await office.deliver()
    assert office.texts("ann") == ["hello", "give me a human"]


async def test_a_turn_that_fails_again_and_again_does_not_keep_the_ticket(office: Office, sandbox: Sandbox) -> None:
    session = await office.say("ann", "hello")
    await office.deliver()
    sandbox.fail(MESSAGES, "status:500", times=None)
    await office.say("ann", "give me a human", start=2)
    await office.hand_off(session)
    await office.deliver(pending=1)

    assert await office.outbox.record_state(f"{session.key}:ticket") == DELIVERED
    sandbox.heal()
    await office.deliver()
    assert office.texts("ann") == ["hello", "give me a human"]


# A team


def remake(sandbox: Sandbox, name: str, *, anew: bool) -> str | None:
    """Delete a team in Kustomer, and perhaps make it again, with another id."""
    old = sandbox.team(name)
    sandbox.state.drop("teams", old["id"])
    new = sandbox.state.put("teams", {**old, "id": sandbox.state.new_id()}) if anew else None
    sandbox.state.commit()
    return new["id"] if new else None


async def handed_to(office: Office, sender: str, team: str | None) -> dict[str, Any]:
    session = await office.say(sender, "hello")
    await office.hand_off(session, team=team)
    await office.deliver()
    (ticket,) = office.conversations(sender)
    return ticket


def notes_of(sandbox: Sandbox, ticket: dict[str, Any]) -> list[str]:
    return [row["body"] for row in sandbox.state.notes.values() if row["conversation"] == ticket["id"]]


@pytest.mark.parametrize("by", ["name", "id"])
async def test_a_team_that_was_deleted_meanwhile_leaves_the_ticket_to_the_default_team_and_a_note_says_so(
    office: Office, sandbox: Sandbox, by: str
) -> None:
    wanted = "Billing" if by == "name" else sandbox.team("Billing")["id"]
    await handed_to(office, "bob", wanted)
    remake(sandbox, "Billing", anew=False)
    ticket = await handed_to(office, "ann", wanted)

    assert ticket["assignedTeams"] == [sandbox.team("Support")["id"]]
    assert (ticket["status"], ticket["name"], ticket["assignedUsers"]) == ("open", "RK-1 · help", [])
    remark = f'The team "{wanted}" does not exist in Kustomer; the default team "Support" has it.'
    assert notes_of(sandbox, ticket) == ["summary", remark]
    assert (await office.outbox.counts()).balanced


async def test_a_team_that_was_made_anew_is_found_by_its_name(office: Office, sandbox: Sandbox) -> None:
    await handed_to(office, "bob", "Billing")
    new = remake(sandbox, "Billing", anew=True)
    ticket = await handed_to(office, "ann", "Billing")

    assert ticket["assignedTeams"] == [new]
    assert notes_of(sandbox, ticket) == ["summary"]


@pytest.mark.parametrize("team", [None, "Billing"])
async def test_where_the_default_team_is_gone_too_the_note_says_that_no_team_has_it(
    office: Office, sandbox: Sandbox, team: str | None
) -> None:
    await handed_to(office, "bob", team)
    for name in ("Billing", "Support"):
        remake(sandbox, name, anew=False)
    ticket = await handed_to(office, "ann", team)

    assert ticket["assignedTeams"] == []
    assert ticket["status"] == "open"
    summary, remark = notes_of(sandbox, ticket)
    assert summary == "summary"
    assert "does not exist in Kustomer" in remark
    assert ("no team was assigned" in remark) is bool(team)


async def test_a_refusal_that_is_not_about_the_team_does_not_cost_it(office: Office, sandbox: Sandbox) -> None:
    sandbox.rules.bot_assignable = True
    session = await office.say("ann", "hello")
    await office.deliver()
    sandbox.fail("PATCH /v1/conversations/*", "status:503", times=2)
    await office.hand_off(session, team="Billing")
    await office.deliver()

    assert office.conversations("ann")[0]["assignedTeams"] == [sandbox.team("Billing")["id"]]


async def test_when_many_are_handed_off_at_once_their_turns_follow_together(office: Office, sandbox: Sandbox) -> None:
    """Each ticket is there at once; the turns cost a few jobs instead of a request each, and are whole and in order."""
    office.step_seconds = 0.02  # so that a slow machine sees no further minute, with further live requests
    sessions = [await office.say(f"visitor-{number}", *turns(2)) for number in range(40)]
    for session in sessions:
        await office.hand_off(session)

    await office.deliver()

    assert len(sandbox.state.notes) == 40
    assert all(row["priority"] == 4 for row in sandbox.state.conversations.values())
    assert all(office.texts(f"visitor-{number}") == list(turns(2)) for number in range(40))
    assert steps(sandbox).count("messages") < 40
    assert sum(one.path == "/v1/messages/bulk" for one in sandbox.requests) >= 1
