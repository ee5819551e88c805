"""Real processes to break: a sandbox, action servers, visitors who talk, and an oracle that compares both ends."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from payloads import Payloads  # benchmarks/
from tests.helpers import free_port, without_settings

from rasa_kustomer.conversation.messages import read_messages

START_SECONDS = 60.0
DRAIN_SECONDS = 300.0
KEY = "sandbox-key"
PAYLOADS = Payloads()


@dataclass
class Report:
    """What a script found; `broken` names each promise that does not hold."""

    name: str
    lines: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        """Print a figure as soon as it is known."""
        self.lines.append(line)
        print(f"  {line}", flush=True)

    def check(self, promise: str, *, holds: bool) -> None:
        """Note a promise."""
        self.say(f"{'kept  ' if holds else 'BROKEN'} {promise}")
        if not holds:
            self.broken.append(promise)


class Server:
    """A process group that can be killed at any moment."""

    def __init__(self, command: list[str], ready: str, folder: Path, environment: dict[str, str]) -> None:
        self._command, self._ready, self._folder, self._environment = command, ready, folder, environment
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start, and wait until it answers."""
        with (self._folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        async with httpx.AsyncClient(timeout=5) as http:
            while True:
                try:
                    if (await http.get(self._ready)).status_code == 200:
                        return
                except httpx.HTTPError:
                    pass
                if time.monotonic() > deadline:
                    raise RuntimeError((self._folder / "server.log").read_text()[-3000:])
                await asyncio.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL to the process and its workers."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


@dataclass
class Site:
    """A sandbox and action servers that share an outbox; `environment` holds their settings."""

    folder: Path
    environment: dict[str, str]
    outbox_url: str
    kustomer_port: int
    ports: list[int]
    kustomer: Server
    servers: list[Server]

    @property
    def kustomer_url(self) -> str:
        return f"http://127.0.0.1:{self.kustomer_port}"

    def url(self, number: int = 0) -> str:
        """Address of one of the action servers."""
        return f"http://127.0.0.1:{self.ports[number % len(self.ports)]}"

    async def fault(self, fault: str, match: str = "*", times: int | None = None) -> None:
        """Script a failure of Kustomer."""
        async with httpx.AsyncClient(base_url=self.kustomer_url) as http:
            body = {"match": match, "fault": fault, "times": times}
            (await http.post("/sandbox/faults", json=body)).raise_for_status()

    async def heal(self) -> None:
        """Let Kustomer work again."""
        async with httpx.AsyncClient(base_url=self.kustomer_url) as http:
            (await http.delete("/sandbox/faults")).raise_for_status()

    async def held(self) -> dict[str, Any]:
        """Everything that the sandbox holds."""
        async with httpx.AsyncClient(base_url=self.kustomer_url, timeout=60) as http:
            return dict((await http.get("/sandbox/state")).json())

    async def requests(self) -> list[dict[str, Any]]:
        """Every request that the sandbox had."""
        async with httpx.AsyncClient(base_url=self.kustomer_url, timeout=60) as http:
            return list((await http.get("/sandbox/requests")).json())

    async def units(self) -> Counter[str]:
        """What was taken from the organisation's budget, by method and path with placeholders."""
        async with httpx.AsyncClient(base_url=self.kustomer_url, timeout=60) as http:
            return Counter((await http.get("/sandbox/units")).json()["calls"])

    async def health(self, number: int = 0) -> dict[str, Any]:
        """The health route of a server."""
        async with httpx.AsyncClient(timeout=10) as http:
            return dict((await http.get(f"{self.url(number)}/kustomer/health")).json())

    async def drained(self, seconds: float = DRAIN_SECONDS) -> bool:
        """Wait until nothing is pending; False when that does not come in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            outbox = (await self.health())["outbox"]
            if outbox.get("pending") == 0:
                return True
            await asyncio.sleep(0.5)
        return False

    def refused(self) -> int:
        """How often a server said that turns could not be recorded; what it was told then is not accepted yet."""
        return (self.folder / "server.log").read_text(errors="replace").count("Cannot write to the outbox")

    def books(self) -> dict[str, Any]:
        """`rasa-kustomer outbox status --json`."""
        command = [str(Path(sys.executable).with_name("rasa-kustomer")), "outbox", "status", "--json"]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False
        )
        return dict(json.loads(done.stdout.splitlines()[0]))


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        yield Path(name)


@asynccontextmanager
async def site(
    *,
    outbox_url: str | None = None,
    servers: int = 1,
    rate_limit: int = 1_000_000,
    rules: dict[str, Any] | None = None,
    settings: dict[str, str] | None = None,
    prepare: Callable[[str], Any] | None = None,
) -> AsyncIterator[Site]:
    """Start everything; kill everything at the end.

    Args:
        outbox_url: KUSTOMER_OUTBOX_URL; None makes an SQLite file.
        servers: How many action servers.
        rate_limit: Requests per minute of the organisation.
        rules: Further switches of the sandbox.
        settings: Further settings of the action servers.
        prepare: Called with the outbox URL before the servers start.
    """
    with _folder() as folder:
        url = outbox_url or f"sqlite:///{folder / 'outbox.db'}"
        port = free_port()
        tool = str(Path(sys.executable).with_name("rasa-kustomer"))
        clean = without_settings()
        kustomer = Server([tool, "sandbox", "--port", str(port)], f"http://127.0.0.1:{port}/", folder, clean)
        environment = clean | {
            "KUSTOMER_API_KEY": KEY,
            "KUSTOMER_BASE_URL": f"http://127.0.0.1:{port}",
            "KUSTOMER_OUTBOX_URL": url,
            "SANIC_HOST": "127.0.0.1",
            **(settings or {}),
        }
        ports = [free_port() for _ in range(servers)]
        made = Site(
            folder, environment, url, port, ports, kustomer, [_action_server(one, folder, environment) for one in ports]
        )
        try:
            await kustomer.start()
            async with httpx.AsyncClient(base_url=made.kustomer_url) as http:
                body = {"rate_limit": rate_limit, "customer_limit": 100_000, **(rules or {})}
                (await http.patch("/sandbox/rules", json=body)).raise_for_status()
            if prepare is not None:
                await asyncio.to_thread(prepare, url)
            await asyncio.gather(*(server.start() for server in made.servers))
            yield made
        finally:
            for server in (*made.servers, kustomer):
                server.kill()


def _action_server(port: int, folder: Path, environment: dict[str, str]) -> Server:
    command = [sys.executable, "-W", "ignore", "-m", "rasa_sdk", "--actions", "rasa_kustomer.actions"]
    ready = f"http://127.0.0.1:{port}/kustomer/health"
    return Server([*command, "--port", str(port)], ready, folder, environment)


@dataclass
class Visitor:
    """Somebody who talks, as the shipped snippets let Rasa tell it; what was answered with 200 is accepted."""

    sender_id: str
    payloads: Payloads = PAYLOADS
    said: int = 0
    accepted: int = 0

    async def turn(self, http: httpx.AsyncClient, url: str) -> bool:
        """Say one thing more; the call carries the whole conversation, as Rasa's do. False when nobody answered."""
        began = self.said > 0
        self.said += 1
        try:
            if not began:
                await self.call(http, url, self.payloads.session_start(self.sender_id))
            await self.call(http, url, self.payloads.body(self.sender_id, self.said))
        except httpx.TransportError:
            return False
        self.accepted = self.said
        return True

    async def hand_off(self, http: httpx.AsyncClient, url: str) -> str:
        """Ask for a human, a turn of its own; returns the status that the bot reports."""
        self.said += 1
        turn = self.payloads.body(self.sender_id, self.said)
        handoff = json.loads(turn) | {"next_action": "action_kustomer_handoff"}
        answer = await self.call(http, url, json.dumps(handoff).encode())
        await self.call(http, url, turn)
        self.accepted = self.said
        return str(next(one["value"] for one in answer["events"] if one.get("name") == "kustomer_handoff_status"))

    async def call(self, http: httpx.AsyncClient, url: str, body: bytes) -> dict[str, Any]:
        """One call of the action server; raises what httpx raises."""
        answer = await http.post(f"{url}/webhook", content=body, headers={"content-type": "application/json"})
        return dict(answer.raise_for_status().json())

    def expected(self) -> list[tuple[str, str]]:
        """Key and text of all that was accepted, in order."""
        body = self.payloads.body(self.sender_id, self.accepted) if self.accepted else b'{"tracker": {"events": []}}'
        events = json.loads(body)["tracker"]["events"]
        reading = read_messages(events, self.sender_id, None)
        return [(message.key, message.text) for part in reading.sessions for message in part.messages]


def balance(report: Report, place: Site) -> None:
    """The outbox's own books."""
    books = place.books()
    counts = ", ".join(f"{name} {books[name]:,}" for name in ("accepted", "delivered", "pending", "dead"))
    report.check(f"the books balance: {counts}", holds=books["balanced"] and books["dead"] == 0)


async def judge(report: Report, place: Site, visitors: list[Visitor]) -> None:
    """Compare what was accepted with what Kustomer holds, and look at the outbox's books."""
    balance(report, place)
    held = await place.held()
    by_sender: dict[str, list[dict[str, Any]]] = defaultdict(list)
    mirrored = [row for row in held["conversations"] if str(row["externalId"]).startswith("rasa:")]
    owner = {row["id"]: str(row["externalId"]).removeprefix("rasa:").rsplit(":", 1)[0] for row in mirrored}
    for row in held["messages"]:
        if row["app"] == "rasa":
            by_sender[owner[row["conversation"]]].append(row)
    lost = doubled = disorder = foreign = altered = total = 0
    for visitor in visitors:
        rows = sorted(by_sender.pop(visitor.sender_id, []), key=lambda row: str(row["sentAt"]))
        keys = [str(row["externalId"]) for row in rows]
        said = dict(visitor.expected())
        expected = list(said)
        altered += sum(said.get(str(row["externalId"]), row["preview"]) != row["preview"] for row in rows)
        total += len(expected)
        lost += len(set(expected) - set(keys))
        doubled += sum(count - 1 for count in Counter(keys).values())
        known = [key for key in dict.fromkeys(keys) if key in set(expected)]
        disorder += known != [key for key in expected if key in set(known)]
        foreign += not {key.rsplit(":", 1)[0] for key in keys} <= {f"rasa:{visitor.sender_id}"} | {
            f"rasa:{visitor.sender_id}:{key.split(':')[2]}" for key in keys
        }
    foreign += len(by_sender)
    conversations = Counter(owner.values())
    report.say(f"messages accepted {total:,}, in Kustomer {len(held['messages']):,}")
    report.check(f"accepted turns lost: {lost}", holds=lost == 0)
    report.check(f"turns doubled: {doubled}", holds=doubled == 0)
    report.check(f"conversations out of order: {disorder}", holds=disorder == 0)
    report.check(f"foreign messages: {foreign}, altered ones: {altered}", holds=foreign == altered == 0)
    extra = sum(count - 1 for count in conversations.values())
    report.check(f"conversations doubled: {extra}", holds=extra == 0)
    people = Counter(entry["externalId"] for row in held["customers"] for entry in row.get("externalIds", []))
    more = sum(count - 1 for count in people.values())
    report.check(f"customers doubled: {more}", holds=more == 0)


async def talk(
    visitors: list[Visitor],
    url: Callable[[], str],
    stop: asyncio.Event,
    *,
    most_turns: int = 25,
    pause_seconds: float = 0.02,
) -> None:
    """Let visitors talk until told to stop; who gets no answer tries with the next turn, or has gone for good."""
    limits = httpx.Limits(max_keepalive_connections=0)  # like Rasa: a new connection for each call

    async def one() -> None:
        async with httpx.AsyncClient(timeout=10, limits=limits) as http:
            while not stop.is_set():
                visitor = Visitor(f"visitor-{len(visitors)}")
                visitors.append(visitor)
                while not stop.is_set() and visitor.said < most_turns:
                    if not await visitor.turn(http, url()):
                        await asyncio.sleep(0.2)
                        if random.random() < 0.5:
                            break  # what it said is never told again: only the outbox can know
                    await asyncio.sleep(random.uniform(0, 2 * pause_seconds))

    await asyncio.gather(*(one() for _ in range(8)))
