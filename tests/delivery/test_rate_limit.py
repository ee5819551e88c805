"""Our share of the request budget is kept, whatever comes in whatever rhythm."""

import asyncio
import itertools
from email.utils import formatdate

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.helpers import Clock
from tests.searching import examples

from rasa_kustomer.delivery.rate_limit import BURST_SECONDS, MAX_PAUSE_SECONDS, WINDOW_SECONDS, RateLimiter
from rasa_kustomer.kustomer.errors import RateLimited
from rasa_kustomer.kustomer.priority import Priority, WorkPriority, task_priority
from rasa_kustomer.kustomer.rate_limits import MAX_WAIT_SECONDS

SPENT = httpx.Response(429, headers={"x-ratelimit-remaining": "0", "retry-after": "30"})
REQUEST = httpx.Request("GET", "https://x.example")


async def admit(rate_limiter: RateLimiter, number: int, at: Priority, clock: Clock) -> list[float]:
    token = task_priority.set(WorkPriority(at))
    sent = []
    for _ in range(number):
        for hook in rate_limiter.event_hooks["request"]:
            await hook(REQUEST)
        sent.append(clock.now)
    task_priority.reset(token)
    return sent


async def observe(rate_limiter: RateLimiter, answer: httpx.Response) -> None:
    for hook in rate_limiter.event_hooks["response"]:
        await hook(answer)


def told(limit: object = 1000, remaining: object = 900, status: int = 200, **more: object) -> httpx.Response:
    headers = {"x-ratelimit-limit": str(limit), "x-ratelimit-remaining": str(remaining)}
    return httpx.Response(status, headers=headers | {name.replace("_", "-"): str(one) for name, one in more.items()})


def spent(**more: object) -> httpx.Response:
    return told(remaining=0, status=429, **more)


async def stand(_seconds: float) -> None:
    """A sleep that takes longer than the test."""
    await asyncio.Event().wait()


async def may_send(rate_limiter: RateLimiter, at: Priority = Priority.MIRROR) -> bool:
    """Whether a request goes out now."""
    asking = asyncio.ensure_future(admit(rate_limiter, 1, at, Clock()))
    await asyncio.sleep(0)
    went = asking.done() and asking.exception() is None
    asking.cancel()
    return went


@settings(max_examples=examples(50))
@given(st.lists(st.tuples(st.integers(1, 60), st.floats(0, 90)), max_size=12), st.sampled_from([0.1, 0.5, 1.0]))
async def test_no_minute_holds_more_than_the_share_and_the_burst(bursts: list[tuple[int, float]], share: float) -> None:
    clock = Clock()
    rate_limiter = RateLimiter(share, now=clock, sleep=clock.sleep)
    sent: list[float] = []
    for number, pause in bursts:
        sent += await admit(rate_limiter, number, Priority.MIRROR, clock)
        clock.now += pause

    allowed = rate_limiter.per_second * (60 + BURST_SECONDS) + 1
    for start in sent:
        assert sum(start <= moment < start + 60 for moment in sent) <= allowed


async def test_a_person_overtakes_and_the_mirror_makes_up_for_it() -> None:
    clock = Clock()
    rate_limiter = RateLimiter(0.5, now=clock, sleep=clock.sleep)
    await admit(rate_limiter, 200, Priority.MIRROR, clock)
    before = clock.now
    assert await admit(rate_limiter, 20, Priority.HANDOFF, clock) == [before] * 20

    await admit(rate_limiter, 1, Priority.MIRROR, clock)
    assert clock.now - before >= 20 / rate_limiter.per_second


async def test_after_a_rate_limit_nobody_sends_before_the_reset() -> None:
    clock = Clock()
    rate_limiter = RateLimiter(0.5, now=clock, sleep=clock.sleep)
    await observe(rate_limiter, SPENT)

    for at in (Priority.HANDOFF, Priority.MIRROR):
        with pytest.raises(RateLimited) as raised:
            await admit(rate_limiter, 1, at, clock)
        assert raised.value.wait_seconds == pytest.approx(30)

    clock.now += 30
    assert len(await admit(rate_limiter, 1, Priority.HANDOFF, clock)) == 1


async def test_the_limit_is_what_kustomer_says() -> None:
    clock = Clock()
    rate_limiter = RateLimiter(0.5, now=clock, sleep=clock.sleep)
    await observe(rate_limiter, httpx.Response(200, headers={"x-ratelimit-limit": "300", "x-ratelimit-remaining": "7"}))
    assert (rate_limiter.limit, rate_limiter.remaining, rate_limiter.per_second) == (300, 7, 2.5)

    await observe(
        rate_limiter, httpx.Response(200, headers={"x-ratelimit-limit": "many", "x-ratelimit-remaining": "-"})
    )
    assert (rate_limiter.limit, rate_limiter.remaining) == (300, 7), "rubbish changes nothing"


async def test_a_clock_that_was_set_back_does_not_stop_the_mirror() -> None:
    clock = Clock()
    rate_limiter = RateLimiter(0.5, now=clock, sleep=clock.sleep)
    await admit(rate_limiter, 1, Priority.MIRROR, clock)
    await observe(rate_limiter, SPENT)
    clock.now -= 3_600
    before = clock.now
    assert rate_limiter.blocked_seconds <= MAX_WAIT_SECONDS
    clock.now += MAX_WAIT_SECONDS

    await admit(rate_limiter, 1, Priority.MIRROR, clock)

    assert clock.now - before < MAX_WAIT_SECONDS + WINDOW_SECONDS + 5


async def test_the_mirror_leaves_what_belongs_to_others_and_a_handoff_does_not_wait() -> None:
    """Several processes share the budget by this: each sees what all have used."""
    clock = Clock()
    rate_limiter = RateLimiter(0.5, now=clock, sleep=clock.sleep)
    reset = str(int(clock.now) + 40)
    await observe(rate_limiter, told(remaining=500, x_ratelimit_reset=reset))
    before = clock.now

    assert await admit(rate_limiter, 3, Priority.HANDOFF, clock) == [before] * 3
    assert await admit(rate_limiter, 3, Priority.ESCALATED, clock) == [before] * 3
    assert await admit(rate_limiter, 3, Priority.LOOKUP, clock) == [before] * 3
    assert (await admit(rate_limiter, 1, Priority.MIRROR, clock))[0] >= before + 40


@pytest.mark.parametrize(
    ("remaining", "waiting"), [(40, [Priority.LOOKUP]), (15, [Priority.LOOKUP, Priority.ESCALATED])]
)
async def test_the_last_requests_of_a_window_are_for_the_most_urgent(remaining: int, waiting: list[Priority]) -> None:
    for at in (Priority.HANDOFF, Priority.ESCALATED, Priority.LOOKUP):
        clock = Clock()
        rate_limiter = RateLimiter(0.5, now=clock, sleep=clock.sleep)
        headers = {"x-ratelimit-limit": "1000", "x-ratelimit-remaining": str(remaining)}
        await observe(rate_limiter, httpx.Response(200, headers=headers))
        before = clock.now
        assert ((await admit(rate_limiter, 1, at, clock))[0] > before) is (at in waiting)


async def test_clean_up_waits_until_the_mirror_has_had_its_turn() -> None:
    clock = Clock()
    rate_limiter = RateLimiter(0.5, now=clock, sleep=clock.sleep)
    await admit(rate_limiter, 90, Priority.MIRROR, clock)
    before = clock.now

    assert (await admit(rate_limiter, 1, Priority.CLEANUP, clock))[0] - before > 1.0
    assert (await admit(rate_limiter, 1, Priority.MIRROR, clock))[0] - before < 10.0


async def test_a_new_window_is_seen_by_what_remains() -> None:
    clock = Clock()
    rate_limiter = RateLimiter(0.5, now=clock, sleep=clock.sleep)
    headers = {"x-ratelimit-limit": "1000", "x-ratelimit-remaining": "100"}
    await observe(rate_limiter, httpx.Response(200, headers=headers))
    await observe(rate_limiter, httpx.Response(200, headers=headers | {"x-ratelimit-remaining": "990"}))
    before = clock.now

    assert (await admit(rate_limiter, 1, Priority.MIRROR, clock))[0] - before < 1.0


async def test_several_processes_together_keep_to_the_share() -> None:
    """Four of them, each with a full bucket, on one organisation's window."""
    clock = Clock()
    budgets = [RateLimiter(0.5, now=clock, sleep=clock.sleep) for _ in range(4)]
    used, window_ends = 0, clock.now + 60
    while clock.now < window_ends - 1:
        for rate_limiter in budgets:
            await admit(rate_limiter, 1, Priority.MIRROR, clock)
            if clock.now >= window_ends:
                break
            used += 1
            headers = {"x-ratelimit-limit": "1000", "x-ratelimit-remaining": str(1000 - used)}
            await observe(
                rate_limiter, httpx.Response(200, headers=headers | {"x-ratelimit-reset": str(int(window_ends))})
            )
    assert used <= 500 + len(budgets)


async def test_a_request_that_waits_is_let_through_when_somebody_begins_to_wait_for_it() -> None:
    clock = Clock()
    looked: list[float] = []

    async def look_again(seconds: float) -> None:
        looked.append(seconds)
        if len(looked) == 3:
            mine.raise_to(Priority.HANDOFF)
        await clock.sleep(seconds)

    rate_limiter, mine = RateLimiter(0.5, now=clock, sleep=look_again), WorkPriority(Priority.MIRROR)
    await observe(rate_limiter, told(remaining=500))
    began, token = clock.now, task_priority.set(mine)
    for hook in rate_limiter.event_hooks["request"]:
        await hook(REQUEST)
    task_priority.reset(token)

    assert clock.now - began < 1.0, "it stood until the end of the window"
    assert len(looked) == 3


async def test_the_least_gap_between_two_requests_of_the_mirror_leaves_the_event_loop_to_the_bot() -> None:
    clock = Clock()
    rate_limiter = RateLimiter(0.5, now=clock, sleep=clock.sleep)
    sent = await admit(rate_limiter, 20, Priority.MIRROR, clock)

    gaps = [later - earlier for earlier, later in itertools.pairwise(sent)]
    assert min(gaps) >= 0.9 / (rate_limiter.per_second * 3)
    before = clock.now
    assert await admit(rate_limiter, 5, Priority.HANDOFF, clock) == [before] * 5, "a person does not wait for it"


@pytest.mark.parametrize(
    "silent", [httpx.Response(502), told("x", "-3"), told("", "many"), told("9" * 5000, "9" * 5000)]
)
async def test_an_answer_that_says_nothing_changes_nothing(silent: httpx.Response) -> None:
    clock = Clock()
    rate_limiter = RateLimiter(0.5, now=clock, sleep=clock.sleep)
    await observe(rate_limiter, told(remaining=500))
    began = clock.now
    await observe(rate_limiter, silent)

    assert (rate_limiter.limit, rate_limiter.remaining) == (1000, 500)
    assert (await admit(rate_limiter, 1, Priority.MIRROR, clock))[0] >= began + 59
    assert (await admit(rate_limiter, 5, Priority.MIRROR, clock))[-1] < clock.now + 5, (
        "what was known holds for its window only"
    )


async def test_one_answer_with_another_limit_is_not_believed_and_two_are() -> None:
    clock = Clock()
    rate_limiter = RateLimiter(0.5, now=clock, sleep=clock.sleep)
    await observe(rate_limiter, told(1000, 900))
    await observe(rate_limiter, told(60, 59))
    assert (rate_limiter.limit, rate_limiter.remaining) == (1000, 900)
    await observe(rate_limiter, told(1000, 880))
    await observe(rate_limiter, told(2000, 1900))
    assert (rate_limiter.limit, rate_limiter.remaining) == (1000, 880)

    await observe(rate_limiter, told(2000, 1899))
    assert (rate_limiter.limit, rate_limiter.remaining) == (2000, 1899)


async def test_a_429_about_a_limit_of_another_size_stops_nobody_else() -> None:
    clock = Clock()
    rate_limiter = RateLimiter(0.5, now=clock, sleep=clock.sleep)
    await observe(rate_limiter, told(1000, 900))
    for _ in range(3):
        await observe(rate_limiter, told(120, 0, 429))
    await observe(rate_limiter, told(1000, 700, 429))

    assert rate_limiter.blocked_seconds == 0
    assert (rate_limiter.limit, rate_limiter.remaining) == (1000, 700)


async def answered_429s(rate_limiter: RateLimiter, clock: Clock, answer: httpx.Response, seconds: float) -> list[float]:
    """When requests went out, of eight that try all the time and are refused."""
    sent, end = [], clock.now + seconds
    while clock.now < end:
        if await may_send(rate_limiter, Priority.HANDOFF):
            sent.append(clock.now)
            await observe(rate_limiter, answer)
        clock.now += 0.01
    return sent


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"retry_after": "0"},
        {"retry_after": "-1"},
        {"retry_after": "rubbish"},
        {"x_ratelimit_reset": "999700"},
        {"x_ratelimit_reset": "0"},
        {"x_ratelimit_reset": "1003600"},
        {"retry_after": "Wed, 21 Oct 1970 07:28:00 GMT"},
    ],
)
async def test_while_429s_go_on_the_pauses_grow_from_1_to_8_seconds_and_a_success_ends_it(
    header: dict[str, str],
) -> None:
    clock = Clock()
    rate_limiter = RateLimiter(0.5, now=clock, sleep=stand)
    sent = await answered_429s(rate_limiter, clock, spent(**header), 60)
    gaps = [round(later - earlier, 1) for earlier, later in itertools.pairwise(sent)]
    assert gaps[:4] == [1.0, 2.0, 4.0, 8.0]
    assert set(gaps[3:]) == {MAX_PAUSE_SECONDS}

    while not await may_send(rate_limiter):
        clock.now += 0.01
    await observe(rate_limiter, told())
    assert await may_send(rate_limiter, Priority.HANDOFF)
    sent = await answered_429s(rate_limiter, clock, spent(**header), 3)
    assert sent[1] - sent[0] == pytest.approx(1.0, abs=0.05)


async def test_answers_to_what_was_under_way_do_not_make_the_pause_longer() -> None:
    clock = Clock()
    rate_limiter = RateLimiter(0.5, now=clock, sleep=clock.sleep)
    for _ in range(8):
        await observe(rate_limiter, spent())

    assert rate_limiter.blocked_seconds == pytest.approx(1.0, abs=0.01)


async def test_after_a_pause_one_request_finds_out_and_the_others_wait_for_its_answer() -> None:
    clock = Clock()
    rate_limiter = RateLimiter(0.5, now=clock, sleep=stand)
    await observe(rate_limiter, spent())
    clock.now += 1.1

    assert [await may_send(rate_limiter, Priority.HANDOFF) for _ in range(8)] == [True] + [False] * 7
    await observe(rate_limiter, told())
    assert await may_send(rate_limiter, Priority.HANDOFF)


async def test_a_request_that_finds_out_and_gets_no_answer_holds_up_the_others_for_2_seconds_only() -> None:
    clock = Clock()
    rate_limiter = RateLimiter(0.5, now=clock, sleep=stand)
    await observe(rate_limiter, spent())
    clock.now += 1.1
    await admit(rate_limiter, 1, Priority.HANDOFF, clock)
    clock.now += 2.1

    assert await may_send(rate_limiter, Priority.HANDOFF)


@pytest.mark.parametrize("wait", ["90", "999999", str(10**12), str(10**15)])
async def test_no_pause_is_longer_than_a_window(wait: str) -> None:
    clock = Clock()
    rate_limiter = RateLimiter(0.5, now=clock, sleep=clock.sleep)
    await observe(rate_limiter, spent(retry_after=wait))

    assert 1 <= rate_limiter.blocked_seconds <= WINDOW_SECONDS


async def test_a_429_that_comes_while_a_request_waits_for_its_place_stops_it() -> None:
    clock = Clock()
    rate_limiter = RateLimiter(0.5, now=clock, sleep=clock.sleep)
    await admit(rate_limiter, 1, Priority.MIRROR, clock)
    await observe(rate_limiter, spent())

    (hook,) = rate_limiter.event_hooks["sending"]
    with pytest.raises(RateLimited):
        await hook(REQUEST)


@pytest.mark.parametrize("ahead", [-600.0, -31.0, 31.0, 600.0])
async def test_the_end_of_the_window_goes_by_kustomers_clock(ahead: float) -> None:
    clock = Clock()
    rate_limiter = RateLimiter(0.5, now=clock, sleep=clock.sleep)
    theirs = clock.now + ahead
    date = formatdate(theirs, usegmt=True)
    await observe(rate_limiter, told(remaining=500, x_ratelimit_reset=int(theirs) + 20, date=date))
    before = clock.now

    assert (await admit(rate_limiter, 1, Priority.MIRROR, clock))[0] - before == pytest.approx(20, abs=1)
