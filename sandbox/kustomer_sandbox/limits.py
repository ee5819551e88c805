"""The two budgets of the reference: requests of the whole organisation, and creations per customer."""

import math
from collections import defaultdict, deque
from collections.abc import Callable

from kustomer_sandbox.rules import Rules

WINDOW_SECONDS = 60


class OrgLimit:
    """A fixed window of 60 s, shared by every key (Kustomer API reference, Rate limits)."""

    def __init__(self, rules: Rules, now: Callable[[], float]) -> None:
        self._rules, self._now = rules, now
        self._used, self._ends = 0, 0.0

    def take(self) -> bool:
        """Counts one request; whether the window's budget allows it."""
        if self._now() >= self._ends:
            self._used, self._ends = 0, self._now() + WINDOW_SECONDS
        self._used += 1
        return self._used <= self._rules.rate_limit

    def headers(self, *, spent: bool = False) -> dict[str, str]:
        """The three headers, `x-ratelimit-reset` in UTC epoch seconds; and `Retry-After` where the rules want it."""
        now = self._now()
        ends = self._ends if self._ends > now else now + WINDOW_SECONDS
        left = 0 if spent else max(0, self._rules.rate_limit - self._used)
        headers = {"x-ratelimit-limit": str(self._rules.rate_limit), "x-ratelimit-remaining": str(left)}
        if spent and self._rules.retry_after:
            headers["retry-after"] = str(max(1, math.ceil(self._ends - now)))
        return {**headers, "x-ratelimit-reset": str(math.ceil(ends))}


class CustomerLimits:
    """At most 120 conversations, messages and notes, each, per minute and customer."""

    def __init__(self, rules: Rules, now: Callable[[], float]) -> None:
        self._rules, self._now = rules, now
        self._created: defaultdict[tuple[str, str], deque[float]] = defaultdict(deque)

    def take(self, kind: str, customer: str) -> bool:
        """Counts one creation; whether the customer's minute allows it."""
        created = self._created[kind, customer]
        while created and created[0] <= self._now() - WINDOW_SECONDS:
            created.popleft()
        if len(created) >= self._rules.customer_limit:
            return False
        created.append(self._now())
        return True
