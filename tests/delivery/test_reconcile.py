"""What Kustomer lost is found and sent again, in its place and once."""

import asyncio
from typing import Any

import pytest
from tests.delivery.office import Office

from kustomer_sandbox import Sandbox
from rasa_kustomer.kustomer.errors import NotAllowed, Unreachable
from rasa_kustomer.outbox import Kind
from rasa_kustomer.reconcile import Reconciliation, Report

TEXTS = ("hello", "Hi! How can I help?", "my order", "Which one?")


async def compare(office: Office, *, dry_run: bool = False, since: float = 0.0) -> Report:
    """As the command does, when no worker is at work; time passes as the budget needs it."""
    work = Reconciliation(office.outbox, office.client, dry_run=dry_run, sleep=office.clock.sleep)
    office.clock.now += 60  # leases are over
    run = asyncio.ensure_future(work.run(since))
    while not run.done():
        office.clock.now += 0.5
        await asyncio.sleep(0.001)
    return run.result()


async def delivered(office: Office, *senders: str) -> None:
    for sender in senders:
        await office.say(sender, *TEXTS)
    await office.deliver()
    await office.worker.stop()


async def deliver_again(office: Office) -> None:
    office.worker._stopping = False
    await office.deliver()
    await office.worker.stop()


def lose(sandbox: Sandbox, text: str) -> None:
    for row in [row for row in sandbox.state.messages.values() if row["preview"] == text]:
        sandbox.state.drop("messages", row["id"])


async def test_when_nothing_is_missing_the_rate_is_100(office: Office) -> None:
    await delivered(office, "ann", "bob")

    report = await compare(office)

    assert report.success_percent == 100.0
    assert (report.conversations, report.checked, report.present, report.missing) == (2, 8, 8, 0)
    assert (report.doubled, report.out_of_order, report.dead, report.pending) == (0, 0, 0, 0)


async def test_what_is_missing_is_sent_again_in_its_place_and_the_second_run_says_100(
    office: Office, sandbox: Sandbox
) -> None:
    await delivered(office, "ann")
    lose(sandbox, "my order")

    report = await compare(office)
    assert (report.missing, report.put_back, report.success_percent) == (1, 1, 75.0)
    counts = await office.outbox.counts()
    assert counts.balanced
    assert (counts.pending, counts.delivered) == (1, 3)

    await deliver_again(office)
    assert office.texts("ann") == list(TEXTS)
    again = await compare(office)
    assert (again.success_percent, again.missing, again.out_of_order) == (100.0, 0, 0)
    assert (await office.outbox.counts()).balanced


async def test_neighbours_that_are_missing_keep_their_order(office: Office, sandbox: Sandbox) -> None:
    await delivered(office, "ann")
    for text in TEXTS[:3]:
        lose(sandbox, text)

    assert (await compare(office)).put_back == 3
    await deliver_again(office)

    assert office.texts("ann") == list(TEXTS)


async def test_what_is_there_after_all_is_not_sent_twice(office: Office, sandbox: Sandbox) -> None:
    """A list may lag behind; delivery looks the record up before it sends."""
    await delivered(office, "ann")
    kept = next(row for row in sandbox.state.messages.values() if row["preview"] == "my order")
    sandbox.state.drop("messages", kept["id"])
    await compare(office)
    sandbox.state.put("messages", kept)

    await deliver_again(office)

    assert office.texts("ann") == list(TEXTS)


async def test_a_dry_run_changes_nothing(office: Office, sandbox: Sandbox) -> None:
    await delivered(office, "ann")
    lose(sandbox, "my order")
    before = await office.outbox.maintenance.entries()

    report = await compare(office, dry_run=True)

    assert (report.missing, report.put_back) == (1, 0)
    assert await office.outbox.maintenance.entries() == before


async def test_what_stands_twice_is_counted_and_what_has_no_external_id_is_known_by_its_id(
    office: Office, sandbox: Sandbox
) -> None:
    await delivered(office, "ann")
    rows = {row["preview"]: row for row in office.rows("ann")}
    sandbox.state.put("messages", {**rows["my order"], "id": sandbox.state.new_id()})
    sandbox.state.put("messages", {**rows["hello"], "externalId": None})

    report = await compare(office)

    assert (report.present, report.doubled, report.success_percent) == (4, 1, 100.0)


async def test_a_turn_that_stands_before_an_earlier_one_is_counted(office: Office, sandbox: Sandbox) -> None:
    await delivered(office, "ann")
    last = office.rows("ann")[-1]
    sandbox.state.put("messages", {**last, "sentAt": "1970-01-01T00:00:00.000Z"})

    report = await compare(office)

    assert (report.out_of_order, report.missing) == (1, 0)


async def test_a_note_is_looked_for_where_the_key_may_read_notes(office: Office, sandbox: Sandbox) -> None:
    session = await office.say("ann", "help")
    await office.hand_off(session)
    await office.deliver()
    await office.worker.stop()
    for row in list(sandbox.state.notes.values()):
        sandbox.state.drop("notes", row["id"])
    sandbox.roles.discard("org.permission.note.read")
    blind = await compare(office)
    assert (blind.unread_notes, blind.checked, blind.missing) == (1, 1, 0)

    sandbox.roles.add("org.permission.note.read")
    assert (await compare(office)).missing == 1
    await deliver_again(office)

    assert [row["body"] for row in sandbox.state.notes.values()] == ["summary"]


async def test_a_conversation_that_is_gone_is_reported_and_left(office: Office, sandbox: Sandbox) -> None:
    await delivered(office, "ann", "bob")
    (gone,) = office.conversations("ann")
    sandbox.state.drop("conversations", gone["id"])

    report = await compare(office)

    assert (report.gone, report.conversations, report.missing) == ([gone["id"]], 1, 0)
    assert (await office.outbox.counts()).pending == 0


async def test_a_session_that_a_worker_has_is_left_out_and_counted(office: Office) -> None:
    await delivered(office, "ann")
    await office.say("ann", "one more", start=5)
    assert len(await office.outbox.lease(1)) == 1

    report = await compare_at_once(office)

    assert (report.leased, report.checked, report.pending) == (1, 0, 1)
    assert report.success_percent is None


async def compare_at_once(office: Office) -> Report:
    return await Reconciliation(office.outbox, office.client).run(0.0)


async def test_a_session_that_a_worker_takes_meanwhile_is_not_touched(office: Office) -> None:
    await delivered(office, "ann")
    await office.say("ann", "one more", start=5)
    (lease,) = await office.outbox.lease(1)
    first = (await office.outbox.maintenance.entries())[0]["id"]

    assert await office.outbox.auditing.put_back(lease.id, {first: None}) == 0


async def test_a_closed_chat_is_closed_again_after_what_was_missing(office: Office, sandbox: Sandbox) -> None:
    """A customer's words reopen a conversation, and nobody else would close it."""
    await delivered(office, "ann")
    office.clock.now += 3_601
    assert await office.outbox.maintenance.close_idle(60) == 1
    await deliver_again(office)
    lose(sandbox, "my order")

    assert (await compare(office)).put_back == 1
    assert (await office.outbox.counts()).pending == 2
    await deliver_again(office)

    assert office.texts("ann") == list(TEXTS)
    assert office.conversations("ann")[0]["status"] == "done"
    closings = [one for one in await office.outbox.maintenance.entries() if one["kind"] == Kind.CLOSE.value]
    assert len(closings) == 1


async def test_only_what_was_delivered_since_then_is_compared(office: Office) -> None:
    await delivered(office, "ann")
    later = office.clock.now + 60
    office.clock.now += 120
    await office.say("bob", "hello")
    await deliver_again(office)

    assert (await compare(office, since=later)).checked == 1


async def test_the_dead_lower_the_rate_and_what_waits_is_told(office: Office) -> None:
    await delivered(office, "ann")
    await office.say("bob", "refused", "waits")
    (lease,) = await office.outbox.lease(1)
    await office.outbox.dead(lease, lease.records[0], "refused")
    await office.outbox.release(lease)

    report = await compare(office)

    assert (report.dead, report.pending, report.success_percent) == (1, 1, 80.0)


@pytest.mark.parametrize(("present", "checked", "expected"), [(1, 3, 33.33), (99_999, 100_000, 99.99), (5, 5, 100.0)])
def test_the_rate_is_cut_and_not_rounded_up(present: int, checked: int, expected: float) -> None:
    assert Report(present=present, checked=checked).success_percent == expected


async def test_the_request_limit_is_waited_for(office: Office, sandbox: Sandbox) -> None:
    await delivered(office, "ann")
    sandbox.fail("GET /v1/conversations/*", "429", times=1)

    assert (await compare(office)).success_percent == 100.0


async def test_a_conversation_that_cannot_be_read_holds_up_no_other_and_an_outage_ends_the_run(
    office: Office, sandbox: Sandbox
) -> None:
    await delivered(office, "ann", "bob", "eve", "kim")
    (stuck,) = office.conversations("ann")
    sandbox.fail(f"GET /v1/conversations/{stuck['id']}/messages", "status:500", times=None)
    report = await compare(office)
    assert (report.unreadable, report.conversations) == (1, 3)

    sandbox.fail("*", "status:500", times=None)
    with pytest.raises(Unreachable):
        await compare(office)


async def test_a_missing_role_is_named(office: Office, sandbox: Sandbox) -> None:
    await delivered(office, "ann")
    sandbox.roles.discard("org.permission.message.read")

    with pytest.raises(NotAllowed, match=r"org\.permission\.message\.read"):
        await compare(office)


async def test_a_second_conversation_of_a_chat_is_counted_with_what_stands_in_both(
    office: Office, sandbox: Sandbox
) -> None:
    await delivered(office, "ann", "bob")
    assert (await compare(office)).doubled_conversations == 0
    second = _second_conversation(office, sandbox, office.conversations("ann")[0]["customer"])
    for row in office.rows("ann")[:3]:
        sandbox.state.put("messages", {**row, "id": sandbox.state.new_id(), "conversation": second})

    report = await compare(office)

    assert (report.doubled_conversations, report.doubled_conversation_ids) == (1, [second])
    assert (report.doubled, report.missing, report.present) == (3, 0, 8)


async def test_an_older_conversation_of_another_customer_is_seen_too(office: Office, sandbox: Sandbox) -> None:
    await delivered(office, "ann")
    mine = office.conversations("ann")[0]
    other = _second_conversation(office, sandbox, sandbox.state.put("customers", {**_customer(sandbox)})["id"])
    sandbox.state.drop("conversations", mine["id"])
    sandbox.state.put("conversations", mine)  # now the other one is the older

    assert (await compare(office)).doubled_conversation_ids == [other]


async def test_where_second_conversations_cannot_be_looked_for_no_rate_is_told(
    office: Office, sandbox: Sandbox
) -> None:
    await delivered(office, "ann")
    path = f"/v1/customers/{office.conversations('ann')[0]['customer']}/conversations"
    sandbox.fail(f"GET {path}", "status:404", times=1)

    blind = await compare(office)
    assert (blind.unsearched, blind.success_percent, blind.missing) == (1, None, 0)

    seeing = await compare(office)
    assert (seeing.unsearched, seeing.success_percent) == (0, 100.0)


def _second_conversation(office: Office, sandbox: Sandbox, customer: str) -> str:
    mine = office.conversations("ann")[0]
    second = sandbox.state.put("conversations", {**mine, "id": sandbox.state.new_id(), "customer": customer})
    return str(second["id"])


def _customer(sandbox: Sandbox) -> dict[str, Any]:
    row = next(iter(sandbox.state.customers.values()))
    return {**row, "id": sandbox.state.new_id(), "externalIds": []}
