"""How long a 429 asks to wait, whatever its headers say."""

import time
from collections.abc import Iterator
from email.utils import formatdate

import pytest

from rasa_kustomer.kustomer.rate_limits import (
    DEFAULT_WAIT_SECONDS,
    MAX_WAIT_SECONDS,
    concerns_organisation,
    seconds_to_reset,
    wait_seconds,
)

NOW = 1_800_000_000.0


LONG = MAX_WAIT_SECONDS
RESET, DATE, RETRY = "x-ratelimit-reset", "date", "retry-after"


def date(moment: float) -> str:
    return formatdate(moment, usegmt=True)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, DEFAULT_WAIT_SECONDS),
        ({RETRY: "7"}, 7),
        ({RETRY: "1.5"}, 1.5),
        ({RETRY: "7000"}, 7),
        ({RETRY: str(int(NOW) + 7)}, 7),
        ({RETRY: str(int(NOW * 1000) + 7_000)}, 7),
        ({RETRY: "999999"}, LONG),
        ({RETRY: "90"}, LONG),
        ({RETRY: "0"}, DEFAULT_WAIT_SECONDS),
        ({RETRY: "-5"}, DEFAULT_WAIT_SECONDS),
        ({RETRY: date(NOW + 30)}, 30),
        ({RETRY: date(NOW - 30)}, DEFAULT_WAIT_SECONDS),
        ({RETRY: date(NOW + 7_200)}, DEFAULT_WAIT_SECONDS),
        ({RETRY: formatdate(NOW + 30, localtime=False)}, 30),
        ({RETRY: "Mon, 99 Foo 2026 99:99:99 GMT"}, DEFAULT_WAIT_SECONDS),
        ({RETRY: "1e400"}, DEFAULT_WAIT_SECONDS),
        ({RETRY: "9" * 5_000}, DEFAULT_WAIT_SECONDS),
        ({RETRY: "nan"}, DEFAULT_WAIT_SECONDS),
        ({RETRY: "soon"}, DEFAULT_WAIT_SECONDS),
        ({RETRY: ""}, DEFAULT_WAIT_SECONDS),
        ({RESET: str(int(NOW) + 20)}, 20),
        ({RESET: str(int(NOW * 1000) + 20_000)}, 20),
        ({RESET: "20"}, 20),
        ({RESET: "20000"}, 20),
        ({RESET: "0"}, DEFAULT_WAIT_SECONDS),
        ({RESET: "-20"}, DEFAULT_WAIT_SECONDS),
        ({RESET: str(int(NOW) - 20)}, DEFAULT_WAIT_SECONDS),
        ({RESET: str(int(NOW) + 600)}, DEFAULT_WAIT_SECONDS),
        ({RESET: "99999999999999"}, DEFAULT_WAIT_SECONDS),
        ({RESET: "never"}, DEFAULT_WAIT_SECONDS),
        ({RETRY: "3", RESET: str(int(NOW) + 20)}, 3),
        ({RETRY: "soon", RESET: str(int(NOW) + 20)}, 20),
        ({RETRY: "0", RESET: str(int(NOW) + 20)}, 20),
    ],
)
def test_what_cannot_be_true_is_replaced_and_every_unit_is_understood(headers: dict[str, str], expected: float) -> None:
    assert wait_seconds(headers, NOW) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("ahead", [-3_600, -600, -31, -1, 1, 31, 300, 7_200])
@pytest.mark.parametrize("header", [RESET, RETRY])
def test_two_moments_of_the_same_clock_are_compared_whatever_ours_shows(ahead: float, header: str) -> None:
    moment = str(int(NOW) + 30) if header == RESET else date(NOW + 30)

    assert wait_seconds({header: moment, DATE: date(NOW)}, NOW + ahead) == pytest.approx(30, abs=0.01)
    assert seconds_to_reset({RESET: str(int(NOW) + 30), DATE: date(NOW)}, NOW + ahead) == pytest.approx(30, abs=0.01)


@pytest.mark.parametrize("told", ["", "yesterday", "Mon, 99 Foo 2026 99:99:99 GMT", "1800000000"])
def test_without_a_usable_date_our_own_clock_is_good_enough_while_it_can_be(told: str) -> None:
    headers = {RESET: str(int(NOW) + 30), DATE: told}

    assert wait_seconds(headers, NOW) == pytest.approx(30, abs=0.01)
    assert wait_seconds(headers, NOW + 31) == DEFAULT_WAIT_SECONDS
    assert wait_seconds(headers, NOW - 600) == DEFAULT_WAIT_SECONDS


def test_the_organisations_reset_says_nothing_to_a_customer_whose_own_limit_was_hit() -> None:
    headers = {"x-ratelimit-remaining": "500", RESET: str(int(NOW) + 55)}

    assert wait_seconds(headers, NOW) == DEFAULT_WAIT_SECONDS
    assert wait_seconds(headers | {RETRY: "9"}, NOW) == 9


@pytest.fixture
def far_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose clock shows Tokyo's time."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("far_east")
def test_a_date_without_a_zone_is_not_taken_for_local_time() -> None:
    assert wait_seconds({"retry-after": formatdate(NOW + 30)}, NOW) == pytest.approx(30, abs=1)


@pytest.mark.parametrize(("remaining", "expected"), [(None, True), ("0", True), ("12", False), ("many", True)])
def test_budget_that_is_left_means_that_only_one_customer_or_object_was_hit(
    remaining: str | None, expected: bool
) -> None:
    headers = {} if remaining is None else {"x-ratelimit-remaining": remaining}

    assert concerns_organisation(headers) is expected
