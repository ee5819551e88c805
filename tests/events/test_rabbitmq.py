"""A real RabbitMQ: acknowledged only once recorded, and whatever dies is made up for."""

import asyncio
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import aio_pika
import pytest
from tests.events.talks import Talk
from tests.helpers import without_settings
from tests.servers import Rabbitmq

from kustomer_sandbox import Sandbox

pytestmark = pytest.mark.xdist_group("broker")  # in a parallel run one worker starts one
PATIENCE_SECONDS = 180.0
EXCHANGE = "rasa-exchange"


async def publish(url: str, queue: str, bodies: list[bytes]) -> None:
    """As Rasa's pika broker does: a fanout exchange, a durable queue, persistent messages."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        exchange = await channel.declare_exchange(f"{EXCHANGE}-{queue}", aio_pika.ExchangeType.FANOUT, durable=True)
        await (await channel.declare_queue(queue, durable=True)).bind(exchange)
        for body in bodies:
            message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            await exchange.publish(message, routing_key="")


async def left(url: str, queue: str) -> int:
    """Messages that RabbitMQ has ready for a consumer."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        return (await channel.declare_queue(queue, passive=True)).declaration_result.message_count or 0


async def eventually(holds: Callable[[], object]) -> None:
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while not holds():
        assert asyncio.get_running_loop().time() < deadline, "it did not come to that in time"
        await asyncio.sleep(0.1)


async def all_recorded(worker: "Worker", talk: Talk) -> None:
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while worker.recorded() != said(talk):
        assert asyncio.get_running_loop().time() < deadline, f"{worker.recorded()} of {said(talk)} recorded"
        await asyncio.sleep(0.1)


class Worker:
    """`rasa-kustomer worker --events` as a process."""

    def __init__(self, folder: Path, sandbox: Sandbox, url: str, queue: str) -> None:
        self._folder, self.queue = folder, queue
        self._environment = without_settings() | {
            "KUSTOMER_API_KEY": sandbox.api_key,
            "KUSTOMER_BASE_URL": sandbox.url,
            "RASA_KUSTOMER_EVENTS": url,
        }
        self.log = folder / "worker.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [str(Path(sys.executable).with_name("rasa-kustomer")), "worker", "--queue", self.queue]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self._folder, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )

    def end(self, how: signal.Signals) -> int:
        assert self.process is not None
        os.killpg(self.process.pid, how)
        return self.process.wait(timeout=60)

    def recorded(self) -> int:
        """Messages in the outbox."""
        path = self._folder / ".kustomer" / "outbox.db"
        if not path.exists():
            return 0
        with sqlite3.connect(path) as database:
            try:
                found: list[object] = database.execute("SELECT id FROM kustomer_record").fetchall()
                return len(found)
            except sqlite3.OperationalError:  # its tables are just being made
                return 0


def said(talk: Talk) -> int:
    """How many messages of a talk belong on the timeline."""
    users = [event for event in talk.events if event["event"] == "user"]
    bots = sum(event["event"] == "bot" for event in talk.events)
    return int(bots + sum(event["message_id"] is not None for event in users))


@pytest.fixture
def queue() -> str:
    return f"rasa_{uuid4().hex[:8]}"


async def test_killed_workers_and_brokers_lose_and_double_nothing(
    broker: Rabbitmq, queue: str, threaded_sandbox: Sandbox, tmp_path: Path
) -> None:
    worker, talk = Worker(tmp_path, threaded_sandbox, broker.url, queue), Talk("ann", random.Random(3))
    worker.start()
    await eventually(lambda: worker.log.exists() and f"no queue {queue} yet" in worker.log.read_text())
    assert "event_broker" in worker.log.read_text()
    talk.start()
    talk.turn("hello")
    await publish(broker.url, queue, talk.published())
    await all_recorded(worker, talk)

    begin = len(talk.events)
    for _ in range(50):  # Kustomer takes 120 messages of a customer in a minute
        talk.turn()
    await publish(broker.url, queue, talk.published(begin))
    worker.end(signal.SIGKILL)
    worker.start()
    await all_recorded(worker, talk)

    await asyncio.to_thread(broker.restart)
    begin = len(talk.events)
    talk.turn()
    await publish(broker.url, queue, talk.published(begin))
    await all_recorded(worker, talk)
    await eventually(lambda: len(threaded_sandbox.state.messages) == said(talk))

    assert worker.end(signal.SIGTERM) == 0
    assert await left(broker.url, queue) == 0
    assert "guest:guest" not in worker.log.read_text()
    (conversation,) = threaded_sandbox.state.conversations
    shown = [row["externalId"] for row in threaded_sandbox.state.timeline(conversation)]
    assert len(shown) == len(set(shown)) == said(talk)


async def test_without_an_outbox_the_events_stay_with_the_broker(
    broker: Rabbitmq, queue: str, threaded_sandbox: Sandbox, tmp_path: Path
) -> None:
    blocked = tmp_path / ".kustomer"
    blocked.write_text("no folder")
    worker, talk = Worker(tmp_path, threaded_sandbox, broker.url, queue), Talk("ann", random.Random(3))
    talk.start()
    talk.turn("hello")
    await publish(broker.url, queue, talk.published())
    worker.start()
    await eventually(lambda: "Events stay in RabbitMQ" in worker.log.read_text())

    blocked.unlink()
    await all_recorded(worker, talk)
    assert worker.end(signal.SIGTERM) == 0
    assert await left(broker.url, queue) == 0


async def test_a_user_who_may_not_read_the_queue_is_told_so_and_the_worker_goes_on_once_he_may(
    broker: Rabbitmq, queue: str, threaded_sandbox: Sandbox, tmp_path: Path
) -> None:
    talk = Talk("ann", random.Random(3))
    talk.start()
    talk.turn("hello")
    await publish(broker.url, queue, talk.published())
    await asyncio.to_thread(broker.control, "add_user", queue, "secret")
    await asyncio.to_thread(broker.control, "set_permissions", queue, ".*", ".*", "")
    worker = Worker(tmp_path, threaded_sandbox, broker.url.replace("guest:guest", f"{queue}:secret"), queue)
    worker.start()
    await eventually(lambda: "grant it the permission read" in worker.log.read_text())

    await asyncio.to_thread(broker.control, "set_permissions", queue, ".*", ".*", ".*")
    await all_recorded(worker, talk)
    assert worker.end(signal.SIGTERM) == 0
    assert "secret" not in worker.log.read_text()


async def test_a_second_worker_stands_by_and_takes_over(
    broker: Rabbitmq, queue: str, threaded_sandbox: Sandbox, tmp_path: Path
) -> None:
    talk = Talk("ann", random.Random(3))
    talk.start()
    talk.turn("hello")
    await publish(broker.url, queue, talk.published())
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    first, second = (Worker(folder, threaded_sandbox, broker.url, queue) for folder in folders)
    first.start()
    await all_recorded(first, talk)
    second.start()
    await eventually(lambda: "stands by" in second.log.read_text())

    first.end(signal.SIGKILL)
    begin = len(talk.events)
    talk.start()
    talk.turn("hello")
    await publish(broker.url, queue, talk.published(begin))
    await eventually(lambda: second.recorded() > 0)
    second.end(signal.SIGTERM)
