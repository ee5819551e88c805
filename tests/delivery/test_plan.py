"""Records into requests: pure."""

import itertools
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from rasa_kustomer.delivery import plan
from rasa_kustomer.delivery.plan import Parking
from rasa_kustomer.kustomer.errors import Rejected


@given(st.lists(st.integers(0, 10**14)))
def test_sent_at_strictly_increases_whatever_the_times(times: list[int]) -> None:
    last, sent = 0, []
    for at_ms in times:
        last = plan.sent_ms({"at_ms": at_ms}, last)
        sent.append(last)

    assert all(earlier < later for earlier, later in itertools.pairwise(sent))


@given(st.integers(1, 253_402_000_000_000))
def test_dates_survive_the_way_to_kustomer_and_back(ms: int) -> None:
    written = plan.iso(ms)

    assert written.endswith("Z")
    assert plan.epoch_ms(datetime.fromisoformat(written.replace("Z", "+00:00"))) == ms


@given(st.sampled_from([None, "preview", "meta", "auto", "unknown", "/sentAt", "custom.x"]))
def test_mending_ends_and_never_drops_what_is_required(field: str | None) -> None:
    body: dict[str, object] | None = plan.message_body(
        "k", {"direction": "out", "channel": "chat", "text": "x", "action": "a"}, 5
    )
    error = Rejected("no", status=400, field=field, duplicate=False)
    rounds = 0
    while body is not None:
        assert {"channel", "app", "direction", "preview", "externalId"} <= body.keys()
        body = plan.without_refused(body, error, plan.MESSAGE_OPTIONAL)
        rounds += 1
        assert rounds < 10


def test_a_long_first_text_makes_a_short_subject() -> None:
    body = plan.conversation_body("k", "c", "word " * 100, Parking())

    assert len(body["name"]) < 100
    assert plan.conversation_body("k", "c", None, Parking())["name"] == "Bot chat"


def test_the_handoff_lifts_what_parked() -> None:
    payload = {"priority": 4, "subject": "s"}

    assert plan.ticket_patch(payload, "t", Parking(user_id="u"))["assignedUsers"] == []
    assert plan.ticket_patch(payload, "t", Parking(queue_id="q"))["queue"] is None
    assert plan.ticket_patch(payload | {"repeated": True}, "t", Parking(user_id="u")) == {
        "status": "open",
        "priority": 4,
    }
