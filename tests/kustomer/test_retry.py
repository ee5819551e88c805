"""How often and how fast a safe call is repeated."""

from collections.abc import Callable

import pytest
from tests.helpers import Clock

from rasa_kustomer.kustomer.errors import BrokenAnswer, KustomerError, NotAllowed, RateLimited, Unreachable
from rasa_kustomer.kustomer.transport import ATTEMPTS, Retry


def limited(seconds: float) -> KustomerError:
    return RateLimited("", wait_seconds=seconds, organisation=True)


async def outcome(
    clock: Clock, failure: Callable[[], KustomerError], *, total: float, takes: float = 0.0
) -> list[float]:
    """Run what always fails; when each attempt began."""
    began: list[float] = []

    async def attempt() -> None:
        began.append(clock.now)
        clock.now += takes
        raise failure()

    retry = Retry(total_seconds=total, sleep=clock.sleep, jitter=lambda: 1.0, clock=clock)
    with pytest.raises(type(failure())):
        await retry.run(attempt)
    return began


@pytest.mark.parametrize(
    "failure", [lambda: Unreachable("", ambiguous=True), lambda: BrokenAnswer("", ambiguous=False)]
)
async def test_waits_double(failure: Callable[[], KustomerError]) -> None:
    clock = Clock(0.0)

    assert len(await outcome(clock, failure, total=20)) == ATTEMPTS
    assert clock.slept == [0.25, 0.5]


@pytest.mark.parametrize(("jitter", "expected"), [(0.0, 0.125), (0.5, 0.1875), (1.0, 0.25)])
async def test_jitter_takes_off_up_to_half(jitter: float, expected: float) -> None:
    clock = Clock(0.0)

    async def attempt() -> str:
        if not clock.slept:
            raise Unreachable("", ambiguous=True)
        return "done"

    retry = Retry(total_seconds=20, sleep=clock.sleep, jitter=lambda: jitter, clock=clock)

    assert await retry.run(attempt) == "done"
    assert clock.slept == [expected]


@pytest.mark.parametrize(("total", "takes", "attempts"), [(20, 5, 3), (20, 19.8, 1), (10, 9.6, 2), (0, 0, 1)])
async def test_no_attempt_starts_after_the_total_time(total: float, takes: float, attempts: int) -> None:
    began = await outcome(Clock(0.0), lambda: Unreachable("", ambiguous=True), total=total, takes=takes)

    assert len(began) == attempts
    assert began[-1] <= total


@pytest.mark.parametrize(
    ("asked", "slept"),
    [(0.0, [0.25, 0.5]), (3.0, [3.0, 3.0]), (6.0, [6.0]), (11.0, [])],
    ids=["none asked", "fits twice", "fits once", "does not fit"],
)
async def test_a_rate_limit_is_waited_for_as_long_as_asked_and_only_when_that_fits(
    asked: float, slept: list[float]
) -> None:
    clock = Clock(0.0)

    await outcome(clock, lambda: limited(asked), total=10)

    assert clock.slept == slept


async def test_what_an_admin_must_mend_is_not_repeated() -> None:
    clock = Clock(0.0)

    assert await outcome(clock, lambda: NotAllowed(""), total=20) == [0.0]
