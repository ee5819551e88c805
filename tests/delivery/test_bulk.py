"""Many chats in few requests, and whatever a bulk job may do: nothing lost, nothing doubled, in order."""

import asyncio
import logging
from collections import Counter
from typing import Any

import pytest
from tests.delivery.office import Office
from tests.helpers import SharedClock

from kustomer_sandbox import Sandbox
from rasa_kustomer.delivery.bulk_jobs import GIVE_UP_SECONDS
from rasa_kustomer.outbox import DELIVERED

# One database is enough for what Kustomer does; the outbox's own suite covers both.
pytestmark = pytest.mark.parametrize("outbox_url", ["sqlite"], indirect=True)
FAILURES = [
    "half",
    "reordered",
    "missing",
    "extra",
    "unknown",
    "repeated",
    "doubled",
    "anonymous",
    "untold",
    "vanished",
    "forgotten",
]
HELLO = ("hello", "hi, how can I help?", "my parcel is late", "I am sorry")
NAMES = [f"visitor-{number}" for number in range(12)]
JOBS = ("POST /v1/customers/bulk", "POST /v1/conversations/bulk", "POST /v1/messages/bulk")


@pytest.fixture(autouse=True)
def _quick_jobs(sandbox: Sandbox) -> None:
    sandbox.rules.bulk_seconds = 0


async def everybody_says(office: Office, *texts: str, start: int = 1) -> None:
    for name in NAMES:
        await office.say(name, *texts, start=start)


def check_timelines(office: Office, *texts: str) -> None:
    for name in NAMES:
        assert office.texts(name) == list(texts)
        assert len(office.conversations(name)) == 1
        moments = [row["sentAt"] for row in office.rows(name)]
        assert moments == sorted(set(moments))
    assert len(office.sandbox.state.customers) == len(NAMES)


def calls(sandbox: Sandbox) -> Counter[str]:
    return Counter(f"{one.method} {one.path}" for one in sandbox.requests)


async def test_many_chats_cost_less_than_one_request_each(office: Office, sandbox: Sandbox) -> None:
    await everybody_says(office, *HELLO)
    await office.deliver()

    check_timelines(office, *HELLO)
    assert [calls(sandbox)[job] for job in JOBS] == [1, 1, 1]
    assert len(sandbox.requests) == 3 * 2 + 1, (
        "a job is sent and its results are read; the parking user is asked for once"
    )


async def test_a_job_that_takes_its_time_is_looked_at_later_from_then_on(outbox_url: str) -> None:
    """Each look costs a request, so the first one comes when the jobs before were done."""
    clock = SharedClock()
    async with Sandbox(now=clock).serve() as sandbox:
        sandbox.rules.bulk_seconds = 3
        office = Office(sandbox, outbox_url, clock=clock, step_seconds=0.05)
        await everybody_says(office, *HELLO)
        await office.deliver()
        before = looks(sandbox)
        await everybody_says(office, *HELLO, start=5)
        await office.deliver()
        await office.close()

        assert (looks(sandbox) - before).total() == 1
        check_timelines(office, *HELLO, *HELLO)


def looks(sandbox: Sandbox) -> Counter[str]:
    """How often each job was asked about."""
    return Counter({call: number for call, number in calls(sandbox).items() if "/v1/bulk/" in call})


async def test_a_few_turns_are_shown_at_once_one_by_one(office: Office, sandbox: Sandbox) -> None:
    await office.say("ann", *HELLO)
    await office.deliver()

    assert not any(path.endswith("bulk") for path in calls(sandbox))


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("nested", [True, False])
async def test_badly_told_results_double_and_lose_nothing(
    office: Office, sandbox: Sandbox, failure: Any, nested: bool
) -> None:
    sandbox.rules.bulk_failure, sandbox.rules.bulk_nested = failure, nested
    await everybody_says(office, *HELLO)

    await office.deliver()

    check_timelines(office, *HELLO)
    assert (await office.outbox.counts()).dead == 0


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize(
    "fault",
    [
        "reset-after",
        "reset-before",
        "status-after:503",
        "status:503",
        "bad-json",
        "429:org",
        "429:customer",
        "status:400",
    ],
)
async def test_a_failed_request_for_a_job_doubles_and_loses_nothing(
    office: Office, sandbox: Sandbox, job: str, fault: str
) -> None:
    sandbox.fail(job, fault, times=1)
    await everybody_says(office, *HELLO)

    await office.deliver()

    check_timelines(office, *HELLO)
    assert (await office.outbox.counts()).dead == 0


@pytest.mark.parametrize("path", ["GET /v1/bulk/*", "GET /v1/bulk/*/batches"])
@pytest.mark.parametrize("fault", ["reset-before", "status:503", "html:502", "429:customer"])
async def test_a_failed_look_at_a_job_is_repeated(office: Office, sandbox: Sandbox, path: str, fault: str) -> None:
    sandbox.fail(path, fault, times=3)
    await everybody_says(office, *HELLO)

    await office.deliver()

    check_timelines(office, *HELLO)
    assert [calls(sandbox)[job] for job in JOBS] == [1, 1, 1]


@pytest.mark.parametrize("status", ["status:403", "status:404"])
async def test_where_jobs_are_not_permitted_turns_go_one_by_one_and_it_is_said_once(
    office: Office, sandbox: Sandbox, status: str, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.fail("POST /v1/*/bulk", status, times=None)
    await everybody_says(office, *HELLO[:2])
    await office.deliver()
    await everybody_says(office, *HELLO[2:], start=3)
    await office.deliver()

    check_timelines(office, *HELLO)
    assert sum(calls(sandbox)[job] for job in JOBS) == 1
    said = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(said) == 1
    assert "one by one" in said[0].getMessage()


async def test_a_key_that_may_not_see_results_finds_out_what_it_sent(
    office: Office, sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox.roles.discard("org.permission.bulk.read")
    await everybody_says(office, *HELLO)

    await office.deliver()

    check_timelines(office, *HELLO)
    assert "org.permission.bulk.read" in caplog.text


async def test_a_job_that_never_completes_is_given_up_and_its_turns_looked_up(office: Office, sandbox: Sandbox) -> None:
    await everybody_says(office, *HELLO[:2])
    await office.deliver()
    sandbox.rules.bulk_failure = "stuck"
    await everybody_says(office, *HELLO[2:], start=3)
    begun, office.step_seconds = office.clock.now, 2.0

    await office.deliver()

    check_timelines(office, *HELLO)
    assert office.clock.now - begun >= GIVE_UP_SECONDS


@pytest.mark.parametrize("seconds", [5, 30])
async def test_the_turns_of_a_job_that_is_still_at_work_and_whose_answer_was_lost_are_not_sent_again(
    outbox_url: str, seconds: int
) -> None:
    clock = SharedClock()
    async with Sandbox(now=clock).serve() as sandbox:
        office = Office(sandbox, outbox_url, clock, step_seconds=0.1)
        sandbox.rules.bulk_seconds = 0
        await everybody_says(office, *HELLO[:2])
        await office.deliver()
        sandbox.rules.bulk_seconds = seconds
        sandbox.fail("POST /v1/messages/bulk", "reset-after")
        await everybody_says(office, *HELLO[2:], start=3)
        await office.deliver()

        check_timelines(office, *HELLO)
        assert calls(sandbox)["POST /v1/messages/bulk"] == 2
        await office.close()


async def test_a_ticket_does_not_wait_for_a_job(office: Office, sandbox: Sandbox) -> None:
    await everybody_says(office, *HELLO[:2])
    await office.deliver()
    sandbox.rules.bulk_failure = "stuck"
    await everybody_says(office, *HELLO[2:], start=3)
    await office.until(lambda _: calls(sandbox)["POST /v1/messages/bulk"] == 2)
    session = await office.say(NAMES[0], "give me a human", start=5)
    begun = office.clock.now

    await office.hand_off(session)
    while await office.outbox.record_state(f"{session.key}:ticket") != DELIVERED:
        office.clock.now += 0.02  # little, so that a busy machine does not look like a wait
        office.outbox.work_arrived.set()
        await asyncio.sleep(0.002)

    assert office.clock.now - begun < 60
    sandbox.rules.bulk_failure = ""
    await office.deliver()
    assert office.texts(NAMES[0]) == [*HELLO, "give me a human"]


async def test_a_few_conversations_with_a_human_are_live_and_part_of_no_job(office: Office, sandbox: Sandbox) -> None:
    for name in NAMES[:4]:
        await office.hand_off(await office.say(name, *HELLO))
    await office.deliver()

    assert all(office.texts(name) == list(HELLO) for name in NAMES[:4])
    assert not any(path.endswith("bulk") for path in calls(sandbox))


@pytest.mark.parametrize("call", ["POST /v1/messages/bulk", "GET /v1/bulk/*", "GET /v1/bulk/*/batches"])
async def test_a_process_that_dies_during_a_job_leaves_it_to_the_next(
    sandbox: Sandbox, outbox_url: str, call: str
) -> None:
    first = Office(sandbox, outbox_url, timeout_seconds=60)
    await everybody_says(first, *HELLO[:2])
    await first.deliver()
    sandbox.fail(call, "hang-after", times=None)
    await everybody_says(first, *HELLO[2:], start=3)
    before = len(sandbox.requests)
    await first.until(lambda _: any(one.status is None for one in sandbox.requests[before:]))
    first.die()
    sandbox.heal()

    second = Office(sandbox, outbox_url, clock=first.clock)
    await second.deliver()

    check_timelines(second, *HELLO)
    await second.close()
    await first.close()


async def test_one_bad_turn_is_set_aside_and_the_others_arrive(office: Office) -> None:
    await everybody_says(office, "hello", "how are you?")
    session = await office.say("bad", "x" * 20_000, "fine")
    await office.deliver()

    assert office.texts("bad") == ["fine"]
    assert await office.outbox.record_state(f"{session.key}:1") == "dead"
    assert office.texts(NAMES[0]) == ["hello", "how are you?"]
