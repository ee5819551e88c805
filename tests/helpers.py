"""What tests of several areas need: time that passes when told, free ports, and an environment without settings."""

import asyncio
import os
import secrets
import socket
import time

PORTS = range(10_000, 32_000)  # below those that systems give to whoever asks for any port


class Clock:
    """A clock that stands still until a test moves `now`, or somebody sleeps by it.

    Attributes:
        now: Seconds; an epoch where the code under test needs one.
        slept: How long each sleep was.
    """

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Let so much time pass at once."""
        assert seconds > 0
        self.slept.append(seconds)
        self.now += seconds


class SharedClock(Clock):
    """A clock by which many sleep at once: they wake as soon as a test has moved it past their time."""

    def __init__(self, now: float | None = None) -> None:
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []
        super().__init__(time.time() if now is None else now)

    @property
    def now(self) -> float:
        return self._now

    @now.setter
    def now(self, moment: float) -> None:
        self._now = moment
        for end, woken in self._sleepers:
            if end <= moment and not woken.done():
                woken.set_result(None)

    @property
    def waiting(self) -> int:
        """How many sleep just now; the heartbeat of a worker is one of them."""
        return len(self._sleepers)

    async def sleep(self, seconds: float) -> None:
        """Wait until the time has come; the test lets it pass."""
        end = self.now + seconds
        while self.now < end:
            sleeper = (end, asyncio.get_running_loop().create_future())
            self._sleepers.append(sleeper)
            try:
                await sleeper[1]
            finally:
                self._sleepers.remove(sleeper)


async def no_sleep(_seconds: float) -> None:
    """A wait that takes no time."""


def free_port() -> int:
    """A port that nobody listens on.

    No other test gets it before a server has taken it: it is chosen at random, and from a range of which the system
    gives nothing to those who ask for any port, as served sandboxes and all clients do.
    """
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def without_settings() -> dict[str, str]:
    """The variables of this process but those of somebody's Kustomer account."""
    return {name: value for name, value in os.environ.items() if not name.startswith("KUSTOMER_")}
