"""A pretend Kustomer that can be started anywhere a coroutine runs."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from kustomer_sandbox.access import machine_user
from kustomer_sandbox.bulk import Bulk
from kustomer_sandbox.calls import Org
from kustomer_sandbox.control import Control
from kustomer_sandbox.desk import Desk
from kustomer_sandbox.examples import add_examples
from kustomer_sandbox.faults import Fault, Faults, ScriptedFault
from kustomer_sandbox.gateway import Gateway, LoggedRequest
from kustomer_sandbox.limits import CustomerLimits, OrgLimit
from kustomer_sandbox.rules import MACHINE_USER_ROLES, Rules
from kustomer_sandbox.seed import seed
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
        self.api_key = api_key
        self.rules = rules or Rules()
        self.rules.rate_limit = rate_limit
        self.roles = set(MACHINE_USER_ROLES) if roles is None else roles
        self.state = State(now, data)
        seed(self.state, org)
        self.url = ""
        self._faults = Faults()
        organisation = Org(self.state, self.rules, CustomerLimits(self.rules, now))
        self._bulk = Bulk(organisation, now)
        self._gateway = Gateway(
            organisation,
            self._faults,
            OrgLimit(self.rules, now),
            self._bulk,
            roles=self.roles,
            api_key=api_key,
            now=now,
        )
        gateway = self._gateway
        self._control = Control(self.state, self.rules, self._faults, gateway.requests, gateway.units)
        self._desk = Desk(organisation)
        self._organisation = organisation

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
        return self.state.users[machine_user(self.state)]

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
        return self._faults.add(match, fault, times, skip)

    def heal(self) -> None:
        """Forgets all scripted failures."""
        self._faults.clear()

    def add_examples(self) -> None:
        """Adds a believable morning at the desk; does nothing when there are customers already."""
        if not self.state.customers:
            add_examples(self._organisation)

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
        ready, loop, stop = threading.Event(), asyncio.new_event_loop(), asyncio.Event()
        failure: list[BaseException] = []

        async def run() -> None:
            try:
                async with self.serve(host, port):
                    ready.set()
                    await stop.wait()
            except OSError as error:
                failure.append(error)
                ready.set()

        thread = threading.Thread(target=lambda: loop.run_until_complete(run()), name="sandbox", daemon=True)
        thread.start()
        ready.wait()
        try:
            if failure:
                raise failure[0]
            yield self
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join()
            loop.close()

    def close(self) -> None:
        """Closes the data file, if there is one."""
        self.state.close()

    async def _respond(self, request: HttpRequest) -> HttpReply | None:
        self._bulk.work()  # whoever asks: a job that nobody polls is done all the same, and the desk shows it
        path = request.target.partition("?")[0]
        if path.startswith(("/v1/", "/v2/", "/v2.1/")):
            return await self._gateway(request)
        if path.startswith("/sandbox/"):
            return self._control(request) or self._desk(request)
        return self._desk(request)
