"""A bot without the action_listen override: the worker records its turns from RabbitMQ, once and in order."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from tests.e2e.bots import OVERRIDES, prepare, train
from tests.e2e.conftest import LOCALHOST, SENDER, Kustomer, running
from tests.e2e.dialogue import Desk, Dialogue
from tests.e2e.services import Service, eventually
from tests.helpers import free_port
from tests.servers import Rabbitmq, rabbitmq

pytestmark = pytest.mark.e2e

QUEUE = "rasa_kustomer"
BROKER = """
event_broker:
  type: pika
  url: {host}
  port: {port}
  username: {user}
  password: {password}
  queues:
    - {queue}
"""


@pytest.fixture(scope="module")
def broker() -> Iterator[Rabbitmq]:
    with rabbitmq() as broker:
        yield broker


@pytest.fixture(scope="module")
def worker(broker: Rabbitmq, _kustomer: Kustomer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """`rasa-kustomer worker --events`, started before Rasa has made the queue."""
    folder = tmp_path_factory.mktemp("worker") / "bot"
    folder.mkdir()
    command = [str(Path(sys.executable).parent / "rasa-kustomer"), "worker", "--queue", QUEUE]
    settings = {
        "KUSTOMER_API_KEY": _kustomer.sandbox.api_key,
        "KUSTOMER_BASE_URL": _kustomer.url,
        "RASA_KUSTOMER_EVENTS": broker.url,
    }
    # It serves nothing; that the sandbox answers says as little as a start can.
    service = Service("worker", command, folder, f"{_kustomer.url}/sandbox/state")
    with running(service, settings):
        eventually(lambda: f"no queue {QUEUE} yet" in service.log, "the worker says what it waits for")
        yield service
        service.stop()
        assert "Traceback" not in service.log
        assert "guest:guest" not in service.log


@pytest.fixture(scope="module")
def rasa(
    broker: Rabbitmq, worker: Service, rasa_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """A Rasa server with an event broker and without an action server."""
    folder = tmp_path_factory.mktemp("stream") / "bot"
    prepare(folder)
    domain = folder / "domain/kustomer_domain.yml"
    text = domain.read_text(encoding="utf-8")
    for line in OVERRIDES:
        text = text.replace(line, "")
    domain.write_text(text, encoding="utf-8")
    lines = BROKER.format(host=LOCALHOST, port=broker.port, user="guest", password="guest", queue=QUEUE)
    (folder / "endpoints.yml").write_text(lines, encoding="utf-8")
    model = train(rasa_python, folder, tmp_path_factory.mktemp("model"))
    port = free_port()
    url = f"http://{LOCALHOST}:{port}"
    command = [str(rasa_python), "-W", "ignore", "-m", "rasa", "run", "--enable-api", "-i", LOCALHOST, "-p", str(port)]
    files = ["--model", str(model), "--endpoints", "endpoints.yml", "--credentials", "credentials.yml"]
    with (
        running(Service("Rasa with a broker", [*command, *files], folder, f"{url}/status"), {}),
        httpx.Client(base_url=url, timeout=60) as http,
    ):
        yield http


def test_every_turn_is_recorded_without_a_call(
    rasa: httpx.Client, worker: Service, desk: Callable[[Dialogue], Desk]
) -> None:
    users = [Dialogue(rasa, f"{SENDER}{uuid4().hex[:12]}") for _ in range(3)]
    for text in ("hello", "qwertz 12345", "show me the menu"):
        for user in users:
            assert user.say(text)
    for user in users:
        user.say("bye")
    for user in users:
        desk(user).shows(user.said)


def test_who_somebody_is_comes_from_the_metadata(
    rasa: httpx.Client, worker: Service, desk: Callable[[Dialogue], Desk]
) -> None:
    sender = f"{SENDER}{uuid4().hex[:12]}"
    user = Dialogue(rasa, sender, {"email": f"{sender}@example.com"})
    user.say("hello")
    desk(user).shows(user.said)
    person = desk(user).customer(desk(user).conversations[0])
    assert [one["email"] for one in person["emails"]] == [f"{sender}@example.com"]


def test_a_killed_worker_loses_nothing(rasa: httpx.Client, worker: Service, desk: Callable[[Dialogue], Desk]) -> None:
    user = Dialogue(rasa, f"{SENDER}{uuid4().hex[:12]}")
    user.say("hello")
    worker.kill()
    user.say("show me the menu")
    worker.restart()
    user.say("bye")
    desk(user).shows(user.said, seconds=60)


def test_a_broker_that_is_away_for_a_while_loses_and_disorders_nothing(
    rasa: httpx.Client, worker: Service, broker: Rabbitmq, desk: Callable[[Dialogue], Desk]
) -> None:
    """Rasa keeps what it cannot publish and does so when the broker is back.

    What it had just published, and the broker had not confirmed when it stopped, it drops itself (Rasa 3.6.21 with
    aio-pika 8.2); so the broker goes once the first turns have arrived.
    """
    users = [Dialogue(rasa, f"{SENDER}{uuid4().hex[:12]}") for _ in range(5)]
    for user in users:
        user.say("hello")
    for user in users:
        desk(user).shows(user.said)
    broker.stop()
    for text in ("qwertz 12345", "show me the menu"):
        for user in users:
            user.say(text)
    broker.start()
    for user in users:
        user.say("bye")
    for user in users:
        desk(user).shows(user.said, seconds=60)
