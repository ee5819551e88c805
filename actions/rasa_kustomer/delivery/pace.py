"""When messages go out one by one, and when they are gathered: a few are shown live, many must cost little."""

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import inf

from cachetools import LRUCache

from rasa_kustomer.delivery.rate_limit import WINDOW_SECONDS
from rasa_kustomer.kustomer.errors import RateLimited
from rasa_kustomer.kustomer.priority import Priority
from rasa_kustomer.outbox import HANDOFF_KINDS, Kind, Lease

CUSTOMER_LIMIT = 120  # messages of one customer in a minute (Kustomer API reference, Rate limits)
REMEMBERED_CUSTOMERS = 10_000
ANSWER_SECONDS = 1.0  # when to look again while requests are under way
LIVE_UNITS = 12.0  # a minute; about one chat at a person's pace
PEOPLE_UNITS = 20.0  # the same for conversations that people have
GATHER_SECONDS = 5.0


class InteractiveAllowance:
    """A small allowance of requests for messages that are sent at once instead of gathered for a bulk job.

    Args:
        units: How many in a minute.
        now: Monotonic clock in seconds.
    """

    def __init__(self, units: float = LIVE_UNITS, *, now: Callable[[], float] = time.monotonic) -> None:
        self._units, self._now = units, now
        self._left = units
        self._spent_at = now() - GATHER_SECONDS

    def left(self) -> float:
        """Units that may be spent at once."""
        gained = max(0.0, self._now() - self._spent_at) * self._units / WINDOW_SECONDS
        return min(self._units, self._left + gained)

    def gathered(self) -> bool:
        """Whether messages were gathered for long enough."""
        return not 0 <= self._now() - self._spent_at < GATHER_SECONDS

    def spend(self, units: int) -> None:
        """Something was sent."""
        self._left = max(0.0, self.left() - units)
        self._spent_at = self._now()


def priority_of(leases: Sequence[Lease]) -> Priority:
    """How urgent sessions are: the most urgent of what they have waiting decides."""
    kinds = {record.kind for lease in leases for record in lease.records}
    if kinds & HANDOFF_KINDS:
        return Priority.HANDOFF
    if any(lease.escalated for lease in leases):
        return Priority.ESCALATED
    return Priority.CLEANUP if kinds == {Kind.CLOSE} else Priority.MIRROR


class CustomerPace:
    """Keeps this process to Kustomer's limit of messages per customer.

    Args:
        now: Monotonic clock in seconds.
    """

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._sent: LRUCache[str, deque[float]] = LRUCache(maxsize=REMEMBERED_CUSTOMERS)

    def left(self, customer_id: str) -> int:
        """How many messages of a customer may be sent now."""
        return max(0, CUSTOMER_LIMIT - len(self._lately(customer_id)))

    def check(self, customer_id: str) -> None:
        """Raise if no message of a customer may be sent now.

        Raises:
            RateLimited: With the time until one may.
        """
        sent = self._lately(customer_id)
        if len(sent) >= CUSTOMER_LIMIT:
            wait = min(sent) + WINDOW_SECONDS - self._now()
            raise RateLimited(
                "The messages of a customer for this minute are spent.",
                wait_seconds=wait if wait < inf else ANSWER_SECONDS,
                organisation=False,
            )

    @contextmanager
    def sending(self, messages: Mapping[str, int]) -> Iterator[None]:
        """Count messages of each customer; their minute begins when they have certainly arrived."""
        for customer_id, number in messages.items():
            self._lately(customer_id).extend([inf] * number)
        try:
            yield
        finally:
            for customer_id, number in messages.items():
                sent = self._lately(customer_id)
                for _ in range(min(number, sent.count(inf))):
                    sent.remove(inf)
                    sent.append(self._now())

    def _lately(self, customer_id: str) -> deque[float]:
        sent: deque[float] = self._sent.setdefault(customer_id, deque())
        while sent and self._now() - sent[0] >= WINDOW_SECONDS:
            sent.popleft()
        return sent
