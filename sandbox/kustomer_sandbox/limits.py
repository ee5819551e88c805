"""The two budgets of the reference: requests of the whole organisation, and creations per customer."""

import math
from collections import defaultdict, deque
from collections.abc import Callable

from kustomer_sandbox.errors import Refusal
from kustomer_sandbox.rules import Rules

WINDOW_SECONDS = 60


class OrgLimit:
    """A fixed window of 60 s, shared by every key (Kustomer API reference, Rate limits)."""

    def __init__(self, rules: Rules, now: Callable[[], float]) -> None:
        self._rules = rules
        self._now = now
        self._used = 0
        self._ends = 0.0

    def take(self) -> None:
        """Counts one request.

        Raises:
            Refusal: 429 when the window's budget is spent.
        """
        if self._now() >= self._ends:
            self._used = 0
            self._ends = self._now() + WINDOW_SECONDS
        self._used += 1
        if self.spent:
            raise Refusal(429, "the organisation's requests of this minute are spent")

    @property
    def spent(self) -> bool:
        """Whether the window's budget is exceeded."""
        return self._used > self._rules.rate_limit

    def headers(self, *, spent: bool = False) -> dict[str, str]:
        """The three headers; `x-ratelimit-reset` is in UTC epoch seconds."""
        left = 0 if spent else max(0, self._rules.rate_limit - self._used)
        reset = math.ceil(self._ends if self._ends > self._now() else self._now() + WINDOW_SECONDS)
        return {
            "x-ratelimit-limit": str(self._rules.rate_limit),
            "x-ratelimit-remaining": str(left),
            "x-ratelimit-reset": str(reset),
        }

    def retry_after(self) -> dict[str, str]:
        """`Retry-After` in seconds, for the 429 of an organisation where the rules want it."""
        if not self._rules.retry_after:
            return {}
        return {"retry-after": str(max(1, math.ceil(self._ends - self._now())))}


class CustomerLimits:
    """At most 120 conversations, messages and notes, each, per minute and customer."""

    def __init__(self, rules: Rules, now: Callable[[], float]) -> None:
        self._rules = rules
        self._now = now
        self._created: defaultdict[tuple[str, str], deque[float]] = defaultdict(deque)

    def take(self, kind: str, customer: str) -> None:
        """Counts one creation.

        Raises:
            Refusal: 429 when the customer's minute is full.
        """
        created = self._created[kind, customer]
        while created and created[0] <= self._now() - WINDOW_SECONDS:
            created.popleft()
        if len(created) >= self._rules.customer_limit:
            raise Refusal(429, f"more than {self._rules.customer_limit} {kind} per minute for this customer")
        created.append(self._now())
