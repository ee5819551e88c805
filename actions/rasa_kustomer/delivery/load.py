"""The sessions of one task of the worker, and how urgent they have become since they were leased."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rasa_kustomer.delivery.pace import priority_of
from rasa_kustomer.kustomer.priority import Priority, WorkPriority
from rasa_kustomer.outbox import Lease


class Load:
    """Leased sessions that are delivered together.

    A session that is handed off meanwhile is hurried: its running requests go first, and as soon as none is left, it
    leaves the load, to be leased again on its own.

    Args:
        leases: The sessions.
        let_go: Releases a session that leaves.
    """

    def __init__(self, leases: Sequence[Lease], let_go: Callable[[Lease], None]) -> None:
        self._leases = {lease.id: lease for lease in leases}
        self._priorities = {lease.id: WorkPriority(priority_of([lease])) for lease in leases}
        self._let_go = let_go
        self._at_work: Counter[int] = Counter()
        self._hurried: set[int] = set()
        self.priority = WorkPriority(Priority.CLEANUP)
        for one in self._priorities.values():
            self.priority.join(one)

    @property
    def aboard(self) -> list[Lease]:
        """The sessions that have not left."""
        return list(self._leases.values())

    @property
    def level(self) -> Priority:
        """How urgent the most urgent of them is."""
        return self.priority.level

    def priority_of(self, lease: Lease) -> WorkPriority:
        """How urgent one of them is by itself."""
        return self._priorities[lease.id]

    def hurry(self, session_id: int) -> None:
        """A session was handed off."""
        if session_id in self._leases:
            self._hurried.add(session_id)
            self._priorities[session_id].raise_to(Priority.HANDOFF)
            self._leave_if_idle(session_id)

    def hurried(self, lease: Lease) -> bool:
        """Whether a session was handed off since it was leased; then no more of its messages are begun."""
        return lease.id in self._hurried

    @contextmanager
    def at_work(self, leases: Sequence[Lease]) -> Iterator[None]:
        """Keep sessions in the load during work that must not be interrupted."""
        ids = [lease.id for lease in leases]
        self._at_work.update(ids)
        try:
            yield
        finally:
            self._at_work.subtract(ids)
            for one in ids:
                self._leave_if_idle(one)

    def _leave_if_idle(self, session_id: int) -> None:
        if session_id in self._hurried and session_id in self._leases and not self._at_work[session_id]:
            self.priority.part(self._priorities[session_id])
            self._let_go(self._leases.pop(session_id))
