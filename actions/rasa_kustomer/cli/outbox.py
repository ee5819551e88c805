"""`rasa-kustomer outbox ...`: what waits, what is dead and why, and what an operator can do about it."""

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from rasa_kustomer.cli import outbox_copies
from rasa_kustomer.cli.common import AsJson, Yes, failed, json_text, plain, progress, settings_or_exit
from rasa_kustomer.outbox import DEAD, DELIVERED, PENDING, Access, Counts, Kind, Outbox, OutboxUnavailableError

T = TypeVar("T")
app = typer.Typer(no_args_is_help=True, add_completion=False, help="Inspect the outbox, and requeue what is stuck.")
console = Console()
PAGE = 500
MUCH = 2_000  # records; fewer are done before a progress bar can be read


def _with_outbox(work: Callable[[Outbox], Awaitable[T]], access: Access = Access.LOOK) -> T:
    async def run() -> T:
        outbox = Outbox(settings_or_exit().outbox_url, access=access)
        if outbox.path is not None and not outbox.path.exists():
            console.print(plain(f"There is no outbox yet: {outbox.path} is created with the first turn."))
            raise typer.Exit(0)
        try:
            return await work(outbox)
        finally:
            await outbox.close()

    try:
        return asyncio.run(run())
    except OutboxUnavailableError as error:
        raise failed(f"The outbox cannot be read (KUSTOMER_OUTBOX_URL): {error}") from None


def _state(dead: bool, pending: bool, delivered: bool) -> str | None:
    chosen = [name for name, wanted in ((DEAD, dead), (PENDING, pending), (DELIVERED, delivered)) if wanted]
    if len(chosen) > 1:
        raise typer.BadParameter("choose one of --dead, --pending, --delivered")
    return chosen[0] if chosen else None


Dead = Annotated[bool, typer.Option("--dead", help="Only what Kustomer rejected.")]
Pending = Annotated[bool, typer.Option("--pending", help="Only what has yet to be sent.")]
Delivered = Annotated[bool, typer.Option("--delivered", help="Only what Kustomer has.")]
Session = Annotated[str | None, typer.Option(help="Only sessions whose key contains this, e.g. a sender id.")]

for copying in (outbox_copies.backup, outbox_copies.restore, outbox_copies.restored):
    app.command()(copying)


@app.command()
def status(
    as_json: AsJson = False,
    recount: Annotated[
        bool, typer.Option("--recount", help="Count every record first, and correct the sums; takes long.")
    ] = False,
) -> None:
    """How many records were accepted, and where they are. Exit code 1 when the sums do not match."""

    async def work(outbox: Outbox) -> Counts:
        if recount and not await outbox.maintenance.recount():
            typer.echo("The sums were wrong and have been corrected.", err=True)
        return await outbox.counts()

    counts = _with_outbox(work, Access.CHANGE if recount else Access.LOOK)
    age = None if counts.oldest_pending_at is None else max(0.0, time.time() - counts.oldest_pending_at)
    if as_json:
        body = {name: getattr(counts, name) for name in ("accepted", "delivered", "pending", "dead", "balanced")}
        typer.echo(json.dumps(body | {"oldest_pending_seconds": age}))
    else:
        table = Table("accepted", "delivered", "pending", "dead", "oldest pending")
        numbers = (counts.accepted, counts.delivered, counts.pending, counts.dead)
        table.add_row(*map(str, numbers), "-" if age is None else f"{age:.0f} s")
        console.print(table)
        if counts.dead:
            console.print("See why with: rasa-kustomer outbox list --dead")
    if not counts.balanced:
        console.print(
            "[red]accepted is not delivered + pending + dead.[/] After the rescue of a damaged file this can happen:"
            " the difference is what could not be read. Otherwise please report it."
        )
        raise typer.Exit(1)


@app.command("list")
def list_records(  # noqa: PLR0917 - a command takes its options so
    dead: Dead = False,
    pending: Pending = False,
    delivered: Delivered = False,
    session: Session = None,
    kind: Annotated[Kind | None, typer.Option(help="Only records of this kind.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List records, oldest first. Texts are not shown; see `show`."""
    state = _state(dead, pending, delivered)
    wanted = None if kind is None else kind.value
    found = _with_outbox(
        lambda outbox: outbox.maintenance.entries(state=state, session=session, kind=wanted, limit=limit)
    )
    if as_json:
        typer.echo(json.dumps([{k: v for k, v in record.items() if k != "payload"} for record in found], default=str))
        return
    table = Table("id", "kind", "state", "tries", "recorded", "session", "reason")
    for record in found:
        when = datetime.fromtimestamp(record["created_at"]).strftime("%Y-%m-%d %H:%M:%S")
        about = (plain(record["kind"]), record["state"], str(record["attempts"]), when)
        table.add_row(str(record["id"]), *about, plain(record["session"]), plain(record["reason"] or ""))
    console.print(table if found else "Nothing.")


@app.command()
def show(record_id: int) -> None:
    """Everything about one record, its text included, as JSON."""
    found = _with_outbox(lambda outbox: outbox.maintenance.entry(record_id))
    if found is None:
        raise failed(f"There is no record {record_id}.")
    typer.echo(json_text(found))


@app.command()
def retry(
    ids: Annotated[list[int] | None, typer.Argument(help="Ids of dead records.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All dead records.")] = False,
) -> None:
    """Requeue dead records and make all delayed ones due now. A running action server or worker delivers them."""
    if not ids and not every:
        raise typer.BadParameter("give ids, or --all")

    async def work(outbox: Outbox) -> int:
        if not every:
            found = [record for number in ids or () if (record := await outbox.maintenance.entry(number))]
            for record in found:  # a number that was noted before a purge may mean another record by now
                line = f"{record['id']}: {record['key']}, {record['state']}, {record['reason'] or ''}"
                console.print(plain(line))
            return await outbox.maintenance.retry(ids)
        revived, after = 0, 0
        with progress("retrying", await outbox.maintenance.count(state=DEAD), MUCH) as show_progress:
            while page := await outbox.maintenance.entries(state=DEAD, limit=PAGE, after=after):
                revived += await outbox.maintenance.retry([record["id"] for record in page])
                after = page[-1]["id"]
                show_progress(revived)
        return revived or await outbox.maintenance.retry([])  # delays end also when nothing is dead

    console.print(f"{_with_outbox(work, Access.CHANGE)} records requeued.")


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="JSON Lines file to write; must not exist.")],
    dead: Dead = False,
    pending: Pending = False,
    delivered: Delivered = False,
    session: Session = None,
) -> None:
    """Write records with their texts to a file, for a backup or an inquiry."""
    state = _state(dead, pending, delivered)

    async def work(outbox: Outbox) -> int:
        written, after = 0, 0
        total = await outbox.maintenance.count(state=state, session=session)
        private = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with (
            os.fdopen(private, "w", encoding="utf-8") as out,
            progress("exporting", total, MUCH) as show_progress,
        ):
            while page := await outbox.maintenance.entries(state=state, session=session, limit=PAGE, after=after):
                out.writelines(json.dumps(record, ensure_ascii=False, default=str) + "\n" for record in page)
                after, written = page[-1]["id"], written + len(page)
                show_progress(written)
        return written

    try:
        written = _with_outbox(work)
    except FileExistsError:
        raise failed(f"{file} exists; nothing was written.") from None
    console.print(plain(f"{written} records written to {file}."))


@app.command()
def purge(
    older_than_days: Annotated[float, typer.Option(min=0, help="Settled at least this long ago.")] = 30,
    dead: Annotated[bool, typer.Option("--dead", help="Dead records instead of delivered ones.")] = False,
    yes: Yes = False,
) -> None:
    """Delete settled records, as KUSTOMER_RETENTION_DAYS does: with who it was, and the texts of dead records.

    Pending records are never touched.
    """
    what = "dead" if dead else "delivered"
    if not yes:
        warning = " Kustomer never got them." if dead else ""
        typer.confirm(f"Delete {what} records settled {older_than_days:g} or more days ago?{warning}", abort=True)

    async def work(outbox: Outbox) -> int:
        deleted, seconds, maintenance = 0, older_than_days * 86_400, outbox.maintenance
        await maintenance.let_go()
        total = await maintenance.count_purgeable(older_than_seconds=seconds, dead=dead)
        with progress("purging", total, MUCH) as show_progress:
            while batch := await maintenance.purge(older_than_seconds=seconds, dead=dead):
                deleted += batch
                show_progress(deleted)
            while not dead and any(await maintenance.retire(older_than_seconds=seconds)):
                pass
        return deleted

    console.print(f"{_with_outbox(work, Access.CHANGE)} {what} records deleted.")
