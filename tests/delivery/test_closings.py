"""Idle chats are closed together, after all turns; and nobody's word or ticket ends in a closed conversation."""

import asyncio

import pytest
from tests.delivery.office import PATIENCE_SECONDS, Office

from kustomer_sandbox import Sandbox
from rasa_kustomer.outbox import SessionKey

MANY = 30
JOBS = "/v1/conversations/bulk"


async def idle(office: Office, many: int = MANY) -> list[SessionKey]:
    """Chats that were mirrored, and are to be closed."""
    office.step_seconds, office.sandbox.rules.bulk_seconds = 5.0, 0.0  # its clock is not ours
    sessions = [await office.say(f"v{number}", "hello") for number in range(many)]
    await office.deliver()
    await office.worker.stop()
    office.clock.now += 7_200
    queued, deadline = 0, asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while queued < many:  # a slow machine may still be giving back what the worker had when it was stopped
        assert asyncio.get_running_loop().time() < deadline, "not all were queued"
        queued += await office.outbox.maintenance.close_idle(60)
    return sessions


def statuses(sandbox: Sandbox) -> list[str]:
    return [row["status"] for row in sandbox.state.conversations.values()]


def sent(sandbox: Sandbox, method: str, path: str = "/v1/conversations/") -> int:
    return sum(one.method == method and one.path.startswith(path) for one in sandbox.requests)


async def test_many_idle_chats_are_closed_with_one_request(office: Office, sandbox: Sandbox) -> None:
    await idle(office)
    before = len(sandbox.requests)
    await office.deliver()

    assert statuses(sandbox) == ["done"] * MANY
    assert len(sandbox.requests) - before < 10
    assert (sent(sandbox, "PUT", JOBS), sent(sandbox, "PATCH")) == (1, 0)
    assert (await office.outbox.counts()).balanced


async def test_a_few_are_closed_one_by_one(office: Office, sandbox: Sandbox) -> None:
    await idle(office, 3)
    await office.deliver()

    assert statuses(sandbox) == ["done"] * 3
    assert sent(sandbox, "PUT", JOBS) == 0


@pytest.mark.parametrize("fault", ["status:403", "status:404", "status:400"])
async def test_where_such_jobs_are_refused_they_are_closed_one_by_one_and_it_is_said_once(
    office: Office, sandbox: Sandbox, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    await idle(office)
    sandbox.fail(f"PUT {JOBS}", fault, times=None)
    await office.deliver()

    assert statuses(sandbox) == ["done"] * MANY
    assert sent(sandbox, "PUT", JOBS) == 1
    assert sum("closed one by one" in one.getMessage() for one in caplog.records) == 1
    assert office.jobs.permitted, "turns still go together"


@pytest.mark.parametrize("fault", ["reset-after", "reset-before", "status:503", "hang"])
async def test_a_job_whose_answer_is_lost_closes_everything_in_the_end(
    sandbox: Sandbox, outbox_url: str, fault: str
) -> None:
    office = Office(sandbox, outbox_url, timeout_seconds=2.0 if fault == "hang" else 30.0)
    await idle(office, 8)
    sandbox.fail(f"PUT {JOBS}", fault)
    await office.deliver()

    assert statuses(sandbox) == ["done"] * 8
    assert (await office.outbox.counts()).dead == 0
    await office.close()


async def test_one_that_fails_or_is_gone_costs_itself_only(office: Office, sandbox: Sandbox) -> None:
    await idle(office)
    (first, *_) = list(sandbox.state.conversations)
    sandbox.state.drop("conversations", first)
    await office.deliver()

    assert statuses(sandbox) == ["done"] * (MANY - 1), "and none was made anew only to be closed"


async def until_sent(office: Office, sandbox: Sandbox) -> None:
    office.worker.start()
    await office.until(lambda _: sent(sandbox, "PUT", JOBS) == 1)


async def test_words_that_come_while_the_job_is_at_work_open_the_conversation_again(
    office: Office, sandbox: Sandbox
) -> None:
    sessions = await idle(office, 8)
    sandbox.rules.bulk_failure = "stuck"
    await until_sent(office, sandbox)
    await office.say("v3", "are you there?", start=3)
    for _ in range(10):
        office.clock.now += 5
        await office.until(lambda _: True)
    sandbox.rules.bulk_failure = ""
    await office.deliver()

    assert office.texts("v3") == ["hello", "are you there?"]
    assert [office.conversations(one.sender_id)[0]["status"] for one in sessions] == ["done"] * 3 + ["open"] + [
        "done"
    ] * 4


async def test_words_that_come_before_it_is_sent_keep_the_conversation_open(office: Office, sandbox: Sandbox) -> None:
    await idle(office, 8)
    await office.say("v3", "are you there?", start=3)
    await office.deliver()

    assert office.conversations("v3")[0]["status"] == "open"
    assert office.conversations("v3")[0]["doneCount"] == 0, "it was not even closed"
    assert statuses(sandbox).count("done") == 7


async def test_a_handoff_does_not_wait_for_the_job_and_its_ticket_is_open_in_the_end(
    office: Office, sandbox: Sandbox
) -> None:
    sessions = await idle(office, 8)
    sandbox.rules.bulk_failure = "stuck"
    await until_sent(office, sandbox)
    await office.hand_off(sessions[3])
    office.step_seconds = 0.2  # on a slow machine too the ticket is there before the job is given up
    for _ in range(20):
        office.clock.now += 5
        await office.until(lambda _: True)
    await office.until(lambda _: bool(office.conversations("v3")[0]["assignedTeams"]))
    assert office.conversations("v3")[0]["status"] == "open", "the ticket is there before the job is known"

    sandbox.rules.bulk_failure = ""
    await office.deliver()
    assert office.conversations("v3")[0]["status"] == "open"
    assert statuses(sandbox).count("done") == 7


async def test_a_conversation_that_was_handed_off_before_it_was_closed_is_not_closed(office: Office) -> None:
    (session,) = await idle(office, 1)
    await office.hand_off(session)
    await office.deliver()

    assert office.conversations("v0")[0]["status"] == "open"
    assert office.conversations("v0")[0]["doneCount"] == 0


async def test_turns_go_before_closings(office: Office, sandbox: Sandbox) -> None:
    """Also where each closing takes a request."""
    await idle(office)
    sandbox.fail(f"PUT {JOBS}", "status:403", times=None)
    await office.say("ann", "hello")
    office.step_seconds = 0.05
    office.worker.start()
    await office.until(lambda _: office.texts("ann") == ["hello"])

    assert statuses(sandbox).count("done") < MANY
    office.step_seconds = 5.0
    await office.deliver()
    assert statuses(sandbox).count("done") == MANY


async def test_a_worker_that_was_stopped_can_be_started_again(office: Office) -> None:
    for number in range(2):
        await office.say("ann", "hello", start=number + 1)
        await office.deliver()
        await office.worker.stop()

    assert office.texts("ann") == ["hello", "hello"]
