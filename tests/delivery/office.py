"""A worker at work on a real outbox and a served Kustomer, with a clock of its own."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from tests.helpers import SharedClock

from kustomer_sandbox import Sandbox
from rasa_kustomer.conversation.identity import Identity
from rasa_kustomer.delivery.bulk import BulkDelivery
from rasa_kustomer.delivery.bulk_jobs import BulkJobs
from rasa_kustomer.delivery.circuit_breaker import CircuitBreaker
from rasa_kustomer.delivery.conversations import Conversations
from rasa_kustomer.delivery.newcomers import Newcomers
from rasa_kustomer.delivery.pace import CustomerPace
from rasa_kustomer.delivery.rate_limit import RateLimiter
from rasa_kustomer.delivery.session import SessionDelivery
from rasa_kustomer.delivery.ticketing import Ticketing
from rasa_kustomer.delivery.worker import GATHER_SECONDS, Worker
from rasa_kustomer.directory import CustomerDirectory
from rasa_kustomer.kustomer.client import KustomerClient
from rasa_kustomer.outbox import DELIVERED, Kind, NewRecord, Outbox, SessionKey
from rasa_kustomer.records import identity_fields
from rasa_kustomer.teams import Teams

ANONYMOUS: dict[str, Any] = {"external_id": None, "email": None, "phone": None, "name": None, "trusted": False}
PATIENCE_SECONDS = 300.0  # only against a hang


async def _for_ever(_seconds: float) -> None:
    await asyncio.Event().wait()


def begin(url: str, born: float) -> None:
    """Make the outbox at a moment (epoch seconds), unless there is one; also while an event loop runs."""

    async def make() -> None:
        outbox = Outbox(url, now=lambda: born)
        await outbox.counts()
        await outbox.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, make()).result()


@dataclass
class Office:
    """Everything that delivers, and ways to put work in and look at what came of it."""

    sandbox: Sandbox
    url: str
    clock: SharedClock = field(default_factory=SharedClock)
    timeout_seconds: float = 30.0  # of a request, by the real clock
    parking: str = "assign-bot"
    default_team: str | None = "Support"
    api_key: str | None = None
    step_seconds: float = 0.5
    born: float = -86_400.0  # epoch seconds, long before all chats: the outbox is begun then, if there is none yet
    share: float = 1.0
    heartbeat: bool = True

    def __post_init__(self) -> None:
        begin(self.url, self.born)
        self.outbox = Outbox(self.url, now=self.clock)
        self.rate_limiter = RateLimiter(self.share, now=self.clock, sleep=self.clock.sleep)
        self.breaker = CircuitBreaker(now=self.clock)
        self.client = KustomerClient(
            self.sandbox.url,
            self.api_key or self.sandbox.api_key,
            timeout_seconds=self.timeout_seconds,
            event_hooks=self.rate_limiter.event_hooks,
            sleep=self.clock.sleep,
            now=self.clock,
        )
        self.directory = directory = CustomerDirectory(self.client, ttl_seconds=300, size=100, now=self.clock)
        teams = Teams(self.client, ttl_seconds=300, now=self.clock)
        self.jobs = BulkJobs(self.client, now=self.clock, sleep=self.clock.sleep)
        pace = CustomerPace(now=self.clock)
        conversations = Conversations(self.outbox, self.client, directory, parking=self.parking, now=self.clock)
        ticketing = Ticketing(
            self.outbox, self.client, conversations=conversations, teams=teams, default_team=self.default_team
        )
        self.delivery = SessionDelivery(
            self.outbox,
            self.client,
            conversations=conversations,
            directory=directory,
            ticketing=ticketing,
            jobs=self.jobs,
            pace=pace,
            now=self.clock,
        )
        self.newcomers = newcomers = Newcomers(self.jobs, directory, self.breaker, sleep=self.clock.sleep)
        self.worker = Worker(
            self.outbox,
            self.delivery,
            BulkDelivery(
                self.outbox, self.jobs, directory, newcomers=newcomers, conversations=conversations, pace=pace
            ),
            self.breaker,
            self.rate_limiter,
            now=self.clock,
            sleep=self.clock.sleep if self.heartbeat else _for_ever,
        )

    async def close(self) -> None:
        passing = asyncio.create_task(self._time_passes())  # so that what waits for its time need not be cut off
        await self.worker.stop()
        await self.newcomers.close()
        passing.cancel()
        await self.client.aclose()
        await self.outbox.close()

    def die(self) -> None:
        """What is under way hangs for good, as that of a dead process; of several offices none may work yet."""
        for task in asyncio.all_tasks():
            if task.get_name() in {"kustomer_deliver_all", "kustomer_beat"}:
                task.cancel()

    async def _time_passes(self) -> None:
        while True:
            self.clock.now += 1
            await asyncio.sleep(0.002)

    async def say(self, sender: str, *texts: str, start: int = 1, person: Identity | None = None) -> SessionKey:
        """Record turns of a sender's one session, alternately by customer and bot; of an anonymous one by default."""
        session = SessionKey(f"rasa:{sender}:1000", sender, 1000)
        new = [
            NewRecord(
                f"{session.key}:{number}",
                Kind.MESSAGE,
                {"direction": "in" if number % 2 else "out", "text": text, "at_ms": 1000 + number, "channel": "chat"},
                1000 + number,
            )
            for number, text in enumerate(texts, start=start)
        ]
        await self.outbox.record(session, identity_fields(person) if person else ANONYMOUS, new)
        return session

    async def hand_off(self, session: SessionKey, team: str | None = None, outbox: Outbox | None = None) -> None:
        """Record note, tags and ticket, as the action does, perhaps in another process."""
        records = [
            NewRecord(f"{session.key}:note", Kind.NOTE, {"text": "summary", "team": team}),
            NewRecord(f"{session.key}:tags", Kind.TAGS, {"tags": ["bot-handoff"]}),
            NewRecord(f"{session.key}:ticket", Kind.TICKET, {"priority": 4, "team": team, "subject": "RK-1 · help"}),
        ]
        await (outbox or self.outbox).record(session, ANONYMOUS, records, escalate=True)

    async def ticket(self, session: SessionKey) -> float:
        """Let the worker work until the ticket is there; how long that takes by the clock."""
        begun = self.clock.now
        self.worker.start()
        deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        while await self.outbox.record_state(f"{session.key}:ticket") != DELIVERED:
            assert asyncio.get_running_loop().time() < deadline, "no ticket"
            self.clock.now += 0.005  # little, so that a busy machine does not look like a wait
            await asyncio.sleep(0.002)
        return self.clock.now - begun

    async def deliver(self, pending: int = 0) -> None:
        """Let the worker work until only so many records wait, with time passing as it needs."""
        self.worker.start()
        await self.until(lambda counts: counts.pending <= pending)

    async def until(self, done: Any) -> None:
        """Let time pass until the outbox's counts are as wanted."""
        deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        looked_at = 0.0
        while not done(await self.outbox.counts()):
            assert asyncio.get_running_loop().time() < deadline, await self.outbox.counts()
            self.clock.now += self.step_seconds
            if self.clock.now - looked_at >= GATHER_SECONDS:  # the worker looks no more often by itself
                looked_at = self.clock.now
                self.outbox.work_arrived.set()
                self.outbox.handoff_arrived.set()
            await asyncio.sleep(0.002)

    def texts(self, sender: str) -> list[str]:
        """What stands on the sender's timeline, in the order of `sentAt`."""
        return [row["preview"] for row in self.rows(sender)]

    def rows(self, sender: str) -> list[dict[str, Any]]:
        ids = {row["id"] for row in self.conversations(sender)}
        rows = [row for row in self.sandbox.state.messages.values() if row["conversation"] in ids]
        return sorted(rows, key=lambda row: row["sentAt"])

    def conversations(self, sender: str) -> list[dict[str, Any]]:
        return [
            row for row in self.sandbox.state.conversations.values() if row.get("externalId") == f"rasa:{sender}:1000"
        ]
