"""Who is who: asked for once, remembered for a while, and never taken for somebody else."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.helpers import Clock, no_sleep

from kustomer_sandbox import Sandbox
from rasa_kustomer.conversation.identity import Identity
from rasa_kustomer.directory import FAILURE_SECONDS, CustomerDirectory
from rasa_kustomer.kustomer.client import KustomerClient
from rasa_kustomer.kustomer.errors import Unreachable
from rasa_kustomer.kustomer.models import Customer
from rasa_kustomer.kustomer.transport import ATTEMPTS

TTL = 300.0
ANN = Identity(sender_id="ann", external_id="c-1", name="Ann", trusted=True)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[KustomerClient]:
    async with KustomerClient(sandbox.url, sandbox.api_key, timeout_seconds=2, sleep=no_sleep) as client:
        yield client


@pytest.fixture
async def directory(client: KustomerClient, clock: Clock) -> AsyncIterator[CustomerDirectory]:
    made = CustomerDirectory(client, ttl_seconds=TTL, size=100, now=clock)
    yield made
    await made.close()


def calls(sandbox: Sandbox) -> list[str]:
    return [request.method for request in sandbox.requests]


async def test_a_person_is_asked_for_once_and_again_when_the_time_is_over(
    directory: CustomerDirectory, sandbox: Sandbox, clock: Clock
) -> None:
    made = await directory.get_or_create(ANN)
    clock.now += TTL - 0.1
    assert await directory.get_or_create(ANN) == made
    assert calls(sandbox) == ["GET", "POST"]

    clock.now += 0.2
    assert (await directory.get_or_create(ANN)).id == made.id
    assert calls(sandbox) == ["GET", "POST", "GET"]


async def test_a_failure_is_remembered_for_a_moment_so_that_not_every_session_start_waits(
    directory: CustomerDirectory, sandbox: Sandbox, clock: Clock
) -> None:
    sandbox.fail("/v1/customers/*", "status:503", times=None)
    with pytest.raises(Unreachable):
        await directory.get_or_create(ANN)
    clock.now += FAILURE_SECONDS - 0.1
    with pytest.raises(Unreachable):
        await directory.get_or_create(ANN)
    assert len(sandbox.requests) == ATTEMPTS

    sandbox.heal()
    clock.now += 0.2
    assert (await directory.get_or_create(ANN)).external_ids == ["c-1"]


async def test_who_keeps_nobody_waiting_asks_in_spite_of_a_failure(
    directory: CustomerDirectory, sandbox: Sandbox
) -> None:
    sandbox.fail("/v1/customers/*", "status:503", times=ATTEMPTS)
    with pytest.raises(Unreachable):
        await directory.get_or_create(ANN)

    assert (await directory.get_or_create(ANN, retry_failed=True)).external_ids == ["c-1"]
    assert (await directory.get_or_create(ANN)).external_ids == ["c-1"], "and the success counts for everybody"


async def test_what_is_forgotten_is_asked_for_anew_be_it_a_person_or_a_failure(
    directory: CustomerDirectory, sandbox: Sandbox
) -> None:
    sandbox.fail("/v1/customers/*", "status:503", times=ATTEMPTS)
    with pytest.raises(Unreachable):
        await directory.get_or_create(ANN)
    directory.forget(ANN)
    made = await directory.get_or_create(ANN)
    directory.forget(ANN)

    assert not directory.knows(ANN)
    assert (await directory.get_or_create(ANN)).id == made.id
    assert calls(sandbox) == ["GET"] * ATTEMPTS + ["GET", "POST", "GET"]


async def test_ten_session_starts_of_a_new_person_make_one_record(
    directory: CustomerDirectory, sandbox: Sandbox
) -> None:
    found = await asyncio.gather(*(directory.get_or_create(ANN) for _ in range(10)))

    assert len({one.id for one in found}) == 1
    assert calls(sandbox) == ["GET", "POST"]


async def test_who_stops_waiting_does_not_take_the_answer_from_the_others(
    directory: CustomerDirectory, sandbox: Sandbox
) -> None:
    impatient = asyncio.create_task(directory.get_or_create(ANN))
    await asyncio.sleep(0)  # it has set out by now
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient

    assert (await directory.get_or_create(ANN)).external_ids == ["c-1"]
    assert calls(sandbox) == ["GET", "POST"]


async def test_closing_ends_what_is_under_way(directory: CustomerDirectory) -> None:
    waiting = asyncio.create_task(directory.get_or_create(ANN))
    await asyncio.sleep(0)
    await directory.close()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not directory.knows(ANN)


VALUES = st.sampled_from([None, "", "a", "b"])
PEOPLE = st.builds(
    Identity,
    sender_id=st.sampled_from(["a", "b", "sender"]),
    external_id=VALUES,
    email=VALUES,
    phone=VALUES,
    name=VALUES,
    trusted=st.booleans(),
)


def person(identity: Identity) -> Any:
    """All that tells a person from another; a name does not, and a sender only when nothing else is known."""
    if identity.anonymous:
        return identity.sender_id
    return (identity.external_id, identity.email, identity.phone, identity.trusted)


@given(PEOPLE, PEOPLE)
def test_two_people_never_share_an_entry(one: Identity, other: Identity) -> None:
    """Nor a person and a claim to be that person."""
    nobody = KustomerClient("https://x.example", "key", transport=httpx.MockTransport(lambda _: httpx.Response(500)))
    directory = CustomerDirectory(nobody, ttl_seconds=TTL, size=100, now=Clock())
    directory.learn(one, Customer.read({"id": "c"}))

    assert directory.knows(one)
    assert directory.knows(other) is (person(one) == person(other))


async def test_people_who_ask_at_once_get_each_their_own_record(directory: CustomerDirectory, sandbox: Sandbox) -> None:
    people = [ANN, Identity(sender_id="ann", external_id="c-2"), Identity(sender_id="ann"), Identity(sender_id="bob")]

    found = await asyncio.gather(*(directory.get_or_create(one) for one in people))

    assert [one.external_ids for one in found] == [["c-1"], ["c-2"], ["rasa:ann"], ["rasa:bob"]]


async def test_a_record_that_others_keep_changing_is_taken_without_our_id(
    directory: CustomerDirectory, client: KustomerClient, sandbox: Sandbox
) -> None:
    """The id on a record found by e-mail makes the next look-up surer; no session waits for it."""
    known = await client.create_customer({"emails": [{"email": "ann@example.com"}]})
    sandbox.fail("PATCH /v1/customers/*", "status:409", times=None)

    found = await directory.get_or_create(Identity("ann", external_id="c-1", email="ann@example.com", trusted=True))

    assert found.id == known.id


async def test_an_address_that_kustomer_refuses_does_not_make_two_senders_one(
    directory: CustomerDirectory, sandbox: Sandbox
) -> None:
    sandbox.fail("POST /v1/customers", "status:400", times=1)
    first = await directory.get_or_create(Identity("ann", email="odd@example.com"))
    second = await directory.get_or_create(Identity("bob", email="odd@example.com"))

    assert [one.external_ids for one in (first, second)] == [["rasa:ann"], ["rasa:bob"]]
