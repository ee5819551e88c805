"""RabbitMQ restarts and the worker that reads its events is killed, while Rasa publishes: nothing published is lost."""

import asyncio
import json
import logging
import random
import sys
from pathlib import Path

import aio_pika
from aio_pika.abc import AbstractExchange
from tests.chaos.harness import Report, Server, Site, Visitor, judge, site
from tests.servers import Rabbitmq, rabbitmq

VISITORS = 10
QUEUE = "rasa_kustomer"
PAUSE_SECONDS = 0.2


async def run(report: Report, *, seconds: float) -> None:
    """RabbitMQ is away for so long; the worker is killed before and after."""
    for library in ("asyncio", "aio_pika", "aiormq"):  # they tell of each lost connection, at length
        logging.getLogger(library).setLevel(logging.CRITICAL)
    with rabbitmq() as broker:
        async with site() as place:
            worker = _worker(place, broker)
            visitors, over = [Visitor(f"visitor-{number}") for number in range(VISITORS)], asyncio.Event()
            await worker.start()
            talking = [asyncio.create_task(_talk(broker, visitor, over)) for visitor in visitors]
            for trouble in (_kill(worker), _restart(broker, seconds), _kill(worker)):
                await asyncio.sleep(2)
                await trouble
            await asyncio.sleep(2)
            over.set()
            failed = sum(await asyncio.gather(*talking))
            expected = sum(len(visitor.expected()) for visitor in visitors)
            report.say(f"RabbitMQ was away for {seconds:g} s, the worker killed twice, {failed} turns not confirmed")
            while (await place.health())["outbox"]["accepted"] < expected:
                await asyncio.sleep(0.5)
            report.check("everything is delivered afterwards", holds=await place.drained())
            await judge(report, place, visitors)
            worker.kill()


def _worker(place: Site, broker: Rabbitmq) -> Server:
    command = [str(Path(sys.executable).with_name("rasa-kustomer")), "worker", "--queue", QUEUE]
    environment = place.environment | {"RASA_KUSTOMER_EVENTS": broker.url}
    return Server(command, f"{place.kustomer_url}/", place.folder, environment)


async def _kill(worker: Server) -> None:
    worker.kill()
    await worker.start()


async def _restart(broker: Rabbitmq, seconds: float) -> None:
    await asyncio.to_thread(broker.stop)
    await asyncio.sleep(seconds)
    await asyncio.to_thread(broker.start)


async def _talk(broker: Rabbitmq, visitor: Visitor, over: asyncio.Event) -> int:
    """Publish turn by turn as Rasa does; what was not confirmed is published again. How often that was."""
    failed, exchange = 0, None
    while not over.is_set() or visitor.accepted < visitor.said:
        events = json.loads(visitor.payloads.body(visitor.sender_id, visitor.accepted + 1))["tracker"]["events"]
        known = len(json.loads(visitor.payloads.body(visitor.sender_id, visitor.accepted))["tracker"]["events"])
        fresh = [{"sender_id": visitor.sender_id, **event} for event in events[known if visitor.accepted else 0 :]]
        visitor.said = visitor.accepted + 1
        try:
            exchange = exchange or await _exchange(broker)
            for event in fresh:
                body = json.dumps(event).encode()
                message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
                await exchange.publish(message, routing_key="", timeout=5)
        except Exception:  # noqa: BLE001 - whatever it is, it was not confirmed
            exchange, failed = None, failed + 1
            await asyncio.sleep(PAUSE_SECONDS)
            continue
        visitor.accepted = visitor.said
        await asyncio.sleep(PAUSE_SECONDS * 2 * random.random())
    return failed


async def _exchange(broker: Rabbitmq) -> AbstractExchange:
    """As Rasa declares it: the exchange does not outlive the broker, the queue does."""
    connection = await aio_pika.connect(broker.url, timeout=5)
    channel = await connection.channel(on_return_raises=True)
    exchange = await channel.declare_exchange("rasa-exchange", aio_pika.ExchangeType.FANOUT)
    await (await channel.declare_queue(QUEUE, durable=True)).bind(exchange)
    return exchange
