"""What one task of the courier carries, and how urgent it has become since it was taken."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rasa_kustomer.delivery.pace import priority_of
from rasa_kustomer.kustomer.priority import Priority, WorkPriority
from rasa_kustomer.outbox import Claim


class Load:
    """Leased sessions on their way together.

    One that is handed off meanwhile is hurried: what it has under way goes first, and as soon as nothing more is being
    done on it, it leaves the others, to be taken again by itself.

    Args:
        claims: The sessions.
        let_go: Gives one back that leaves.
    """

    def __init__(self, claims: Sequence[Claim], let_go: Callable[[Claim], None]) -> None:
        self._claims = {claim.id: claim for claim in claims}
        self._priorities = {claim.id: WorkPriority(priority_of([claim])) for claim in claims}
        self._let_go = let_go
        self._at_work: Counter[int] = Counter()
        self._hurried: set[int] = set()
        self.priority = WorkPriority(Priority.CLEANUP)
        for one in self._priorities.values():
            self.priority.join(one)

    @property
    def aboard(self) -> list[Claim]:
        """The sessions that have not left."""
        return list(self._claims.values())

    @property
    def level(self) -> Priority:
        """How urgent the most urgent of them is."""
        return self.priority.level

    def priority_of(self, claim: Claim) -> WorkPriority:
        """How urgent one of them is by itself."""
        return self._priorities[claim.id]

    def hurry(self, session_id: int) -> None:
        """A session was handed off."""
        if session_id in self._claims:
            self._hurried.add(session_id)
            self._priorities[session_id].raise_to(Priority.HANDOFF)
            self._leave_if_idle(session_id)

    def hurried(self, claim: Claim) -> bool:
        """Whether a session was handed off since it was taken; no more of its turns are begun then."""
        return claim.id in self._hurried

    @contextmanager
    def at_work(self, claims: Sequence[Claim]) -> Iterator[None]:
        """Keep sessions aboard while something is done that must be seen through."""
        ids = [claim.id for claim in claims]
        self._at_work.update(ids)
        try:
            yield
        finally:
            self._at_work.subtract(ids)
            for one in ids:
                self._leave_if_idle(one)

    def _leave_if_idle(self, session_id: int) -> None:
        if session_id in self._hurried and session_id in self._claims and not self._at_work[session_id]:
            self.priority.part(self._priorities[session_id])
            self._let_go(self._claims.pop(session_id))
