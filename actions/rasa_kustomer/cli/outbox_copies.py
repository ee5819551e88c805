"""`rasa-kustomer outbox backup | restore | restored`: copies of the outbox, and what one that comes back needs."""

import asyncio
import shlex
import time
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from rasa_kustomer.cli.common import Yes, failed, settings_or_exit
from rasa_kustomer.outbox import Access, Outbox, OutboxUnavailableError
from rasa_kustomer.outbox.births import Marks
from rasa_kustomer.outbox.copies import CopyError, back_up
from rasa_kustomer.outbox.copies import restore as put_back


def backup(file: Annotated[Path, typer.Argument(help="File to write; must not exist.")]) -> None:
    """Copy the outbox into one file, also while it is in use, and prove the copy."""
    path = _file_or_advice(
        f"pg_dump --format=custom --table='kustomer_*' --file={shlex.quote(str(file))}", "This wrote nothing."
    )
    try:
        back_up(path, file)
    except CopyError as error:
        raise failed(str(error)) from None
    typer.echo(f"{file} holds the whole outbox, verified ({file.stat().st_size / 1_000_000:.1f} MB).")


def restore(file: Annotated[Path, typer.Argument(help="What `backup` wrote.")], yes: Yes = False) -> None:
    """Replace the outbox with a copy. What may already be in Kustomer is looked up there before it is sent."""
    path = _file_or_advice(
        f"pg_restore --clean --if-exists --single-transaction {shlex.quote(str(file))}",
        "Then: rasa-kustomer outbox restored",
    )
    if not yes:
        typer.confirm(f"Replace {path} with {file}? No action server and no worker may be running.", abort=True)
    try:
        marks, kept = put_back(file, path, time.time())
    except CopyError as error:
        raise failed(f"{error} Nothing was changed.") from None
    if kept is not None:
        typer.echo(f"What was there is now {kept}.")
    _report(marks)


def restored(yes: Yes = False) -> None:
    """After a restore by other means, such as pg_restore: have what may already be in Kustomer looked up there."""
    outbox = Outbox(settings_or_exit().outbox_url, access=Access.CHANGE)
    if outbox.path is not None and not outbox.path.exists():
        raise failed(f"There is no outbox: {outbox.path} does not exist.")
    if not yes:
        typer.confirm(
            "Was an older copy put in place of the outbox, and is no action server or worker running?", abort=True
        )

    async def run() -> Marks:
        try:
            return await outbox.restored()
        finally:
            await outbox.close()

    try:
        _report(asyncio.run(run()))
    except OutboxUnavailableError as error:
        raise failed(f"The outbox cannot be used (KUSTOMER_OUTBOX_URL): {error}") from None


def _report(marks: Marks) -> None:
    typer.echo(
        f"{marks.records} pending records are looked up in Kustomer before they are sent, and {marks.sessions} chats"
        " when they continue. Start the action server and the worker now; restart whatever was running all the time."
    )


def _file_or_advice(command: str, then: str) -> Path:
    """The file of the outbox; where there is none, the command says which tool to use instead and exits with 1."""
    url = settings_or_exit().outbox_url
    if (path := Outbox(url).path) is not None:
        return path
    parts = urlsplit(url)
    if not parts.scheme.startswith("postgresql"):
        raise failed("The outbox is in memory (KUSTOMER_OUTBOX_URL): there is no file.")
    options = f"--host={parts.hostname or 'localhost'} --port={parts.port or 5432} --username={parts.username or ''}"
    database = parts.path.lstrip("/")
    raise failed(f"The outbox is in PostgreSQL; use its own tool:\n  {command} {options} --dbname={database}\n{then}")
