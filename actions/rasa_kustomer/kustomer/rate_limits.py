"""What the headers of an answer say of rate limits, whatever clock they were written by.

Source: Kustomer API reference, Headers and 429: `x-ratelimit-reset` is in epoch seconds; `Retry-After` is not
documented but honoured when it comes. Both are compared with the `Date` of the same answer, since our own clock may be
another one. Gateways rewrite headers, so other units are understood too, and impossible values are ignored.
"""

from collections.abc import Mapping
from datetime import timezone
from email.utils import parsedate_to_datetime
from math import isfinite

MAX_WAIT_SECONDS = 60.0  # Kustomer counts in windows of so long
DEFAULT_WAIT_SECONDS = 1.0
_ROUNDING_SECONDS = 1.0  # moments of headers are in whole seconds
_MAX_DIGITS = 20


def wait_seconds(headers: Mapping[str, str], now: float) -> float:
    """Seconds to wait after a 429: more than 0 and no more than `MAX_WAIT_SECONDS`.

    The reset is the organisation's; it says nothing to a customer whose own limit was hit.

    Args:
        headers: Of the answer.
        now: Epoch seconds by our own clock, for an answer without a usable `Date`.
    """
    reset = seconds_to_reset(headers, now) if concerns_organisation(headers) else None
    return _retry_after(headers, now) or reset or DEFAULT_WAIT_SECONDS


def seconds_to_reset(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds until the organisation's window ends; None when the answer does not say, or says the impossible."""
    reset = number(headers.get("x-ratelimit-reset"))
    if reset is None:
        return None
    then = _answered_at(headers, now)
    return _first_possible(reset - then, reset, reset / 1_000 - then, _from_milliseconds(reset))


def concerns_organisation(headers: Mapping[str, str]) -> bool:
    """Whether the whole organisation's limit is spent; with requests left, only one customer or object was hit.

    A 429 that does not say is taken for the organisation's: a short pause costs little.
    """
    remaining = number(headers.get("x-ratelimit-remaining"))
    return remaining is None or remaining <= 0


def number(value: str | None) -> float | None:
    """The number that a header holds; None for everything else."""
    try:
        found = float(value) if value is not None and len(value) <= _MAX_DIGITS else None
    except ValueError:
        return None
    return found if found is not None and isfinite(found) else None


def _retry_after(headers: Mapping[str, str], now: float) -> float | None:
    value, then = headers.get("retry-after"), _answered_at(headers, now)
    seconds = number(value)
    if seconds is None:
        moment = _moment(value)
        return None if moment is None else _first_possible(moment - then)
    found = _first_possible(seconds, seconds - then, _from_milliseconds(seconds), seconds / 1_000 - then)
    return MAX_WAIT_SECONDS if found is None and seconds > 0 else found  # it is told to be long


def _answered_at(headers: Mapping[str, str], now: float) -> float:
    """When the answer was written, by the clock of its other times, if it says so."""
    theirs = _moment(headers.get("date"))
    return now if theirs is None else theirs


def _from_milliseconds(amount: float) -> float:
    """A time in milliseconds, as seconds; 0 for less than a second, which nobody is asked to wait."""
    return amount / 1_000 if amount >= 1_000 else 0.0


def _first_possible(*readings: float) -> float | None:
    longest = MAX_WAIT_SECONDS + _ROUNDING_SECONDS
    return next((min(seconds, MAX_WAIT_SECONDS) for seconds in readings if 0 < seconds <= longest), None)


def _moment(value: str | None) -> float | None:
    """Epoch seconds of a date as headers write it; one without a zone is in UTC."""
    try:
        moment = parsedate_to_datetime(value or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
