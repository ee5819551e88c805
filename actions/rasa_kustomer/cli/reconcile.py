"""`rasa-kustomer reconcile`: is everything that was delivered still in Kustomer?"""

import asyncio
import json
import re
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from rasa_kustomer.cli.common import AsJson, failed, plain, progress, settings_or_exit
from rasa_kustomer.configuration import Configuration
from rasa_kustomer.kustomer.errors import KustomerError
from rasa_kustomer.outbox import Access, OutboxUnavailableError
from rasa_kustomer.reconcile import Reconciliation, Report
from rasa_kustomer.runtime import Runtime
from rasa_kustomer.settings import Settings

SECONDS = {"m": 60, "h": 3_600, "d": 86_400}
SHOWN = ("checked", "present", "missing", "doubled", "doubled_conversations", "out_of_order", "dead", "pending")
console = Console()


def reconcile(
    since: Annotated[
        str, typer.Option(help="What was delivered since then: 24h, 7d, or a day such as 2026-11-20 (local time).")
    ] = "24h",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only report; requeue nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare delivered messages and notes with Kustomer; what is missing there is requeued and sent once more."""
    moment = parse_since(since, time.time())
    settings = settings_or_exit("Kustomer cannot be read")
    try:
        report = asyncio.run(_reconcile(settings, moment, dry_run=dry_run))
    except KustomerError as error:
        raise failed(f"Kustomer cannot be read: {error}") from None
    except OutboxUnavailableError as error:
        raise failed(f"The outbox cannot be read (KUSTOMER_OUTBOX_URL): {error}") from None
    if as_json:
        body = asdict(report) | {"success_percent": report.success_percent, "since": moment, "dry_run": dry_run}
        typer.echo(json.dumps(body))
    else:
        _print(report, dry_run=dry_run)
    if report.unreadable:
        raise failed(f"{report.unreadable} conversations could not be read; run it again later.")


def parse_since(text: str, now: float) -> float:
    """A moment in epoch seconds from `90m`, `24h`, `7d` or a day in local time.

    Raises:
        typer.BadParameter: It is none of these.
    """
    if found := re.fullmatch(r"(\d{1,6})([mhd])", text):
        return now - int(found[1]) * SECONDS[found[2]]
    try:
        return datetime.strptime(text, "%Y-%m-%d").timestamp()
    except (ValueError, OverflowError):
        raise typer.BadParameter("--since must be like 24h, 7d or 2026-11-20") from None


async def _reconcile(settings: Settings, since: float, *, dry_run: bool) -> Report:
    access = Access.LOOK if dry_run else Access.CHANGE
    runtime = Runtime.build(Configuration(settings), access=access)  # not started: it delivers nothing itself
    try:
        if runtime.outbox.path is not None and not runtime.outbox.path.exists():
            typer.echo(f"There is no outbox yet: {runtime.outbox.path} is created with the first turn.", err=True)
            return Report()
        with progress("comparing") as show_progress:
            return await Reconciliation(runtime.outbox, runtime.client, dry_run=dry_run).run(since, show_progress)
    finally:
        await runtime.stop()


def _print(report: Report, *, dry_run: bool) -> None:
    rate = report.success_percent
    table = Table("what", "number")
    for name in SHOWN:
        table.add_row(name.replace("_", " "), str(getattr(report, name)))
    table.add_row("success rate", "-" if rate is None else f"{rate:.2f} %")
    console.print(table)
    for line in _remarks(report, dry_run=dry_run):
        console.print(plain(line))


def _remarks(report: Report, *, dry_run: bool) -> Iterator[str]:
    if report.doubled_conversations:
        yield f"Second conversations of one chat: {', '.join(report.doubled_conversation_ids)}"
    if report.unsearched:
        yield (
            f"{report.unsearched} conversations may have a second one: Kustomer returns one per externalId, and the"
            " customer's conversations could not be listed to the end."
        )
    if report.missing:
        yield "Nothing was changed (--dry-run)." if dry_run else f"{report.put_back} missing ones were requeued."
    if report.leased:
        yield f"{report.leased} conversations are being delivered right now and were skipped."
    if report.gone:
        yield f"{len(report.gone)} conversations are gone from Kustomer and were skipped: {', '.join(report.gone)}"
    if report.unread_notes:
        yield f"{report.unread_notes} notes were skipped: the key lacks org.permission.note.read."
