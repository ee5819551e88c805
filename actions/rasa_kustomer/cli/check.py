"""`rasa-kustomer check`: is this deployment ready?"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from rasa_kustomer.checklist import run_checklist
from rasa_kustomer.cli.common import plain
from rasa_kustomer.finding import Finding
from rasa_kustomer.kustomer.client import KustomerClient
from rasa_kustomer.machine_checks import read_machine
from rasa_kustomer.outbox import Access, Outbox
from rasa_kustomer.settings import Settings, SettingsError, doubtful_variables, load_settings

MARKS = {"ok": "[green]ok[/]", "warn": "[yellow]look[/]", "fail": "[red]MEND[/]", "skip": "[dim]skip[/]"}


def check(
    domain: Annotated[
        Path | None, typer.Option(help="Your bot's domain file or folder, to compare with the snippets.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check settings, connection, permissions, teams, routing file, parking and domain; exit code 0 when ready."""
    try:
        settings = load_settings()
        findings = asyncio.run(_check(settings, domain))
    except SettingsError as error:
        findings = [Finding("settings", "fail", problem) for problem in error.problems]
        findings += [Finding("variables", "warn", line) for line in doubtful_variables()]
    ready = all(finding.level != "fail" for finding in findings)
    if as_json:
        json.dump({"ready": ready, "findings": [one.as_dict() for one in findings]}, sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        _print(findings, ready=ready)
    raise typer.Exit(0 if ready else 1)


async def _check(settings: Settings, domain: Path | None) -> list[Finding]:
    network, found = read_machine(settings)
    outbox = Outbox(settings.outbox_url, access=Access.LOOK)
    try:
        if network is None:
            return [*found, *await run_checklist(settings, None, outbox, domain)]
        key = settings.api_key.get_secret_value() if settings.api_key else ""
        async with KustomerClient(
            settings.api_url or "", key, timeout_seconds=settings.timeout_seconds, network=network
        ) as client:
            return [*found, *await run_checklist(settings, client, outbox, domain)]
    finally:
        await outbox.close()


def _print(findings: list[Finding], *, ready: bool) -> None:
    table = Table(box=None, show_header=False, padding=(0, 1))
    for finding in findings:
        table.add_row(MARKS[finding.level], plain(finding.item), plain(finding.message))
    console = Console()
    console.print(table)
    mend = sum(finding.level == "fail" for finding in findings)
    console.print("[green]Ready.[/]" if ready else f"[red]Not ready: {mend} to mend.[/]")
