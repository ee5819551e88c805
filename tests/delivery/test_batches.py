"""Which records share a job: the rules of bulk jobs, for any mixture of sessions."""

import json
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.searching import examples

from rasa_kustomer.delivery.bulk_plan import MOST_BYTES, MOST_ITEMS, Batch, plan_batches
from rasa_kustomer.outbox import Claim, Kind, Record


def room(_customer_id: str) -> int:
    return 1_000_000


KINDS = st.sampled_from([*[Kind.MESSAGE] * 6, Kind.CLOSE, Kind.REPOINT])


@st.composite
def claims(draw: st.DrawFn) -> list[Claim]:
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
            Claim(
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
@given(claims())
def test_a_batch_keeps_the_rules_of_jobs_and_the_order_of_sessions(given_claims: list[Claim]) -> None:
    batches = plan_batches(given_claims, room)

    seen: set[int] = set()
    by_id = {claim.id: claim for claim in given_claims}
    for batch in batches:
        bodies = [item.body for item in batch.items]
        references = [body["_clientRef"] for body in bodies]
        sessions = {item.part.session_id for item in batch.items}
        assert 1 <= len(bodies) <= MOST_ITEMS
        assert len(json.dumps(bodies).encode()) <= MOST_BYTES * 1.01
        assert all(0 < len(one) <= 255 for one in references)
        assert len(set(references)) == len(references)
        assert not sessions & seen
        seen |= sessions
        for session in sessions:
            mine = [item for item in batch.items if item.part.session_id == session]
            claim = by_id[session]
            assert [item.record for item in mine] == claim.records[: len(mine)]
            assert all(item.record.kind is Kind.MESSAGE and not item.record.unsure for item in mine)
            times = [claim.last_sent_ms, *(item.part.sent_ms for item in mine)]
            assert times == sorted(set(times))


@settings(max_examples=examples(30))
@given(claims())
def test_every_session_with_a_clean_turn_at_its_head_is_served(given_claims: list[Claim]) -> None:
    served = {item.part.session_id for batch in plan_batches(given_claims, room) for item in batch.items}
    for claim in given_claims:
        head = claim.records[0] if claim.records else None
        clean = head is not None and head.kind is Kind.MESSAGE and not head.unsure and head.sent_ms is None
        assert (claim.id in served) == clean


def session(number: int, turns: int, *, escalated: bool = False, customer: str = "c") -> Claim:
    return Claim(
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


def sizes(batches: list[Batch]) -> list[int]:
    return [len(batch.items) for batch in batches]


def test_the_jobs_hold_no_more_of_a_customer_than_kustomer_takes_in_a_minute() -> None:
    chats = [session(1, 80), session(2, 80), session(3, 80, customer="other")]
    planned = plan_batches(chats, {"c": 120, "other": 10}.__getitem__)

    by_session = Counter(item.part.session_id for batch in planned for item in batch.items)
    assert by_session == {1: 80, 2: 40, 3: 10}
    assert plan_batches(chats, lambda _customer: 0) == []
