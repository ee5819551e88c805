"""Many chats at once go in bulk jobs: what these cost, and every way in which they go wrong."""

from typing import Any

from tests.golden.chat import Chat
from tests.golden.plant import Plant
from tests.golden.registry import scenario

PEOPLE = 6  # one more than is cheaper one by one


async def all_say(chats: list[Chat], *texts: str) -> None:
    for chat in chats:
        await chat.says(*texts)


async def gathered(plant: Plant, name: str) -> list[Chat]:
    """Chats of as many as make a job, whose first turn waits."""
    chats = [plant.chat(f"{name}-{number}") for number in range(PEOPLE)]
    for chat in chats:
        chat.start()
    await all_say(chats, "hello")
    return chats


async def spent(plant: Plant) -> None:
    """What may go at once is spent, so that what follows is gathered."""
    await plant.start()
    chat = plant.chat("early")
    chat.start()
    await chat.says("one", "two", "three", "four")
    await plant.pass_by(1)


async def told_badly(plant: Plant, *failures: Any) -> None:
    for failure in failures:
        plant.heading(failure)
        await spent(plant)
        plant.sandbox.rules.bulk_failure = failure
        await gathered(plant, failure)
        await plant.delivered()
        plant.sandbox.rules.bulk_failure = ""
        await plant.stop()
    await plant.start()
    await plant.counted()


@scenario
async def many_chats(plant: Plant) -> None:
    """Customers, conversations and messages in one job each, and later messages in one more."""
    await spent(plant)
    chats = await gathered(plant, "ann")
    await plant.delivered()
    await all_say(chats, "and then", "goodbye")
    await plant.delivered()
    await plant.counted()


@scenario
async def jobs_whose_items_fail(plant: Plant) -> None:
    await told_badly(plant, "half", "missing", "unknown")


@scenario
async def jobs_told_of_oddly(plant: Plant) -> None:
    await told_badly(plant, "reordered", "extra", "repeated", "doubled", "anonymous")


@scenario
async def jobs_of_which_nothing_is_told(plant: Plant) -> None:
    await told_badly(plant, "untold", "vanished", "forgotten")


async def job_fault(plant: Plant, match: str) -> None:
    for fault in ("reset-before", "reset-after", "429:org", "status:400", "status:403"):
        plant.heading(fault)
        await spent(plant)
        plant.sandbox.fail(match, fault)
        await gathered(plant, fault.replace(":", "-"))
        await plant.delivered()
        plant.sandbox.heal()
        await plant.stop()
    await plant.start()
    await plant.counted()


@scenario
async def fault_at_job_of_customers(plant: Plant) -> None:
    await job_fault(plant, "POST /v1/customers/bulk")


@scenario
async def fault_at_job_of_conversations(plant: Plant) -> None:
    await job_fault(plant, "POST /v1/conversations/bulk")


@scenario
async def fault_at_job_of_messages(plant: Plant) -> None:
    await job_fault(plant, "POST /v1/messages/bulk")


@scenario
async def fault_at_look_at_job(plant: Plant) -> None:
    for match in ("GET /v1/bulk/*/batches", "GET /v1/bulk/*"):
        for fault in ("reset-before", "status:404", "status:403"):
            plant.heading(f"{match} {fault}")
            await spent(plant)
            plant.sandbox.fail(match, fault, times=2)
            await gathered(plant, plant.another_name())
            await plant.delivered()
            plant.sandbox.heal()
            await plant.stop()
    await plant.start()
    await plant.counted()


@scenario
async def a_slow_job(plant: Plant) -> None:
    """Looked at later and later, and later from the start the next time."""
    plant.sandbox.rules.bulk_seconds = 3
    await spent(plant)
    chats = await gathered(plant, "ann")
    await plant.delivered()
    await all_say(chats, "and then")
    await plant.delivered()
    await plant.counted()


@scenario
async def a_handoff_leaves_its_job(plant: Plant) -> None:
    await spent(plant)
    chats = await gathered(plant, "ann")
    await plant.delivered()
    plant.sandbox.fail("POST /v1/messages/bulk", "bulk-slow:20")
    await all_say(chats, "it is urgent")
    await plant.pass_by(8)
    await chats[0].wants_a_human()
    await plant.delivered()
    await plant.counted()


@scenario
async def a_process_that_dies_with_a_job(plant: Plant) -> None:
    """The next one asks for the results of a job whose id it knows; of another it waits a minute and looks up."""
    for fault in ("bulk-slow:20", "hang-after"):
        for match in ("POST /v1/conversations/bulk", "POST /v1/messages/bulk"):
            plant.heading(f"{match} {fault}")
            plant.configure(timeout_seconds="60")
            await spent(plant)
            plant.sandbox.fail(match, fault)
            await gathered(plant, plant.another_name())
            await plant.pass_by(9)
            await plant.crash()
            plant.sandbox.heal()
            await plant.start()
            await plant.delivered()
            await plant.stop()
    await plant.start()
    await plant.counted()


@scenario
async def closings_in_a_job(plant: Plant) -> None:
    """Many quiet chats are closed by one request; where such jobs are refused, one by one."""
    for fault in ("", "status:503", "bulk:half", "status:403"):
        plant.heading(fault or "all is well")
        await spent(plant)
        if fault:
            plant.sandbox.fail("PUT /v1/conversations/bulk", fault)
        chats = await gathered(plant, plant.another_name())
        await plant.delivered()
        for chat in chats:
            await chat.is_done()
        await plant.delivered()
        await all_say(chats, "one more thing")
        await plant.delivered()
        plant.sandbox.heal()
        await plant.stop()
    await plant.start()
    await plant.counted()
