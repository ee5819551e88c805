"""How long a 429 asks to wait, whatever its headers say."""

import time
from collections.abc import Iterator
from email.utils import formatdate

import pytest

from rasa_kustomer.kustomer.rate_limits import (
    DEFAULT_WAIT_SECONDS,
    LONGEST_WAIT_SECONDS,
    concerns_organisation,
    wait_seconds,
)

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, DEFAULT_WAIT_SECONDS),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "0"}, 0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "-5"}, 0),
        ({"retry-after": "999999"}, LONGEST_WAIT_SECONDS),
        ({"retry-after": formatdate(NOW + 30, usegmt=True)}, 30),
        ({"retry-after": formatdate(NOW - 30, usegmt=True)}, 0),
        ({"retry-after": formatdate(NOW + 30, localtime=False)}, 30),
        ({"retry-after": "Mon, 99 Foo 2026 99:99:99 GMT"}, DEFAULT_WAIT_SECONDS),
        ({"retry-after": "1e400"}, DEFAULT_WAIT_SECONDS),
        ({"retry-after": "nan"}, DEFAULT_WAIT_SECONDS),
        ({"retry-after": "soon"}, DEFAULT_WAIT_SECONDS),
        ({"retry-after": ""}, DEFAULT_WAIT_SECONDS),
        ({"x-ratelimit-reset": str(int(NOW) + 20)}, 20),
        ({"x-ratelimit-reset": str(int(NOW) - 20)}, 0),
        ({"x-ratelimit-reset": "99999999999999"}, LONGEST_WAIT_SECONDS),
        ({"x-ratelimit-reset": "never"}, DEFAULT_WAIT_SECONDS),
        ({"retry-after": "3", "x-ratelimit-reset": str(int(NOW) + 20)}, 3),
        ({"retry-after": "soon", "x-ratelimit-reset": str(int(NOW) + 20)}, 20),
    ],
)
def test_the_wait_is_bounded_and_never_negative(headers: dict[str, str], expected: float) -> None:
    assert wait_seconds(headers, NOW) == pytest.approx(expected, abs=1)


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
