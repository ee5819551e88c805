"""Which records share a job: the rules of bulk jobs, for any mixture of sessions."""

import json
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.searching import examples

from rasa_kustomer.delivery.bulk_plan import MAX_BYTES, MAX_ITEMS, BulkJob, plan_jobs
from rasa_kustomer.outbox import Kind, Lease, Record


def room(_customer_id: str) -> int:
    return 1_000_000


KINDS = st.sampled_from([*[Kind.MESSAGE] * 6, Kind.CLOSE, Kind.REPOINT])


@st.composite
def leases(draw: st.DrawFn) -> list[Lease]:
    made = []
    for number in range(draw(st.integers(0, 40))):
        records = [
            Record(
                number * 1000 + place,
                f"key-{number}-{place}",
                draw(KINDS),
                {
                    "direction": draw(st.sampled_from(["in", "out"])),
                    "text": "ü" * draw(st.sampled_from([1, 20, 9_000])),
                    "at_ms": draw(st.integers(0, 50)),
                    "channel": "chat",
                },
                unsure=draw(st.booleans()) and place > 3,
                attempts=0,
                sent_ms=draw(st.sampled_from([None, None, None, 7])),
            )
            for place in range(draw(st.integers(0, 25)))
        ]
        made.append(
            Lease(
                id=number,
                key=f"s-{number}",
                sender_id=str(number),
                identity={},
                customer_id="c",
                conversation_id="d",
                creating=False,
                escalated=draw(st.sampled_from([False, False, True])),
                attempts=0,
                last_sent_ms=draw(st.integers(0, 60)),
                records=records,
            )
        )
    return made


@settings(max_examples=examples(60))
@given(leases())
def test_a_batch_keeps_the_rules_of_jobs_and_the_order_of_sessions(given_claims: list[Lease]) -> None:
    batches = plan_jobs(given_claims, room)

    seen: set[int] = set()
    by_id = {lease.id: lease for lease in given_claims}
    for batch in batches:
        bodies = [item.body for item in batch.items]
        references = [body["_clientRef"] for body in bodies]
        sessions = {item.part.session_id for item in batch.items}
        assert 1 <= len(bodies) <= MAX_ITEMS
        assert len(json.dumps(bodies).encode()) <= MAX_BYTES * 1.01
        assert all(0 < len(one) <= 255 for one in references)
        assert len(set(references)) == len(references)
        assert not sessions & seen
        seen |= sessions
        for session in sessions:
            mine = [item for item in batch.items if item.part.session_id == session]
            lease = by_id[session]
            assert [item.record for item in mine] == lease.records[: len(mine)]
            assert all(item.record.kind is Kind.MESSAGE and not item.record.unsure for item in mine)
            times = [lease.last_sent_ms, *(item.part.sent_ms for item in mine)]
            assert times == sorted(set(times))


@settings(max_examples=examples(30))
@given(leases())
def test_every_session_with_a_clean_turn_at_its_head_is_served(given_claims: list[Lease]) -> None:
    served = {item.part.session_id for batch in plan_jobs(given_claims, room) for item in batch.items}
    for lease in given_claims:
        head = lease.records[0] if lease.records else None
        clean = head is not None and head.kind is Kind.MESSAGE and not head.unsure and head.sent_ms is None
        assert (lease.id in served) == clean


def session(number: int, turns: int, *, escalated: bool = False, customer: str = "c") -> Lease:
    return Lease(
        id=number,
        key=f"s-{number}",
        sender_id=str(number),
        identity={},
        customer_id=customer,
        conversation_id="d",
        creating=False,
        escalated=escalated,
        attempts=0,
        last_sent_ms=0,
        records=[
            Record(
                number * 1000 + place,
                f"key-{number}-{place}",
                Kind.MESSAGE,
                {"direction": "in", "text": "x", "at_ms": place, "channel": "chat"},
                unsure=False,
                attempts=0,
            )
            for place in range(turns)
        ],
    )


def sizes(batches: list[BulkJob]) -> list[int]:
    return [len(batch.items) for batch in batches]


def test_the_jobs_hold_no_more_of_a_customer_than_kustomer_takes_in_a_minute() -> None:
    chats = [session(1, 80), session(2, 80), session(3, 80, customer="other")]
    planned = plan_jobs(chats, {"c": 120, "other": 10}.__getitem__)

    by_session = Counter(item.part.session_id for batch in planned for item in batch.items)
    assert by_session == {1: 80, 2: 40, 3: 10}
    assert plan_jobs(chats, lambda _customer: 0) == []
