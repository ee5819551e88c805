"""The product at work in one lane against a pretend Kustomer. The only module here that knows names inside the product.

Whoever renames what is inside the product changes this file, and no scenario, and no golden file.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.golden.chat import Chat
from tests.golden.names import KINDS, NAMED_KINDS, Entry, Names
from tests.golden.one_lane import World, clock_and_dice, requests_in_lane

from kustomer_sandbox import Sandbox
from rasa_kustomer import runtime
from rasa_kustomer.outbox import Outbox
from rasa_kustomer.outbox.copies import back_up, restore
from rasa_kustomer.outbox.database import Database

BEGAN = 1_748_854_800.0  # 2025-06-02 09:00 UTC; in the past, since PostgreSQL compares leases with its own clock
PATIENCE_SECONDS = 1_200.0
LONG_SECONDS = 15.0
HELD = "hang"


class Plant:
    """Settings, a pretend Kustomer, and everything between Rasa's calls and the requests.

    Args:
        world: Clock and loop.
        folder: Where the outbox is.
        patch: Takes back what is changed.
        outbox_url: Where turns wait; None for a file in the folder.
    """

    def __init__(self, world: World, folder: Path, patch: pytest.MonkeyPatch, outbox_url: str | None = None) -> None:
        self.world, self._patch = world, patch
        self.outbox = folder / "outbox.db"
        self.sandbox = Sandbox()
        self.sandbox.rules.bulk_seconds = 0
        self._names, self._guests = Names(), 0
        self._notes: list[tuple[int, Entry]] = []
        self.configure(
            api_key=self.sandbox.api_key,
            default_team_id="Support",
            rate_share="1",
            timeout_seconds="2",
            outbox_url=outbox_url or f"sqlite:///{self.outbox}",
        )

    def configure(self, **values: str) -> None:
        """Settings by their field names; they count from the next start."""
        for name, value in values.items():
            self._patch.setenv(f"KUSTOMER_{name.upper()}", value)

    def write(self, name: str, text: str) -> None:
        """A file in the bot's folder."""
        (self.outbox.parent / name).write_text(text, encoding="utf-8")

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        """Kustomer is there, and the product is stopped at the end."""
        async with self.sandbox.serve():
            self.configure(base_url=self.sandbox.url)
            with requests_in_lane(self.world, lambda: len(self.sandbox.requests), self._held):
                yield
                await self.stop()

    def chat(self, sender: str = "ann", **slots: Any) -> "Chat":
        """A conversation of a sender, which has begun."""
        chat = Chat(sender, self.world, self.note)
        chat.slots |= slots
        return chat

    def another_name(self) -> str:
        """A sender's name that nobody has."""
        self._guests += 1
        return f"guest-{self._guests}"

    async def start(self) -> None:
        """Start the action server's part; an outbox that is made now is older than all chats that follow."""
        await runtime.current().outbox.counts()
        await self.pass_by(5.0)

    async def stop(self) -> None:
        """Stop it as an action server that is shut down."""
        await runtime.shut_down()

    def copy(self) -> Path:
        """The outbox as it is now, as `rasa-kustomer outbox backup` copies it."""
        copy = self.outbox.with_name(f"copy-{len(list(self.outbox.parent.iterdir()))}.db")
        back_up(self.outbox, copy)
        return copy

    async def crash(self) -> None:
        """The process dies now: what it did after this moment has never been, as far as the outbox knows."""
        copy = self.copy()
        await self.stop()
        copy.replace(self.outbox)

    async def put_back(self, copy: Path) -> None:
        """`rasa-kustomer outbox restore`, while nothing runs; an hour later chats go on."""
        await self.stop()
        self.world.pass_over(3_600.0)
        restore(copy, self.outbox, time.time())

    async def lose_outbox(self) -> None:
        """The disk is gone; an hour later chats go on with an empty one."""
        await self.stop()
        self.outbox.unlink()
        self.world.pass_over(3_600.0)

    async def pass_by(self, seconds: float) -> None:
        """Let so much time pass, or a little more: to a moment that does not depend on how long the work took."""
        await asyncio.sleep(seconds)
        self.world.pass_to(10.0)

    async def later(self, minutes: int) -> None:
        """Let much time pass, of which the product sees a moment in each minute."""
        for _ in range(minutes):
            self.world.pass_to(60.0)
            await asyncio.sleep(2.0)
        self.world.pass_to(60.0)

    async def delivered(self, pending: int = 0) -> None:
        """Let time pass until no more than so much waits, and what is done in the background is done."""
        began = self.world.seconds
        while (counts := await runtime.current().outbox.counts()).pending > pending:
            waited = self.world.seconds - began
            assert waited < PATIENCE_SECONDS, (counts, self.log()[-30:])
            await asyncio.sleep(0.5)
            if waited > LONG_SECONDS:
                self.world.pass_to(8.0)  # less than between two signs of life
        await asyncio.sleep(2.0)
        self.world.pass_to(60.0)

    async def counted(self) -> None:
        """Note what the outbox holds."""
        counts = await runtime.current().outbox.counts()
        names = ("accepted", "delivered", "pending", "dead")
        self.note(outbox={name: getattr(counts, name) for name in names})

    def heading(self, text: str) -> None:
        """Note what comes now."""
        self.note(now=text)

    def note(self, **entry: Any) -> None:
        """Put a line between the requests."""
        self._names.learn(self.kustomer())
        self._notes.append((len(self.sandbox.requests), entry))

    def lose(self, kind: str) -> None:
        """Kustomer loses all rows of a kind."""
        self._names.learn(self.kustomer())
        for row in list(self.sandbox.state.table(kind)):
            self.sandbox.state.drop(kind, row)
        self.sandbox.state.commit()

    async def finish_jobs(self) -> None:
        """All bulk jobs that Kustomer has are done; a page that somebody opens shows it."""
        self.world.pass_over(3_600.0)
        async with httpx.AsyncClient(trust_env=False) as browser:
            await browser.get(self.sandbox.url)

    def kustomer(self) -> dict[str, list[Any]]:
        """All that Kustomer holds."""
        return {kind: list(self.sandbox.state.table(kind).values()) for kind in (*KINDS, *NAMED_KINDS, "org")}

    def hold(self, kustomer: dict[str, list[Any]]) -> None:
        """Let Kustomer hold this and nothing else; its jobs are done."""
        for kind, rows in kustomer.items():
            for row in list(self.sandbox.state.table(kind)):
                self.sandbox.state.drop(kind, row)
            for row in rows:
                self.sandbox.state.put(kind, row)
        self.sandbox.state.commit()

    def log(self) -> list[Entry]:
        """Everything that was asked of Kustomer, told the user or noted, in order; ids are named by what they are."""
        self._names.learn(self.kustomer())
        entries: list[Entry] = []
        notes = list(self._notes)
        for place, one in enumerate(self.sandbox.requests):
            while notes and notes[0][0] <= place:
                entries.append(notes.pop(0)[1])
            address = f"{one.path}?{one.query}" if one.query else one.path
            entry: Entry = {"request": f"{one.method} {address}"}
            if one.body is not None:
                entry["body"] = one.body
            entries.append(entry | {"answer": one.fault or one.status})
        named: list[Entry] = self._names.put_into([*entries, *(entry for _, entry in notes)])
        return named

    def _held(self) -> bool:
        latest = self.sandbox.requests[-1]
        return latest.status is None and (latest.fault or "").startswith(HELD)


def play(
    scenario: Callable[[Plant], Awaitable[None]], folder: Path, outbox_url: str | None = None, *, after_hours: int = 0
) -> list[Entry]:
    """Run a scenario from an empty Kustomer, as a rule with an empty outbox; what was sent and said."""
    world = World(BEGAN + 3_600.0 * after_hours)
    with _alone(world, folder) as patch:

        async def everything() -> list[Entry]:
            plant = Plant(world, folder, patch, outbox_url)
            async with plant.served():
                await scenario(plant)
            return plant.log()

        return world.run(everything())


@contextmanager
def _alone(world: World, folder: Path) -> Iterator[pytest.MonkeyPatch]:
    """No settings of this machine, and all transactions in the lane."""
    with pytest.MonkeyPatch.context() as patch, clock_and_dice(world, "rasa_kustomer", "kustomer_sandbox"):
        for name in [name for name in os.environ if name.startswith("KUSTOMER_")]:
            patch.delenv(name)
        patch.chdir(folder)
        for name in ("run", "close"):
            patch.setattr(Database, name, _in_lane(world, getattr(Database, name)))
        yield patch


async def make_tables(url: str) -> None:
    """An empty outbox."""
    outbox = Outbox(url)
    await outbox.counts()
    await outbox.close()


def _in_lane(world: World, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def run(*arguments: Any, **named: Any) -> Any:
        return await world.in_lane(lambda: method(*arguments, **named))

    return run
