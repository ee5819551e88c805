"""A pretend Kustomer that can be started anywhere a coroutine runs."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from kustomer_sandbox.bulk import Bulk
from kustomer_sandbox.calls import Org
from kustomer_sandbox.control import Control
from kustomer_sandbox.desk import Desk
from kustomer_sandbox.examples import add_examples
from kustomer_sandbox.faults import Fault, ScriptedFault
from kustomer_sandbox.gateway import Gateway, LoggedRequest
from kustomer_sandbox.limits import CustomerLimits
from kustomer_sandbox.rules import MACHINE_USER_ROLES, Rules
from kustomer_sandbox.state import State
from kustomer_sandbox.tables import Row
from kustomer_sandbox.wire import HttpReply, HttpRequest, listening


class Sandbox:
    """A pretend Kustomer: API, control routes under `/sandbox/`, and the agent's desk at `/`.

        async with Sandbox().serve() as sandbox:
            client = KustomerClient(sandbox.url, sandbox.api_key)

    It may be served again after it stopped, on the same port, and still knows everything: an outage.

    Args:
        data: SQLite file to keep the data in; None keeps it in memory.
        api_key: The one key that is accepted.
        org: Name of the organisation.
        roles: Roles of the key; None for all that mirroring and handing off need. Change `sandbox.roles` any time.
        rate_limit: Requests per minute of the organisation.
        rules: Further switches; its `rate_limit` is replaced by the argument.
        now: The clock, in epoch seconds.

    Attributes:
        url: Base URL while it is served.
        state: What it holds.
        rules: Its switches, live.
        roles: The key's roles, live.
    """

    def __init__(
        self,
        *,
        data: Path | None = None,
        api_key: str = "sandbox-key",
        org: str = "sandbox",
        roles: set[str] | None = None,
        rate_limit: int = 1000,
        rules: Rules | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.url = ""
        self.api_key = api_key
        self.rules = rules or Rules()
        self.rules.rate_limit = rate_limit
        self.roles = set(MACHINE_USER_ROLES) if roles is None else roles
        self.state = State(org, now, data)
        self._org = Org(self.state, self.rules, CustomerLimits(self.rules, now), self.roles, api_key)
        self._bulk = Bulk(self._org, now)
        self._gateway = Gateway(self._org, self._bulk, now)
        self._control = Control(self._org, self._gateway)
        self._desk = Desk(self._org)

    @property
    def requests(self) -> list[LoggedRequest]:
        """The API requests so far, oldest first; control and desk requests are not among them."""
        return list(self._gateway.requests)

    @property
    def units(self) -> Counter[str]:
        """What was taken from the organisation's budget so far, by method and path: `POST /v1/messages/bulk`."""
        return self._gateway.units

    @property
    def machine_user(self) -> Row:
        """The user behind the key."""
        return self.state.machine_user

    def team(self, name: str) -> Row:
        """A seeded team by its name.

        Raises:
            StopIteration: There is none.
        """
        return next(team for team in self.state.teams.values() if team["name"] == name)

    def fail(self, match: str, fault: Fault | str, times: int | None = 1, skip: int = 0) -> ScriptedFault:
        """Scripts a failure: `sandbox.fail("POST /v1/conversations/*/messages", "reset-after", times=1)`.

        Args:
            match: `METHOD /path` or `/path`; `*` stands for any characters.
            fault: See `kustomer_sandbox.faults`.
            times: How many requests it hits; None for all until `heal`.
            skip: How many matching requests pass first.

        Raises:
            ValueError: No such fault.
        """
        scripted = ScriptedFault(match, Fault.parse(fault) if isinstance(fault, str) else fault, times, skip)
        self._gateway.script.append(scripted)
        return scripted

    def heal(self) -> None:
        """Forgets all scripted failures."""
        self._gateway.script.clear()

    def add_examples(self) -> None:
        """Adds a believable morning at the desk; does nothing when there are customers already."""
        if not self.state.customers:
            add_examples(self._org)

    @asynccontextmanager
    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator["Sandbox"]:
        """Serves it in the running loop; port 0 takes a free one.

        Raises:
            OSError: The address cannot be bound.
        """
        async with listening(self._respond, host, port) as bound:
            shown = f"[{host}]" if ":" in host else host
            self.url = f"http://{shown}:{bound}"
            yield self

    @contextmanager
    def serve_in_thread(self, host: str = "127.0.0.1", port: int = 0) -> Iterator["Sandbox"]:
        """Serves it from a thread of its own, for callers that block.

        Raises:
            OSError: The address cannot be bound.
        """
        ready: Future[Callable[[], object]] = Future()

        async def run() -> None:
            loop, stop = asyncio.get_running_loop(), asyncio.Event()
            try:
                async with self.serve(host, port):
                    ready.set_result(lambda: loop.call_soon_threadsafe(stop.set))
                    await stop.wait()
            except OSError as error:
                ready.set_exception(error)

        thread = threading.Thread(target=lambda: asyncio.run(run()), name="sandbox", daemon=True)
        thread.start()
        stop = ready.result()
        try:
            yield self
        finally:
            stop()
            thread.join()

    def close(self) -> None:
        """Closes the data file, if there is one."""
        self.state.close()

    async def _respond(self, request: HttpRequest) -> HttpReply | None:
        self._bulk.work()  # whoever asks: a job that nobody polls is done all the same, and the desk shows it
        path = request.target.partition("?")[0]
        if path.startswith(("/v1/", "/v2/", "/v2.1/")):
            return await self._gateway(request)
        return self._control(request) or self._desk(request)
