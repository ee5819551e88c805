"""A real Rasa server, our action server and the sandbox, started once; every test talks to the same bot.

The bot of `bot/` gets the shipped snippets from `rasa-kustomer init` and then exactly what `init` asks for.
"""

import contextlib
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from tests.e2e import environments
from tests.e2e.bots import prepare, prepare_without_overrides, train
from tests.e2e.dialogue import SHOWN, Desk, Dialogue
from tests.e2e.services import Service, eventually
from tests.helpers import free_port

from kustomer_sandbox import Sandbox

HERE = Path(__file__).resolve().parent
LOCALHOST = "127.0.0.1"
SENDER = "e2e-"  # how the sender ids of all these tests begin; nothing else may be in Kustomer
SERVICES: list[Service] = []


class Kustomer:
    """The sandbox, which can be taken away and comes back with all that it knew."""

    def __init__(self) -> None:
        self.sandbox = Sandbox()
        self._port = 0
        self._serving = contextlib.ExitStack()

    @property
    def url(self) -> str:
        """Its base URL, the same after each outage."""
        return self.sandbox.url

    def start(self) -> None:
        """Serve it, always on the same port."""
        self._serving.enter_context(self.sandbox.serve_in_thread(port=self._port))
        self._port = int(self.url.rpartition(":")[2])

    def stop(self) -> None:
        """Connections are refused from now on."""
        self._serving.close()

    @contextlib.contextmanager
    def outage(self) -> Iterator[None]:
        """Not there for a while."""
        self.stop()
        try:
            yield
        finally:
            self.start()


@dataclass
class ActionServer:
    """`python -m rasa_sdk` in the bot's folder; `settings` are those of a bot that uses Kustomer."""

    service: Service
    settings: Mapping[str, str]

    def restart(self, settings: Mapping[str, str] | None = None) -> None:
        """Stop it and start it again, with other settings if given."""
        self.service.stop()
        self.service.start(self.settings if settings is None else settings)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Show the end of each process's log when a test fails."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]  # pluggy sends a result in
    if report.failed and item.path.is_relative_to(HERE):
        report.sections += [(f"log of {service.name}", service.log) for service in SERVICES]


@pytest.fixture(scope="session", autouse=True)
def _ended_politely() -> Iterator[None]:
    """A SIGTERM ends the run as Ctrl-C does, with the processes that it started."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def rasa_python() -> Path:
    """The Python that has Rasa Open Source."""
    return environments.interpreter(environments.OPEN_SOURCE)


@pytest.fixture(scope="session")
def rasa_pro_python() -> Path:
    """The Python that has Rasa Pro's readers."""
    return environments.interpreter(environments.PRO)


@pytest.fixture(scope="session")
def bot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bot with the snippets; everything that `init` says is left to do has been done."""
    folder = tmp_path_factory.mktemp("e2e") / "bot"
    prepare(folder)
    return folder


@pytest.fixture(scope="session")
def _model(bot: Path, rasa_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(rasa_python, bot, tmp_path_factory.mktemp("model"))


@pytest.fixture
def without_overrides(
    _rasa: httpx.Client, _model: Path, rasa_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """The Rasa server runs the bot of a designer who wanted no override, until the test is over."""
    folder = tmp_path_factory.mktemp("e2e") / "bot"
    prepare_without_overrides(folder)
    model = train(rasa_python, folder, tmp_path_factory.mktemp("model"))
    _rasa.put("/model", json={"model_file": str(model)}).raise_for_status()
    yield
    _rasa.put("/model", json={"model_file": str(_model)}).raise_for_status()


@pytest.fixture(scope="session")
def _kustomer() -> Iterator[Kustomer]:
    kustomer = Kustomer()
    kustomer.start()
    yield kustomer
    _nothing_came_later(kustomer)
    kustomer.stop()


def _nothing_came_later(kustomer: Kustomer) -> None:
    """After the whole run Kustomer holds what each test saw, and nothing of anybody else."""
    messages = kustomer.sandbox.state.messages
    conversations = list(kustomer.sandbox.state.conversations.values())
    assert [one for one in conversations if not str(one["externalId"]).startswith(f"rasa:{SENDER}")] == []
    shown = {sender: len(said) for sender, said in SHOWN.items()}
    held = Counter(str(row["externalId"]).split(":")[1] for row in messages.values())
    assert {sender: held[sender] for sender in shown} == shown


@pytest.fixture(scope="session")
def _action_server(bot: Path, _kustomer: Kustomer) -> Iterator[ActionServer]:
    port = free_port()
    command = [sys.executable, "-m", "rasa_sdk", "--actions", "actions", "--port", str(port)]
    service = Service("action server", command, bot, f"http://{LOCALHOST}:{port}/health")
    settings = {
        "KUSTOMER_API_KEY": _kustomer.sandbox.api_key,
        "KUSTOMER_BASE_URL": _kustomer.url,
        "KUSTOMER_DEFAULT_TEAM_ID": "Support",
        "KUSTOMER_DEFAULT_PRIORITY": "high",
        "KUSTOMER_TRUST_METADATA": "true",
        "KUSTOMER_HANDOFF_WAIT_SECONDS": "2",
    }
    endpoints = bot / "endpoints.yml"
    shipped = endpoints.read_text(encoding="utf-8")
    assert "5055" in shipped
    endpoints.write_text(shipped.replace("5055", str(port)), encoding="utf-8")
    with running(service, settings):
        yield ActionServer(service, settings)
        eventually(lambda: _settled(service.url), "everything that was accepted is delivered")


def _settled(url: str) -> bool:
    outbox = httpx.get(url.replace("/health", "/kustomer/health"), timeout=5).raise_for_status().json()["outbox"]
    return bool(outbox["pending"] == outbox["dead"] == 0 < outbox["accepted"] == outbox["delivered"])


@pytest.fixture(scope="session")
def _rasa(bot: Path, _model: Path, rasa_python: Path, _action_server: ActionServer) -> Iterator[httpx.Client]:
    port = free_port()
    command = [str(rasa_python), "-W", "ignore", "-m", "rasa", "run", "--enable-api", "-i", LOCALHOST, "-p", str(port)]
    files = ["--model", str(_model), "--endpoints", "endpoints.yml", "--credentials", "credentials.yml"]
    url = f"http://{LOCALHOST}:{port}"
    with (
        running(Service("Rasa", [*command, *files], bot, f"{url}/status"), {}),
        httpx.Client(base_url=url, timeout=60) as http,
    ):
        yield http


@contextlib.contextmanager
def running(service: Service, settings: Mapping[str, str]) -> Iterator[None]:
    """Started; ended with all that it started, and its log shown when a test fails meanwhile."""
    SERVICES.append(service)
    try:
        service.start(settings)
        yield
    finally:
        service.kill()
        SERVICES.remove(service)


@pytest.fixture
def kustomer(_kustomer: Kustomer) -> Iterator[Kustomer]:
    """The sandbox; works again when the test is over."""
    yield _kustomer
    _kustomer.sandbox.heal()


@pytest.fixture
def action_server(_action_server: ActionServer) -> Iterator[ActionServer]:
    """The action server, for tests that stop it or change its settings; as before when the test is over."""
    yield _action_server
    _action_server.restart()


@pytest.fixture
def talk(_rasa: httpx.Client, _action_server: ActionServer) -> Callable[..., Dialogue]:
    """Begin a conversation with the bot, as somebody new."""
    assert _action_server.service.is_running, "an earlier test could not start the action server again"

    def begin(metadata: Mapping[str, object] | None = None) -> Dialogue:
        return Dialogue(_rasa, f"{SENDER}{uuid4().hex[:12]}", metadata)

    return begin


@pytest.fixture
def desk(_kustomer: Kustomer) -> Callable[[Dialogue], Desk]:
    """What agents see of a conversation."""
    return lambda dialogue: Desk(_kustomer.url, dialogue.sender_id)
