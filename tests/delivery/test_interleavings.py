"""Any order of recording, claiming, sending, failing, crashing and recovering keeps the invariants of the design."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from rasa_kustomer.delivery.batches import batchable
from rasa_kustomer.delivery.outbox import Claim, Kind, NewRecord, Outbox, Part, Record, SessionKey, Settled

T = TypeVar("T")
WHO: dict[str, Any] = {"external_id": None, "email": None, "phone": None, "name": None, "trusted": False}
SESSIONS = [SessionKey(f"rasa:{name}:1", name, 1) for name in ("ann", "bob", "eve")]
LEASE_IS_OVER_SECONDS = 20.0


class Machine(RuleBasedStateMachine):
    """Two processes on one outbox, and a Kustomer that only counts what arrives."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.now = 1_000.0
        self.processes = [self.new_process(), self.new_process()]
        self.held: list[dict[int, Claim]] = [{}, {}]
        self.recorded: dict[str, list[str]] = {session.key: [] for session in SESSIONS}
        self.arrived: dict[str, list[str]] = {session.key: [] for session in SESSIONS}
        self.dead: set[str] = set()

    def new_process(self) -> Outbox:
        return Outbox(f"sqlite:///{Path(self.folder.name) / 'outbox.db'}", now=lambda: self.now)

    def run(self, work: Awaitable[T]) -> T:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        for process in self.processes:
            self.run(process.close())
        self.loop.close()
        self.folder.cleanup()

    def arrive(self, claim: Claim, record: Record) -> None:
        """Kustomer carries a request out."""
        self.arrived[claim.key].append(record.key)

    def known(self, claim: Claim, record: Record) -> bool:
        """The look-up after a doubt."""
        return record.unsure and record.key in self.arrived[claim.key]

    @initialize()
    def somebody_has_spoken(self) -> None:
        for session in SESSIONS:
            self.record(0, session, again=False, number=3)

    @rule(
        which=st.sampled_from([0, 1]), session=st.sampled_from(SESSIONS), again=st.booleans(), number=st.integers(1, 3)
    )
    def record(self, which: int, session: SessionKey, again: bool, number: int) -> None:
        keys = self.recorded[session.key]
        fresh = [f"{session.key}:{len(keys) + offset}" for offset in range(number)]
        sent = [*(keys if again else []), *fresh]
        payload = {"direction": "in", "text": "x", "at_ms": 0, "channel": "chat"}
        added = self.run(
            self.processes[which].record(session, WHO, [NewRecord(key, Kind.MESSAGE, payload) for key in sent])
        )
        assert added == number
        keys.extend(fresh)

    @rule(which=st.sampled_from([0, 1]), limit=st.integers(1, 3))
    def claim(self, which: int, limit: int) -> None:
        for claim in self.run(self.processes[which].claim(limit)):
            assert all(claim.id not in held for held in self.held), "leased to two at a time"
            self.held[which][claim.id] = claim

    def one(self, which: int) -> tuple[Outbox, Claim, Record | None]:
        claim = next(iter(self.held[which].values()))
        return self.processes[which], claim, claim.records[0] if claim.records else None

    def busy(self, which: int) -> bool:
        """Whether the process has a session, if need be by claiming one."""
        if not self.held[which]:
            self.claim(which, 1)
        return bool(self.held[which])

    @rule(
        which=st.sampled_from([0, 1]),
        outcome=st.sampled_from(["delivered"] * 4 + ["lost", "never arrived", "refused", "surely unsent"]),
    )
    def send(self, which: int, outcome: str) -> None:
        if not self.busy(which):
            return
        process, claim, record = self.one(which)
        if record is None:
            self.release(which, claim, None)
            return
        if not self.run(process.begin(claim, record)):
            self.held[which].pop(claim.id)
            return
        exists = self.known(claim, record)
        if outcome in {"lost", "never arrived", "surely unsent"}:
            if outcome == "lost" and not exists:
                self.arrive(claim, record)
            if outcome == "surely unsent":
                self.run(process.unsent(record))
            self.release(which, claim, 0.0)
        elif outcome == "refused" and not exists:
            self.run(process.dead(claim, record, "refused"))
            self.dead.add(record.key)
            claim.records.pop(0)
        else:
            if not exists:
                self.arrive(claim, record)
            self.run(process.delivered(claim, record, kustomer_id="k", sent_ms=1))
            claim.records.pop(0)

    @rule(
        which=st.sampled_from([0, 1]),
        outcome=st.sampled_from(["settled", "half", "answer lost", "nothing told", "unsent"]),
    )
    def send_in_a_job(self, which: int, outcome: str) -> None:
        if not self.busy(which):
            return
        process, claim, _ = self.one(which)
        records = batchable(claim)
        if not records:
            return
        parts = [Part(claim.id, record.id, number + 1) for number, record in enumerate(records)]
        if claim.id not in self.run(process.begin_bulk(parts)):
            self.held[which].pop(claim.id)
            return
        if outcome == "unsent":
            self.run(process.bulk_unsent(parts))
        else:
            done = len(records) // 2 if outcome == "half" else len(records)
            for record in records[:done]:
                self.arrive(claim, record)
            if outcome != "answer lost":
                self.run(process.bulk_posted(parts, "job"))
            if outcome in {"settled", "half"}:
                self.run(process.bulk_delivered([Settled(part, "k") for part in parts[:done]]))
                self.run(process.bulk_returned(parts[done:], unsure=False))
            elif outcome == "nothing told":
                self.run(process.bulk_returned(parts, unsure=True))
        self.release(which, claim, 0.0)

    def release(self, which: int, claim: Claim, wait_seconds: float | None) -> None:
        self.run(self.processes[which].release(claim, wait_seconds=wait_seconds))
        self.held[which].pop(claim.id)

    @rule(which=st.sampled_from([0, 1]))
    def crash(self, which: int) -> None:
        """The process is gone without a word; its leases run out."""
        self.run(self.processes[which].close())
        self.processes[which] = self.new_process()
        self.held[which].clear()
        self.now += LEASE_IS_OVER_SECONDS
        self.held[1 - which].clear()  # the other one has not kept its leases either, and finds out when it sends

    @rule(seconds=st.floats(0, 5))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        for process in self.processes:
            self.run(process.heartbeat())

    @rule()
    def retry_the_dead(self) -> None:
        self.run(self.processes[0].retry())
        self.dead.clear()

    @invariant()
    def the_books_balance(self) -> None:
        counts = self.run(self.processes[0].counts())
        assert counts.balanced
        assert counts.accepted == sum(map(len, self.recorded.values()))
        assert counts.dead == len(self.dead)

    @invariant()
    def nothing_arrives_twice_or_from_nowhere(self) -> None:
        for key, arrived in self.arrived.items():
            assert max(Counter(arrived).values(), default=1) == 1
            assert set(arrived) <= set(self.recorded[key])


Machine.TestCase.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
TestInterleavings = Machine.TestCase
