"""`rasa-kustomer check`: is this deployment ready?"""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from rasa_kustomer.checklist import run_checklist
from rasa_kustomer.cli.common import AsJson, plain

MARKS = {"ok": "[green]ok[/]", "warn": "[yellow]WARN[/]", "fail": "[red]FAIL[/]", "skip": "[dim]skip[/]"}


def check(
    domain: Annotated[
        Path | None, typer.Option(help="Your bot's domain file or folder, to compare with the snippets.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check settings, connection, permissions, teams, routing file, parking and domain; exit code 0 when ready."""
    findings = asyncio.run(run_checklist(domain))
    problems = sum(finding.level == "fail" for finding in findings)
    if as_json:
        body = {"ready": not problems, "findings": [finding._asdict() for finding in findings]}
        typer.echo(json.dumps(body, indent=2))
    else:
        table = Table(box=None, show_header=False, padding=(0, 1))
        for finding in findings:
            table.add_row(MARKS[finding.level], plain(finding.item), plain(finding.message))
        console = Console()
        console.print(table)
        to_fix = f"Not ready: {problems} problem{'s' if problems > 1 else ''} to fix."
        console.print(f"[red]{to_fix}[/]" if problems else "[green]Ready.[/]")
    raise typer.Exit(1 if problems else 0)
