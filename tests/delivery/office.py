"""A courier at work on a real outbox and a served Kustomer, with a clock of its own."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from rasa_kustomer.conversation.identity import Identity
from rasa_kustomer.delivery.batching import Batching
from rasa_kustomer.delivery.breaker import Breaker
from rasa_kustomer.delivery.budget import Budget
from rasa_kustomer.delivery.conversations import Conversations
from rasa_kustomer.delivery.courier import Courier
from rasa_kustomer.delivery.delivery import Delivery
from rasa_kustomer.delivery.jobs import Jobs
from rasa_kustomer.delivery.newcomers import Newcomers
from rasa_kustomer.delivery.outbox import Kind, NewRecord, Outbox, SessionKey
from rasa_kustomer.delivery.teams import Teams
from rasa_kustomer.directory import Directory
from rasa_kustomer.kustomer.client import KustomerClient
from rasa_kustomer.recorder import identity_fields
from rasa_kustomer.sandbox import Sandbox

ANONYMOUS: dict[str, Any] = {"external_id": None, "email": None, "phone": None, "name": None, "trusted": False}
PATIENCE_SECONDS = 60.0


@dataclass
class Clock:
    """Time that passes when somebody waits for it."""

    now: float = field(default_factory=time.time)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Wait until the time has come; the test lets it pass."""
        end = self.now + seconds
        while self.now < end:  # noqa: ASYNC110 - nothing tells when a test moves its clock
            await asyncio.sleep(0.001)


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
    clock: Clock = field(default_factory=Clock)
    timeout_seconds: float = 2.0
    parking: str = "assign-bot"
    default_team: str | None = "Support"
    api_key: str | None = None
    step_seconds: float = 0.5
    born: float = -86_400.0  # epoch seconds, long before all chats: the outbox is begun then, if there is none yet

    def __post_init__(self) -> None:
        begin(self.url, self.born)
        self.outbox = Outbox(self.url, now=self.clock)
        self.budget = Budget(1.0, now=self.clock, sleep=self.clock.sleep)
        self.breaker = Breaker(now=self.clock)
        self.client = KustomerClient(
            self.sandbox.url,
            self.api_key or self.sandbox.api_key,
            timeout_seconds=self.timeout_seconds,
            event_hooks=self.budget.event_hooks,
            sleep=self.clock.sleep,
            now=self.clock,
        )
        self.directory = directory = Directory(self.client, ttl_seconds=300, size=100, now=self.clock)
        teams = Teams(self.client, ttl_seconds=300, now=self.clock)
        self.jobs = Jobs(self.client, now=self.clock, sleep=self.clock.sleep)
        conversations = Conversations(self.outbox, self.client, directory, parking=self.parking, now=self.clock)
        self.delivery = Delivery(
            self.outbox,
            self.client,
            conversations=conversations,
            directory=directory,
            teams=teams,
            jobs=self.jobs,
            default_team=self.default_team,
            now=self.clock,
        )
        self.newcomers = newcomers = Newcomers(self.jobs, directory, self.breaker, sleep=self.clock.sleep)
        self.courier = Courier(
            self.outbox,
            self.delivery,
            Batching(self.outbox, self.jobs, directory, newcomers, conversations),
            self.breaker,
            self.budget,
            now=self.clock,
            sleep=self.clock.sleep,
        )

    async def close(self) -> None:
        await self.courier.stop()
        await self.newcomers.close()
        await self.client.aclose()
        await self.outbox.close()

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

    async def hand_off(self, session: SessionKey, team: str | None = None) -> None:
        """Record note, tags and ticket, as the action does."""
        records = [
            NewRecord(f"{session.key}:note", Kind.NOTE, {"text": "summary", "team": team}),
            NewRecord(f"{session.key}:tags", Kind.TAGS, {"tags": ["bot-handoff"]}),
            NewRecord(f"{session.key}:ticket", Kind.TICKET, {"priority": 4, "team": team, "subject": "RK-1 · help"}),
        ]
        await self.outbox.record(session, ANONYMOUS, records, escalate=True)

    async def deliver(self, pending: int = 0) -> None:
        """Let the courier work until only so many records wait, with time passing as it needs."""
        self.courier.start()
        await self.until(lambda counts: counts.pending <= pending)

    async def until(self, done: Any) -> None:
        """Let time pass until the outbox's counts are as wanted."""
        deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
        while not done(await self.outbox.counts()):
            assert asyncio.get_running_loop().time() < deadline, await self.outbox.counts()
            self.clock.now += self.step_seconds
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
