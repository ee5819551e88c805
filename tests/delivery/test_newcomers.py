"""Customers whom Kustomer does not have are made together, within seconds, and never twice."""

import asyncio
from collections import Counter

import pytest
from tests.delivery.office import Office

from kustomer_sandbox import Sandbox
from rasa_kustomer.conversation.identity import Identity
from rasa_kustomer.delivery.pace import GATHER_SECONDS

pytestmark = pytest.mark.parametrize("outbox_url", ["sqlite"], indirect=True)
MANY = [Identity(f"visitor-{number}", external_id=f"C-{number}", trusted=True) for number in range(12)]
BULK = "POST /v1/customers/bulk"
SINGLE = "POST /v1/customers"


@pytest.fixture(autouse=True)
def _jobs_are_quick(sandbox: Sandbox) -> None:
    sandbox.rules.bulk_seconds = 0.0  # its clock is not ours, and ours would run out of patience


def calls(sandbox: Sandbox) -> Counter[str]:
    return Counter(f"{one.method} {one.path}" for one in sandbox.requests)


def customers(sandbox: Sandbox) -> list[str]:
    return sorted(row["externalId"] for row in sandbox.state.customers.values())


async def everybody_is_made(office: Office, number: int) -> None:
    await office.until(lambda _: len(office.sandbox.state.customers) >= number)
    await office.until(lambda _: office.directory.knows(MANY[number - 1]))


async def test_many_cost_one_job_and_are_known_then(office: Office, sandbox: Sandbox) -> None:
    for one in MANY:
        office.newcomers.expect(one)
    await everybody_is_made(office, len(MANY))

    assert calls(sandbox)[BULK] == 1
    assert calls(sandbox)[SINGLE] == 0


async def test_three_cost_one_job_too(office: Office, sandbox: Sandbox) -> None:
    for one in MANY[:3]:
        office.newcomers.expect(one)
    await everybody_is_made(office, 3)

    assert calls(sandbox)[BULK] == 1
    assert calls(sandbox)[SINGLE] == 0


async def test_one_is_made_without_a_job(office: Office, sandbox: Sandbox) -> None:
    office.newcomers.expect(MANY[0])
    office.newcomers.expect(MANY[0])
    await everybody_is_made(office, 1)

    assert calls(sandbox) == {"GET /v1/customers/externalId=C-0": 1, SINGLE: 1}


async def test_whoever_was_looked_for_a_moment_ago_is_not_looked_for_again(office: Office, sandbox: Sandbox) -> None:
    assert await office.directory.look_up(MANY[0], fresh=True) is None
    office.newcomers.expect(MANY[0])
    await everybody_is_made(office, 1)

    assert calls(sandbox) == {"GET /v1/customers/externalId=C-0": 1, SINGLE: 1}


async def test_whoever_exists_is_found_and_not_made_again(office: Office, sandbox: Sandbox) -> None:
    existing = await office.client.create_customer({"externalId": "C-3"})
    made = asyncio.create_task(office.newcomers.make_together(MANY))
    await office.until(lambda _: made.done())

    assert len(customers(sandbox)) == len(set(customers(sandbox))) == len(MANY)
    assert not office.directory.knows(MANY[3])
    assert (await office.directory.get_or_create(MANY[3])).id == existing.id


@pytest.mark.parametrize("fault", ["reset-before", "reset-after", "status:503", "status:403", "status:400", "429:org"])
async def test_a_job_that_fails_makes_nobody_twice_and_their_first_turn_makes_them(
    office: Office, sandbox: Sandbox, fault: str
) -> None:
    sandbox.fail(BULK, fault, times=1)
    for one in MANY:
        office.newcomers.expect(one)
    await office.until(lambda _: calls(sandbox)[BULK] >= 1)
    for one in MANY:
        await office.say(one.sender_id, "hello", person=one)
    await office.deliver()

    assert customers(sandbox) == sorted(f"C-{number}" for number in range(12))
    owners = {row["customer"] for row in sandbox.state.conversations.values()}
    assert owners == set(sandbox.state.customers)


async def test_nobody_is_asked_while_kustomer_is_away_and_the_first_turn_makes_them_then(
    office: Office, sandbox: Sandbox
) -> None:
    office.breaker.failed("x", "down", at_once=True)
    office.newcomers.expect(MANY[0])
    begun = office.clock.now
    await office.until(lambda _: office.clock.now - begun > 3 * GATHER_SECONDS)
    assert sandbox.requests == []

    office.breaker.succeeded()
    await office.say("visitor-0", "hello", person=MANY[0])
    await office.deliver()
    assert customers(sandbox) == ["C-0"]
