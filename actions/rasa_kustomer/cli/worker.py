"""`rasa-kustomer worker`: deliver from a process of its own, and record Rasa's event stream."""

import asyncio
import logging
import signal
from typing import Annotated

import typer

from rasa_kustomer import runtime
from rasa_kustomer.cli.common import failed, settings_or_exit
from rasa_kustomer.events.rabbitmq import EventsNotInstalledError, consume
from rasa_kustomer.events.stream import Stream
from rasa_kustomer.kustomer.network import read_address
from rasa_kustomer.settings.environment import clean

logger = logging.getLogger(__name__)


def worker(
    events: Annotated[
        str | None,
        typer.Option(
            envvar="RASA_KUSTOMER_EVENTS",
            help="Also record Rasa's events from RabbitMQ: amqp://user:password@host:5672/vhost. "
            "The variable keeps the password out of the process list.",
        ),
    ] = None,
    queue: Annotated[str, typer.Option(help="Queue in Rasa's endpoints.yml, event_broker.")] = "rasa_core_events",
) -> None:
    """Deliver what is pending in the outbox until stopped; may run beside action servers on the same outbox."""
    settings_or_exit("Nothing to do")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s  %(message)s")
    for library in ("aio_pika", "aiormq"):  # each attempt would be an ERROR, some with a traceback; we log it once
        logging.getLogger(library).setLevel(logging.CRITICAL)
    events = clean(events) if events else None
    if events is not None and (problem := _unusable(events)):
        example = "amqp://rasa:secret@rabbitmq:5672/"
        raise failed(f"--events (RASA_KUSTOMER_EVENTS) {problem}, e.g. {example}", code=2)
    try:
        asyncio.run(_work(events, queue))
    except EventsNotInstalledError as error:
        raise failed(str(error)) from None


def _unusable(events: str) -> str | None:
    """What is wrong with the broker's address, without quoting it: it may hold a password."""
    if not events.startswith(("amqp://", "amqps://")):
        return "must be an amqp:// or amqps:// URL"
    try:
        read_address(events)
    except ValueError as error:
        return str(error)
    return None


async def _work(events: str | None, queue: str) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    running = runtime.current()
    running.deliver()  # even where KUSTOMER_COURIER keeps the action servers from delivering
    logger.info("Delivering to %s. Stop with Ctrl-C.", running.configuration.settings.api_url)
    try:
        if events is None:
            await stop.wait()
        else:
            stream = Stream(running.configuration, running.recorder, running.outbox)
            await consume(events, queue, stream, stop)
    finally:
        await runtime.shut_down()
