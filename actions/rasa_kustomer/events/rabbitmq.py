"""Consumes Rasa's event broker on RabbitMQ (`event_broker: type: pika` in Rasa's endpoints.yml).

One worker consumes a queue, since the order of a sender's events would be lost between several; others stand by.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from rasa_kustomer.events.stream import Stream
from rasa_kustomer.failures import describe_error
from rasa_kustomer.log import one_line
from rasa_kustomer.outbox import OutboxUnavailableError

logger = logging.getLogger(__name__)

PREFETCH = 1_000
LOOK_SECONDS = 0.1
RETRY_SECONDS = 2.0
CONNECT_SECONDS = 10.0
ENDPOINTS = "event_broker: {type: pika, url: <host>, username: <user>, password: <password>, queues: [%s]}"


INSTALL = '--events needs RabbitMQ\'s client: pip install "rasa-kustomer[events]"'


class EventsNotInstalledError(RuntimeError):
    """The optional package is missing; the message says how to install it."""


async def consume(
    url: str,
    queue: str,
    stream: Stream,
    stop: asyncio.Event,
) -> None:
    """Record events until stopped; whatever happens to broker or outbox, continue when it is over.

    Args:
        url: `amqp://user:password@host:port/vhost`; never logged.
        queue: Name of the queue that Rasa publishes to.
        stream: Where the events go.
        stop: Ends it, after what is complete was recorded.

    Raises:
        EventsNotInstalledError: aio-pika is not installed.
    """
    try:
        from aio_pika.exceptions import AMQPError, ChannelNotFoundEntity  # noqa: PLC0415
        from aiormq.exceptions import ChannelAccessRefused  # noqa: PLC0415
    except ImportError:
        raise EventsNotInstalledError(INSTALL) from None
    said = ""
    while not stop.is_set():
        try:
            await _consume_once(url, queue, stream, stop, lambda: _say(f"Recording the events of queue {queue}.", ""))
            problem = "The connection to RabbitMQ was lost."
        except ChannelNotFoundEntity:
            problem = f"RabbitMQ has no queue {queue} yet. Rasa creates it; in its endpoints.yml: {ENDPOINTS % queue}"
        except ChannelAccessRefused as error:
            if "exclusive" in str(error):
                problem = f"Another worker consumes queue {queue}; this one stands by."
            else:
                problem = f"RabbitMQ does not allow this user to read queue {queue}: grant it the permission read."
        except (AMQPError, OSError, RuntimeError, asyncio.TimeoutError) as error:  # aiormq raises RuntimeErrors too
            problem = f"RabbitMQ cannot be used ({type(error).__name__})."
        except Exception as error:  # noqa: BLE001 - whatever it is, it goes on; the broker keeps what was not recorded
            problem = f"Reading the events failed ({describe_error(error)})."
        stream.forget_receipts()
        if not stop.is_set():
            said = _say(f"{problem} Trying again every {RETRY_SECONDS:g} s.", said)
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(stop.wait(), RETRY_SECONDS)


async def _consume_once(
    url: str, queue: str, stream: Stream, stop: asyncio.Event, started: Callable[[], object]
) -> None:
    import aio_pika  # noqa: PLC0415

    connection = await aio_pika.connect(url, timeout=CONNECT_SECONDS)
    async with connection:
        lost = asyncio.Event()
        connection.close_callbacks.add(lambda *_: lost.set())
        channel = await connection.channel()
        channel.close_callbacks.add(lambda *_: lost.set())
        await channel.set_qos(prefetch_count=PREFETCH)

        async def take(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            try:
                taken = stream.take(message.body, message)
            except Exception as error:  # noqa: BLE001 - one odd message must not hold up the others
                taken = False
                stream.left_out(describe_error(error))
            if not taken:
                await message.ack()

        found = await channel.get_queue(queue)
        tag = await found.consume(take, exclusive=True)
        stream.connected()
        started()
        outbox_down = ""
        while not stop.is_set() and not lost.is_set():
            try:
                await stream.record()
                outbox_down = ""
            except OutboxUnavailableError as error:
                outbox_down = _say(f"Events stay in RabbitMQ because the outbox is unavailable: {error}", outbox_down)
                await asyncio.sleep(RETRY_SECONDS)
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_SECONDS)
        if not lost.is_set():
            await found.cancel(tag)
            with suppress(OutboxUnavailableError):  # then the broker keeps them
                await stream.record(everything=True)


def _say(sentence: str, before: str) -> str:
    if sentence != before:
        logger.warning("%s", one_line(sentence))
    return sentence
