"""Repeats safe calls: exponential back-off with jitter, few attempts, and a time after which none begins."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from tenacity import AsyncRetrying, RetryCallState, stop_after_attempt

from rasa_kustomer.kustomer.errors import BrokenAnswer, RateLimited, Unreachable

T = TypeVar("T")
ATTEMPTS = 3
FIRST_WAIT_SECONDS = 0.25


@dataclass
class Waited:
    """Time that a call has spent waiting for its turn on our side; it is not Kustomer's.

    Attributes:
        seconds: All of it so far.
    """

    seconds: float = 0.0


class Retry:
    """The retry policy of one client.

    Args:
        total_seconds: No attempt starts later than this after the first; the last may take its own time beyond.
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

    async def run(self, attempt: Callable[[], Awaitable[T]], waited: Waited | None = None) -> T:
        """The first success, or the last failure.

        Args:
            attempt: Makes one.
            waited: What the attempts spend waiting for their turn; that does not count.

        An attempt under way is not cut short, so this may take as long as `total_seconds` and one attempt. A failure is
        raised at once when it is not transient, or when the wait before the next attempt does not fit.

        Raises:
            KustomerError: The last attempt's failure.
        """
        latest_start = self._clock() + self._total
        waited = waited or Waited()
        pause = 0.0

        def worthwhile(state: RetryCallState) -> bool:
            nonlocal pause
            error = state.outcome.exception() if state.outcome else None
            if error is None or not is_transient(error):
                return False
            pause = self._pause(error, state.attempt_number)
            return self._clock() + pause <= latest_start + waited.seconds

        policy = AsyncRetrying(
            stop=stop_after_attempt(ATTEMPTS),
            retry=worthwhile,
            wait=lambda _state: pause,
            sleep=self._sleep,
            reraise=True,
        )
        return await policy(attempt)

    def _pause(self, error: BaseException, attempts: int) -> float:
        """Seconds before the next attempt: the back-off, or what Kustomer asks for when that is longer."""
        backoff = FIRST_WAIT_SECONDS * float(2 ** (attempts - 1)) * (0.5 + self._jitter() / 2)
        return max(error.wait_seconds, backoff) if isinstance(error, RateLimited) else backoff


def is_transient(error: BaseException) -> bool:
    """Whether the same request may succeed a moment later; `BrokenAnswer` too, since only safe calls are repeated."""
    return isinstance(error, (Unreachable, RateLimited, BrokenAnswer))
