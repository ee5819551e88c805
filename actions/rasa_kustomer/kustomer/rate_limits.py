"""How long a 429 asks us to wait.

Source: Kustomer API reference, Headers and 429: `x-ratelimit-reset` is in epoch seconds; `Retry-After` is not
documented but honoured when it comes.
"""

from collections.abc import Mapping
from datetime import timezone
from email.utils import parsedate_to_datetime
from math import isfinite

LONGEST_WAIT_SECONDS = 120.0
DEFAULT_WAIT_SECONDS = 1.0


def wait_seconds(headers: Mapping[str, str], now: float) -> float:
    """Seconds to wait after a 429, between 0 and `LONGEST_WAIT_SECONDS`.

    Args:
        headers: Of the answer.
        now: Epoch seconds.
    """
    wait = _retry_after(headers.get("retry-after"), now)
    if wait is None:
        reset = _number(headers.get("x-ratelimit-reset"))
        wait = DEFAULT_WAIT_SECONDS if reset is None else reset - now
    return min(max(wait, 0.0), LONGEST_WAIT_SECONDS)


def concerns_organisation(headers: Mapping[str, str]) -> bool:
    """Whether the whole organisation's budget is spent; with budget left, only one customer or object was hit."""
    remaining = _number(headers.get("x-ratelimit-remaining"))
    return remaining is None or remaining <= 0


def _retry_after(value: str | None, now: float) -> float | None:
    if value is None:
        return None
    seconds = _number(value)
    if seconds is not None:
        return seconds
    try:
        moment = parsedate_to_datetime(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return None


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value is not None else None
    except ValueError:
        return None
    return number if number is not None and isfinite(number) else None
