"""`rasa-kustomer reconcile`: is everything that was delivered still in Kustomer?"""

import asyncio
import json
import re
import time
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from rasa_kustomer.cli.common import network_or_exit, plain, settings_or_exit
from rasa_kustomer.conversation.routing import Routing
from rasa_kustomer.delivery.reconcile import Reconciliation, Report
from rasa_kustomer.kustomer.errors import KustomerError
from rasa_kustomer.outbox import Access, OutboxUnavailableError
from rasa_kustomer.runtime import Runtime
from rasa_kustomer.settings import Settings

SECONDS = {"m": 60, "h": 3_600, "d": 86_400}
SHOWN = ("checked", "present", "missing", "doubled", "doubled_conversations", "out_of_order", "dead", "pending")
console = Console()


def reconcile(
    since: Annotated[
        str, typer.Option(help="What was delivered since then: 24h, 7d, or a day such as 2026-11-20 (local time).")
    ] = "24h",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only report; put nothing back in line.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare delivered turns and notes with Kustomer; what is missing there waits again and is sent once more."""
    moment = parse_since(since, time.time())
    settings = settings_or_exit()
    if settings.off_because is not None:
        typer.echo(f"Kustomer cannot be read: {settings.off_because}.", err=True)
        raise typer.Exit(1)
    network_or_exit(settings)
    try:
        report = asyncio.run(_reconcile(settings, moment, dry_run=dry_run))
    except KustomerError as error:
        typer.echo(f"Kustomer cannot be read: {error}", err=True)
        raise typer.Exit(1) from None
    except OutboxUnavailableError as error:
        typer.echo(f"The outbox cannot be read (KUSTOMER_OUTBOX_URL): {error}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        body = asdict(report) | {"success_percent": report.success_percent, "since": moment, "dry_run": dry_run}
        typer.echo(json.dumps(body))
    else:
        _print(report, dry_run=dry_run)
    if report.unreadable:
        typer.echo(f"{report.unreadable} conversations could not be read; run it again later.", err=True)
        raise typer.Exit(1)


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
    runtime = Runtime.build(settings, Routing(), None, access=access)  # not started: it delivers nothing itself
    columns: list[Any] = [TextColumn("comparing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
    terminal = Console(stderr=True)
    try:
        if runtime.outbox.path is not None and not runtime.outbox.path.exists():
            terminal.print(f"There is no outbox yet: {runtime.outbox.path} is made when the first turn is recorded.")
            return Report()
        with Progress(*columns, console=terminal, transient=True, disable=not terminal.is_terminal) as progress:
            task = progress.add_task("comparing", total=None)
            work = Reconciliation(runtime.outbox, runtime.client, dry_run=dry_run)
            return await work.run(since, lambda done, total: progress.update(task, completed=done, total=total))
    finally:
        await runtime.stop()


def _print(report: Report, *, dry_run: bool) -> None:
    rate = report.success_percent
    table = Table("what", "number")
    for name in SHOWN:
        table.add_row(name.replace("_", " "), str(getattr(report, name)))
    table.add_row("success rate", "-" if rate is None else f"{rate:.2f} %")
    console.print(table)
    if report.doubled_conversations:
        console.print(f"Second conversations of one chat: {', '.join(report.doubled_conversation_ids)}")
    if report.unsearched:
        console.print(
            f"Of {report.unsearched} conversations it cannot be known whether there is a second one: Kustomer gives one"
            " for an externalId, and the customer's conversations could not be listed to the end."
        )
    if report.missing:
        console.print(
            "Nothing was changed (--dry-run)." if dry_run else f"{report.put_back} missing ones wait again to be sent."
        )
    if report.leased:
        console.print(f"{report.leased} conversations are being delivered just now and were left out.")
    if report.gone:
        console.print(
            plain(f"{len(report.gone)} conversations are gone from Kustomer and were left: {', '.join(report.gone)}")
        )
    if report.unread_notes:
        console.print(f"{report.unread_notes} notes were left out: the key lacks org.permission.note.read.")
