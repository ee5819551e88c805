"""`rasa-kustomer sandbox`: a pretend Kustomer with an agent's desk, until Ctrl-C."""

import asyncio
import signal
import sqlite3
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

import typer

from kustomer_sandbox.sandbox import Sandbox


def sandbox(
    host: Annotated[str, typer.Option(help="Address to listen on. It asks for no password: keep it on loopback.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)] = 5056,
    data: Annotated[Path | None, typer.Option(help="Keep the data in this file (SQLite) instead of memory.")] = None,
    rate_limit: Annotated[int, typer.Option(help="Requests per minute of the organisation.", min=1)] = 1000,
    seed: Annotated[bool, typer.Option(help="Begin with example conversations.")] = False,
) -> None:
    """Run a pretend Kustomer with an agent's desk, to try the plugin without an account."""
    try:
        served = Sandbox(data=data, rate_limit=rate_limit)
    except (OSError, sqlite3.Error) as error:
        typer.echo(f"Cannot use {data} ({error}). Choose another --data file.", err=True)
        raise typer.Exit(1) from None
    if seed:
        served.add_examples()
    try:
        asyncio.run(_serve(served, host, port))
    except OSError as error:
        typer.echo(f"Cannot listen on {host}:{port} ({error.strerror}). Choose another --port.", err=True)
        raise typer.Exit(1) from None
    finally:
        served.close()


async def _serve(served: Sandbox, host: str, port: int) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    async with served.serve(host, port):
        typer.echo(f"The agent's desk:  {served.url}/\n")
        typer.echo("For .env, so that the plugin talks to this sandbox:")
        typer.echo(f"KUSTOMER_API_KEY={served.api_key}\nKUSTOMER_BASE_URL={served.url}\n")
        if not _is_loopback(host):
            typer.echo("Everybody who can reach this address can read and change the data.\n", err=True)
        typer.echo("Stop with Ctrl-C.")
        await stop.wait()


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
