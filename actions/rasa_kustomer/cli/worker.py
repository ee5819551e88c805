"""`rasa-kustomer worker`: deliver from a process of its own."""

import asyncio
import logging
import signal

import typer

from rasa_kustomer import runtime
from rasa_kustomer.cli.common import settings_or_exit


def worker() -> None:
    """Deliver what waits in the outbox until stopped; may run beside an action server on the same outbox."""
    settings = settings_or_exit()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s  %(message)s")
    if settings.off_because is not None:
        typer.echo(f"Nothing to do: {settings.off_because}.", err=True)
        raise typer.Exit(1)
    asyncio.run(_work())


async def _work() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    runtime.current()
    logging.getLogger(__name__).info("Delivering. Stop with Ctrl-C.")
    await stop.wait()
    await runtime.shut_down()
