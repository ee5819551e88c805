"""Our share of the request budget is kept, whatever comes in whatever rhythm."""

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.searching import examples

from rasa_kustomer.delivery.budget import BURST_SECONDS, WINDOW_SECONDS, Budget, Lane, lane
from rasa_kustomer.kustomer.errors import RateLimited
from rasa_kustomer.kustomer.rate_limits import LONGEST_WAIT_SECONDS

SPENT = httpx.Response(429, headers={"x-ratelimit-remaining": "0", "retry-after": "30"})
REQUEST = httpx.Request("GET", "https://x.example")


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


async def admit(budget: Budget, number: int, at: Lane, clock: Clock) -> list[float]:
    token = lane.set(at)
    sent = []
    for _ in range(number):
        await budget._admit(REQUEST)
        sent.append(clock.now)
    lane.reset(token)
    return sent


@settings(max_examples=examples(50))
@given(st.lists(st.tuples(st.integers(1, 60), st.floats(0, 90)), max_size=12), st.sampled_from([0.1, 0.5, 1.0]))
async def test_no_minute_holds_more_than_the_share_and_the_burst(bursts: list[tuple[int, float]], share: float) -> None:
    clock = Clock()
    budget = Budget(share, now=clock, sleep=clock.sleep)
    sent: list[float] = []
    for number, pause in bursts:
        sent += await admit(budget, number, Lane.MIRROR, clock)
        clock.now += pause

    allowed = budget.per_second * (60 + BURST_SECONDS) + 1
    for start in sent:
        assert sum(start <= moment < start + 60 for moment in sent) <= allowed


async def test_a_person_overtakes_and_the_mirror_makes_up_for_it() -> None:
    clock = Clock()
    budget = Budget(0.5, now=clock, sleep=clock.sleep)
    await admit(budget, 200, Lane.MIRROR, clock)
    before = clock.now
    assert await admit(budget, 20, Lane.HANDOFF, clock) == [before] * 20

    await admit(budget, 1, Lane.MIRROR, clock)
    assert clock.now - before >= 20 / budget.per_second


async def test_after_a_rate_limit_nobody_sends_before_the_reset() -> None:
    clock = Clock()
    budget = Budget(0.5, now=clock, sleep=clock.sleep)
    await budget._observe(SPENT)

    for at in (Lane.HANDOFF, Lane.MIRROR):
        with pytest.raises(RateLimited) as raised:
            await admit(budget, 1, at, clock)
        assert raised.value.wait_seconds == pytest.approx(30)

    clock.now += 30
    assert len(await admit(budget, 1, Lane.HANDOFF, clock)) == 1


async def test_the_limit_is_what_kustomer_says() -> None:
    clock = Clock()
    budget = Budget(0.5, now=clock, sleep=clock.sleep)
    await budget._observe(httpx.Response(200, headers={"x-ratelimit-limit": "300", "x-ratelimit-remaining": "7"}))
    assert (budget.limit, budget.remaining, budget.per_second) == (300, 7, 2.5)

    await budget._observe(httpx.Response(200, headers={"x-ratelimit-limit": "many", "x-ratelimit-remaining": "-"}))
    assert (budget.limit, budget.remaining) == (300, None)


async def test_a_clock_that_was_set_back_does_not_stop_the_mirror() -> None:
    clock = Clock()
    budget = Budget(0.5, now=clock, sleep=clock.sleep)
    await admit(budget, 1, Lane.MIRROR, clock)
    await budget._observe(SPENT)
    clock.now -= 3_600
    before = clock.now
    assert budget.blocked_seconds <= LONGEST_WAIT_SECONDS
    clock.now += LONGEST_WAIT_SECONDS

    await admit(budget, 1, Lane.MIRROR, clock)

    assert clock.now - before < LONGEST_WAIT_SECONDS + WINDOW_SECONDS + 5


async def test_the_mirror_leaves_what_belongs_to_others_and_a_handoff_does_not_wait() -> None:
    """Several processes share the budget by this: each sees what all have used."""
    clock = Clock()
    budget = Budget(0.5, now=clock, sleep=clock.sleep)
    reset = str(int(clock.now) + 40)
    told = {"x-ratelimit-limit": "1000", "x-ratelimit-remaining": "500", "x-ratelimit-reset": reset}
    await budget._observe(httpx.Response(200, headers=told))
    before = clock.now

    assert await admit(budget, 3, Lane.HANDOFF, clock) == [before] * 3
    assert await admit(budget, 3, Lane.ESCALATED, clock) == [before] * 3
    assert await admit(budget, 3, Lane.LOOKUP, clock) == [before] * 3
    assert (await admit(budget, 1, Lane.MIRROR, clock))[0] >= before + 40


@pytest.mark.parametrize(("remaining", "waiting"), [(40, [Lane.LOOKUP]), (15, [Lane.LOOKUP, Lane.ESCALATED])])
async def test_the_last_requests_of_a_window_are_for_the_most_urgent(remaining: int, waiting: list[Lane]) -> None:
    for at in (Lane.HANDOFF, Lane.ESCALATED, Lane.LOOKUP):
        clock = Clock()
        budget = Budget(0.5, now=clock, sleep=clock.sleep)
        headers = {"x-ratelimit-limit": "1000", "x-ratelimit-remaining": str(remaining)}
        await budget._observe(httpx.Response(200, headers=headers))
        before = clock.now
        assert ((await admit(budget, 1, at, clock))[0] > before) is (at in waiting)


async def test_clean_up_waits_until_the_mirror_has_had_its_turn() -> None:
    clock = Clock()
    budget = Budget(0.5, now=clock, sleep=clock.sleep)
    await admit(budget, 90, Lane.MIRROR, clock)
    before = clock.now

    assert (await admit(budget, 1, Lane.CLEANUP, clock))[0] - before > 1.0
    assert (await admit(budget, 1, Lane.MIRROR, clock))[0] - before < 10.0


async def test_a_new_window_is_seen_by_what_remains() -> None:
    clock = Clock()
    budget = Budget(0.5, now=clock, sleep=clock.sleep)
    headers = {"x-ratelimit-limit": "1000", "x-ratelimit-remaining": "100"}
    await budget._observe(httpx.Response(200, headers=headers))
    await budget._observe(httpx.Response(200, headers=headers | {"x-ratelimit-remaining": "990"}))
    before = clock.now

    assert (await admit(budget, 1, Lane.MIRROR, clock))[0] - before < 1.0


async def test_several_processes_together_keep_to_the_share() -> None:
    """Four of them, each with a full bucket, on one organisation's window."""
    clock = Clock()
    budgets = [Budget(0.5, now=clock, sleep=clock.sleep) for _ in range(4)]
    used, window_ends = 0, clock.now + 60
    while clock.now < window_ends - 1:
        for budget in budgets:
            await admit(budget, 1, Lane.MIRROR, clock)
            if clock.now >= window_ends:
                break
            used += 1
            headers = {"x-ratelimit-limit": "1000", "x-ratelimit-remaining": str(1000 - used)}
            await budget._observe(httpx.Response(200, headers=headers | {"x-ratelimit-reset": str(int(window_ends))}))
    assert used <= 500 + len(budgets)
