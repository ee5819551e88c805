"""The breaker: stops for everybody when it must, never for one, and finds out by itself when it is over."""

import itertools
import logging

import pytest
from tests.helpers import Clock

from rasa_kustomer.delivery.circuit_breaker import MAX_PROBE_SECONDS, CircuitBreaker


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker(now=clock)


def test_one_session_that_always_fails_stops_nobody_else(breaker: CircuitBreaker) -> None:
    for _ in range(50):
        breaker.failed("session 1", "answered 500", at_once=False)

    assert not breaker.is_open
    assert breaker.may_send()


def test_three_sessions_that_fail_without_a_success_between_them_stop_everybody(breaker: CircuitBreaker) -> None:
    breaker.failed(1, "answered 503", at_once=False)
    breaker.failed(2, "answered 503", at_once=False)
    breaker.succeeded()
    breaker.failed(3, "answered 503", at_once=False)
    assert not breaker.is_open

    breaker.failed(4, "answered 503", at_once=False)
    breaker.failed(5, "answered 503", at_once=False)
    assert breaker.is_open


def test_a_failure_that_concerns_everybody_stops_at_once(breaker: CircuitBreaker) -> None:
    breaker.failed(1, "the key is refused", at_once=True)

    assert breaker.is_open
    assert not breaker.may_send()


def test_an_open_breaker_lets_one_probe_through_at_a_growing_interval(breaker: CircuitBreaker, clock: Clock) -> None:
    breaker.failed(1, "connection refused", at_once=True)
    probes = []
    for _ in range(400):
        if breaker.may_send():
            probes.append(clock.now)
            breaker.failed(1, "connection refused", at_once=True)
        clock.now += 0.5

    gaps = [later - earlier for earlier, later in itertools.pairwise(probes)]
    assert gaps == sorted(gaps)
    assert gaps[0] == pytest.approx(2, abs=0.5)
    assert gaps[-1] == pytest.approx(MAX_PROBE_SECONDS, abs=0.5)


def test_somebody_who_waits_gets_a_probe_now(breaker: CircuitBreaker) -> None:
    breaker.failed(1, "connection refused", at_once=True)
    assert not breaker.may_send()

    breaker.probe_soon()

    assert breaker.may_send()
    assert not breaker.may_send(), "one probe, not a free way"


def test_the_first_success_closes_it_and_the_interval_starts_small_again(breaker: CircuitBreaker, clock: Clock) -> None:
    breaker.failed(1, "connection refused", at_once=True)
    clock.now += 500
    assert breaker.may_send()
    breaker.succeeded()
    assert not breaker.is_open
    assert breaker.status() == {"state": "closed", "cause": None}

    breaker.failed(1, "connection refused", at_once=True)
    assert breaker.seconds_to_probe == pytest.approx(1.0)


def test_it_says_once_that_it_stopped_and_once_that_it_goes_on(
    breaker: CircuitBreaker, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        for session in range(20):
            breaker.failed(session, "connection refused", at_once=True)
        for _ in range(5):
            breaker.succeeded()

    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "connection refused" in caplog.records[0].getMessage()
