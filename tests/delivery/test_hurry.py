"""How urgent something is, is asked again while it waits: a handoff raises what its session has under way."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import httpx
import pytest
from tests.delivery.office import ANONYMOUS, Office
from tests.helpers import SharedClock

from kustomer_sandbox import Sandbox
from rasa_kustomer.conversation.identity import Identity
from rasa_kustomer.kustomer.priority import Priority, WorkPriority, task_priority
from rasa_kustomer.outbox import Kind, NewRecord, Outbox, SessionKey

pytestmark = pytest.mark.parametrize("outbox_url", ["sqlite"], indirect=True)
MESSAGES = "POST /v1/conversations/*/messages"
NAMES = [f"visitor-{number}" for number in range(12)]
SOON_SECONDS = 3.0
WINDOW_SECONDS = 50.0  # what is left of it, at the least, when the rest is for others


@pytest.fixture
async def sandbox(clock: SharedClock) -> AsyncIterator[Sandbox]:
    async with Sandbox(now=clock).serve() as served:
        yield served


@pytest.fixture
def clock() -> SharedClock:
    return SharedClock()


@pytest.fixture
async def office(sandbox: Sandbox, outbox_url: str, clock: SharedClock) -> AsyncIterator[Office]:
    office = Office(sandbox, outbox_url, clock, share=0.5, timeout_seconds=60)
    yield office
    await office.close()


@pytest.fixture(params=["this process", "another process"])
async def elsewhere(request: pytest.FixtureRequest, office: Office) -> AsyncIterator[Outbox]:
    """The outbox as the process has it that the handoff comes to."""
    outbox = office.outbox if request.param == "this process" else Outbox(office.url, now=office.clock)
    yield outbox
    await outbox.close()


async def when(clock: SharedClock, done: Callable[[], bool]) -> None:
    deadline = asyncio.get_running_loop().time() + 120
    while not done():
        assert asyncio.get_running_loop().time() < deadline
        clock.now += 0.005
        await asyncio.sleep(0.002)


def hanging(sandbox: Sandbox) -> int:
    return sum(one.fault == "hang" for one in sandbox.requests)


async def others_have_used_their_part(office: Office) -> None:
    """An answer tells that only the others' part of this minute remains."""
    told = {"x-ratelimit-limit": "1000", "x-ratelimit-remaining": "480"}
    for hook in office.rate_limiter.event_hooks["response"]:
        await hook(httpx.Response(200, headers=told))


async def waits_for_the_window(office: Office) -> None:
    """Until the worker has something at hand that waits (beside its heartbeat)."""
    office.worker.start()
    office.outbox.work_arrived.set()
    await when(office.clock, lambda: office.clock.waiting >= 2)


async def test_a_handoff_does_not_wait_behind_a_turn_of_its_own_chat(office: Office, elsewhere: Outbox) -> None:
    session = await office.say("ann", "hello")
    await office.deliver()
    await others_have_used_their_part(office)
    await office.say("ann", "my parcel is late", start=2)
    await office.say("bob", "I do not hurry")
    await waits_for_the_window(office)

    await office.hand_off(session, outbox=elsewhere)
    assert await office.ticket(session) < SOON_SECONDS
    assert office.texts("ann") == ["hello", "my parcel is late"]
    assert office.texts("bob") == [], "whoever did not hurry leaves the rest of the window to others"

    await office.deliver()
    assert office.texts("bob") == ["I do not hurry"]


async def test_a_handoff_leaves_a_bulk_job_that_is_being_prepared(office: Office, elsewhere: Outbox) -> None:
    await others_have_used_their_part(office)
    sessions = [await office.say(name, "hello", "hi") for name in NAMES]
    await waits_for_the_window(office)

    await office.hand_off(sessions[3], outbox=elsewhere)
    assert await office.ticket(sessions[3]) < SOON_SECONDS
    assert office.texts(NAMES[0]) == []

    await office.deliver()
    for name in NAMES:
        assert office.texts(name) == ["hello", "hi"]
        assert len(office.conversations(name)) == 1
    assert len(office.sandbox.state.customers) == len(NAMES)


@pytest.mark.parametrize("resource", ["customers", "conversations", "messages"])
async def test_a_handoff_does_not_wait_for_a_job_that_takes_its_time(
    office: Office, elsewhere: Outbox, resource: str
) -> None:
    office.sandbox.rules.bulk_seconds = 0.2
    office.sandbox.fail(f"POST /v1/{resource}/bulk", "bulk-slow:2" if resource == "conversations" else "bulk-slow:20")
    sessions = [await office.say(name, "hello", "hi") for name in NAMES]
    office.worker.start()
    await when(office.clock, lambda: any(one.path == f"/v1/{resource}/bulk" for one in office.sandbox.requests))

    await office.hand_off(sessions[3], outbox=elsewhere)
    assert await office.ticket(sessions[3]) < (2 + SOON_SECONDS if resource == "conversations" else SOON_SECONDS)

    await office.deliver()
    for name in NAMES:
        assert office.texts(name) == ["hello", "hi"]
        assert len(office.conversations(name)) == 1


async def test_a_session_that_waits_for_its_place_leaves_the_queue(office: Office, sandbox: Sandbox) -> None:
    sandbox.fail("POST /v1/*/bulk", "status:403", times=None)
    office.step_seconds = 0.05
    for name in [*NAMES, "first"]:
        await office.say(name, "hello")
    await office.deliver()
    sandbox.fail(MESSAGES, "hang", times=None)
    sessions = [await office.say(name, "again", start=2) for name in NAMES]
    office.outbox.work_arrived.set()
    await when(office.clock, lambda: hanging(sandbox) == 8)
    late = next(one for one in sessions if not _sent(sandbox, office, one, "again"))
    sandbox.heal()

    await office.hand_off(late)
    assert await office.ticket(late) < SOON_SECONDS


def _sent(sandbox: Sandbox, office: Office, session: SessionKey, text: str) -> bool:
    (conversation,) = office.conversations(session.sender_id)
    return any(conversation["id"] in one.path and (one.body or {}).get("preview") == text for one in sandbox.requests)


async def test_a_busy_mirror_and_busy_agents_keep_no_handoff_out(office: Office, sandbox: Sandbox) -> None:
    sandbox.fail("POST /v1/*/bulk", "status:403", times=None)
    everybody = [*NAMES[:8], *(f"with-a-human-{number}" for number in range(8))]
    for name in everybody:
        session = await office.say(name, "hello")
        if name.startswith("with"):
            await office.hand_off(session)
    await office.deliver()
    for name in everybody:
        (conversation,) = office.conversations(name)
        sandbox.fail(f"POST /v1/conversations/{conversation['id']}/messages", "hang", times=None)
        await office.say(name, "again", start=2)
    office.outbox.work_arrived.set()
    await when(office.clock, lambda: hanging(sandbox) >= 12)

    session = await office.say("kim", "give me a human")
    await office.hand_off(session)
    assert await office.ticket(session) < SOON_SECONDS


async def test_whoever_is_looked_up_for_two_is_looked_up_as_fast_as_the_more_urgent_needs_it(office: Office) -> None:
    await others_have_used_their_part(office)
    ann = Identity(sender_id="ann", email="ann@example.com", external_id=None, phone=None, name=None, trusted=False)
    token = task_priority.set(WorkPriority(Priority.MIRROR))
    slow = asyncio.create_task(office.directory.get_or_create(ann))
    await when(office.clock, lambda: office.clock.waiting == 1)
    task_priority.set(WorkPriority(Priority.HANDOFF))
    quick = asyncio.create_task(office.directory.get_or_create(replace(ann, sender_id="ann-again")))
    task_priority.reset(token)

    begun = office.clock.now
    while not quick.done():
        office.clock.now += 0.005
        await asyncio.sleep(0.001)
    assert office.clock.now - begun < 1.0
    assert (await slow).id == (await quick).id


async def test_a_handoff_that_another_process_took_gets_a_probe_at_once(office: Office, sandbox: Sandbox) -> None:
    sandbox.fail("*", "reset-before", times=None)
    await office.say("bob", "hello")
    office.worker.start()
    await office.until(lambda _: office.breaker.seconds_to_probe > 20)
    await office.until(lambda _: office.breaker.seconds_to_probe < 14)  # by now the last probe has failed
    sandbox.heal()
    other = Outbox(office.url, now=office.clock)
    session = SessionKey("rasa:ann:1000", "ann", 1000)
    turn = {"direction": "in", "text": "hello", "at_ms": 1001, "channel": "chat"}
    await other.record(session, ANONYMOUS, [NewRecord(f"{session.key}:1", Kind.MESSAGE, turn, 1001)])
    await office.hand_off(session, outbox=other)

    assert await office.ticket(session) < SOON_SECONDS
    await other.close()


async def test_a_session_that_fails_while_it_is_handed_off_does_not_wait_for_its_next_try(office: Office) -> None:
    session = await office.say("ann", "hello")
    (lease,) = await office.outbox.lease(1)
    await office.hand_off(session)
    await office.outbox.release(lease, wait_seconds=60)

    (again,) = await office.outbox.lease(1, handoff=True)
    await office.outbox.release(again, wait_seconds=60)
    assert await office.outbox.lease(1) == [], "and then it waits as anybody does"


async def test_what_is_at_hand_is_not_taken_again_when_its_lease_ran_out(
    sandbox: Sandbox, outbox_url: str, clock: SharedClock
) -> None:
    office = Office(sandbox, outbox_url, clock, heartbeat=False, timeout_seconds=60)
    sandbox.fail(MESSAGES, "hang", times=1)
    await office.say("ann", "hello")
    office.worker.start()
    await when(clock, lambda: hanging(sandbox) == 1)
    for _ in range(100):
        clock.now += 10
        office.outbox.work_arrived.set()
        await asyncio.sleep(0.01)

    assert sum(one.method == "POST" and one.path.endswith("/messages") for one in sandbox.requests) == 1
    await office.close()


async def test_a_session_under_way_stays_ours_when_its_request_takes_longer_than_a_lease(
    office: Office, sandbox: Sandbox
) -> None:
    sandbox.fail(MESSAGES, "hang", times=1)
    await office.say("ann", "hello")
    office.worker.start()
    await when(office.clock, lambda: hanging(sandbox) == 1)
    other = Outbox(office.url, now=office.clock)
    for _ in range(60):
        office.clock.now += 1
        await asyncio.sleep(0.01)
        assert await other.lease(1) == []
    await other.close()
