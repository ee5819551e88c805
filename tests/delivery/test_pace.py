"""When turns are gathered, and how many of one customer are sent."""

import pytest
from tests.helpers import Clock

from rasa_kustomer.delivery.pace import CUSTOMER_LIMIT, GATHER_SECONDS, LIVE_UNITS, CustomerPace, InteractiveAllowance
from rasa_kustomer.kustomer.errors import RateLimited


def test_turns_that_nobody_waits_for_are_gathered_for_5_seconds_and_then_go() -> None:
    clock = Clock()
    live = InteractiveAllowance(now=clock)
    assert live.gathered()
    live.spend(int(LIVE_UNITS))
    assert live.left() < 1
    assert not live.gathered()

    clock.now += GATHER_SECONDS - 0.1
    assert not live.gathered()
    clock.now += 0.2
    assert live.gathered()


def test_a_customer_whose_minute_is_full_waits_until_its_first_message_is_a_minute_old() -> None:
    clock = Clock()
    pace = CustomerPace(now=clock)
    for _ in range(CUSTOMER_LIMIT):
        pace.check("ann")
        with pace.sending({"ann": 1}):
            clock.now += 0.1
    with pytest.raises(RateLimited) as raised:
        pace.check("ann")
    assert raised.value.wait_seconds == pytest.approx(60 - (CUSTOMER_LIMIT - 1) * 0.1)
    assert not raised.value.organisation
    pace.check("bob")

    clock.now += raised.value.wait_seconds + 0.01
    pace.check("ann")
    assert pace.left("ann") == 1


def test_what_is_under_way_counts_and_its_minute_begins_when_it_has_arrived() -> None:
    clock = Clock()
    pace = CustomerPace(now=clock)
    with pace.sending({"ann": CUSTOMER_LIMIT}):
        clock.now += 90
        assert pace.left("ann") == 0
    clock.now += 59
    assert pace.left("ann") == 0
    clock.now += 2
    assert pace.left("ann") == CUSTOMER_LIMIT
