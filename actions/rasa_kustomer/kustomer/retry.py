"""Repeats safe calls: exponential back-off with jitter, few attempts, one total time."""

import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from rasa_kustomer.kustomer.errors import BrokenAnswer, RateLimited, Unreachable

T = TypeVar("T")
ATTEMPTS = 3
FIRST_WAIT_SECONDS = 0.25


class Retry:
    """The retry policy of one client.

    Args:
        total_seconds: No attempt starts later than this after the first.
        sleep: How to wait.
        jitter: Source of randomness in [0, 1).
        clock: Monotonic clock in seconds.
    """

    def __init__(
        self,
        *,
        total_seconds: float,
        sleep: Callable[[float], Awaitable[Any]],
        jitter: Callable[[], float],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._total, self._sleep, self._jitter, self._clock = total_seconds, sleep, jitter, clock

    async def run(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """The first success, or the last failure."""
        started = self._clock()

        def fits(error: BaseException) -> bool:
            wait = error.wait_seconds if isinstance(error, RateLimited) else 0.0
            return is_transient(error) and self._clock() - started + wait < self._total

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            if isinstance(error, RateLimited):
                return error.wait_seconds
            ceiling = FIRST_WAIT_SECONDS * 2 ** (state.attempt_number - 1)
            return float(ceiling * (0.5 + self._jitter() / 2))

        policy = AsyncRetrying(
            stop=stop_after_attempt(ATTEMPTS),
            retry=retry_if_exception(fits),
            wait=wait,
            sleep=self._sleep,
            reraise=True,
        )
        return await policy(attempt)


def is_transient(error: BaseException) -> bool:
    """Whether the same request may succeed a moment later."""
    return isinstance(error, (Unreachable, RateLimited, BrokenAnswer))
