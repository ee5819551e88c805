"""`rasa-kustomer demo`: the main job on this machine, against the sandbox, with a real action server."""

import asyncio
import os
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from ruamel.yaml import YAML

from kustomer_sandbox.inbox import PRIORITY_WORDS
from kustomer_sandbox.playback import Playback
from kustomer_sandbox.sandbox import Sandbox
from rasa_kustomer.cli.snippets import snippets_folder

START_SECONDS = 30.0
DELIVERY_SECONDS = 30.0
ANN = {"customer_id": "C-1001", "email": "ann.lee@example.com", "name": "Ann Lee"}
console = Console()


class DemoFailedError(RuntimeError):
    """The demo could not show what it promises."""


def demo(
    stay: Annotated[bool, typer.Option("--stay", help="Keep everything running until Ctrl-C, to look around.")] = False,
    port: Annotated[int, typer.Option(help="Port of the desk page; 0 takes a free one.", min=0, max=65535)] = 0,
) -> None:
    """Play two conversations and show what the agents see. Needs no Kustomer account and no Rasa server."""
    try:
        asyncio.run(_demo(port, stay=stay))
    except KeyboardInterrupt:
        console.print("Stopped.")
    except (DemoFailedError, httpx.HTTPError, OSError) as error:
        console.print(f"[red]The demo failed:[/] {error}")
        raise typer.Exit(1) from None


async def _demo(port: int, *, stay: bool) -> None:
    async with Sandbox().serve(port=port) as sandbox:
        console.print(f"A pretend Kustomer is running. The agents' desk: [bold]{sandbox.url}/[/]")
        await _known_customer(sandbox)
        async with _action_server(sandbox) as http:
            console.print("A real Rasa action server with the plugin is running.\n")
            await _ann_wants_a_person(http)
            await _visitor_is_helped(sandbox, http)
            await _delivered(http)
        _show_desk(sandbox)
        if stay:
            console.print(f"\nThe desk stays at [bold]{sandbox.url}/[/] until Ctrl-C.")
            await asyncio.Event().wait()


async def _known_customer(sandbox: Sandbox) -> None:
    """Ann is in Kustomer already, with an open question about an invoice."""
    headers = {"authorization": f"Bearer {sandbox.api_key}"}
    async with httpx.AsyncClient(base_url=sandbox.url, headers=headers, trust_env=False) as http:
        body: dict[str, Any] = {"externalId": ANN["customer_id"], "name": ANN["name"]}
        ann = await http.post("/v1/customers", json={**body, "emails": [{"email": ANN["email"]}]})
        body = {"customer": ann.json()["data"]["id"], "name": "Invoice 2291 is wrong", "direction": "in"}
        teams = {"assignedTeams": [sandbox.team("Billing")["id"]]}
        (await http.post("/v1/conversations", json={**body, **teams})).raise_for_status()


@asynccontextmanager
async def _action_server(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    """`python -m rasa_sdk` in a folder of its own, with nothing of the user's own settings."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="rasa-kustomer-demo-") as folder:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("KUSTOMER_")}
        environment |= {"KUSTOMER_API_KEY": sandbox.api_key, "KUSTOMER_BASE_URL": sandbox.url}
        environment |= {"KUSTOMER_DEFAULT_TEAM_ID": "Support", "KUSTOMER_TRUST_METADATA": "true"}
        environment["SANIC_HOST"] = "127.0.0.1"
        command = [sys.executable, "-m", "rasa_sdk", "--actions", "rasa_kustomer.actions", "--port", str(port)]
        log = Path(folder) / "action-server.log"
        with log.open("wb") as output:
            server = await asyncio.create_subprocess_exec(
                *command, cwd=folder, env=environment, stdout=output, stderr=asyncio.subprocess.STDOUT
            )
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
                await _until(
                    lambda: _answers(http), START_SECONDS, lambda: f"the action server said:\n{log.read_text()}"
                )
                yield http
        finally:
            if server.returncode is None:
                server.terminate()
            await server.wait()


async def _answers(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/kustomer/health")).status_code == 200
    except httpx.HTTPError:
        return False


async def _until(done: Callable[[], Awaitable[bool]], seconds: float, failure: Callable[[], str]) -> None:
    deadline = time.monotonic() + seconds
    while not await done():
        if time.monotonic() > deadline:
            raise DemoFailedError(failure())
        await asyncio.sleep(0.1)


async def _waiting(http: httpx.AsyncClient) -> int:
    return int((await http.get("/kustomer/health")).json()["outbox"]["pending"])


async def _delivered(http: httpx.AsyncClient) -> None:
    async def empty() -> bool:
        return await _waiting(http) == 0

    await _until(empty, DELIVERY_SECONDS, lambda: f"the outbox was not delivered within {DELIVERY_SECONDS:.0f} s")


async def _chat(http: httpx.AsyncClient, sender_id: str, **metadata: str) -> Playback:
    """A session that has just started, with the shipped domain snippet in the shape in which Rasa sends a domain."""
    domain = YAML(typ="safe").load((snippets_folder() / "kustomer_domain.yml").read_text(encoding="utf-8"))
    session = {"session_expiration_time": 60, "carry_over_slots_to_new_session": True}
    chat = Playback(http, sender_id, {"session_config": session, **domain}, metadata)
    await chat.call("action_session_start")
    return chat


async def _ann_wants_a_person(http: httpx.AsyncClient) -> None:
    console.rule("1. Ann is known to Kustomer and asks for a person")
    chat = await _chat(http, "ann-4711", **ANN)
    name, number = chat.slots.get("kustomer_customer_name"), chat.slots.get("kustomer_open_conversations")
    console.print(f"  [dim]session start: the slots say name = {name}, open conversations = {number:g}[/]")
    welcome = f"Hello {name}! I see that you have {number:g} open question with us. How can I help?"
    await _turn(chat, "Hello", "greet", welcome)
    sorry = "I am sorry. Would you like your money back, or a new one?"
    await _turn(chat, "My order A1001 arrived broken", "complain", sorry)
    await _turn(chat, "I want to talk to a person, please", "human_handoff", action="action_kustomer_handoff")


async def _visitor_is_helped(sandbox: Sandbox, http: httpx.AsyncClient) -> None:
    console.rule("2. A visitor is helped by the bot while Kustomer is down for a moment")
    chat = await _chat(http, "visitor-0815")
    await _turn(chat, "Hi, do you ship to Norway?", "shipping", "Yes, in three to five days.")
    await _delivered(http)
    sandbox.fail("*", "reset-before", times=None)
    console.print("  [red]Kustomer goes down[/]")
    await _turn(chat, "And what does it cost?", "shipping_cost", "9 euros; nothing from 60 euros on.")
    await _turn(chat, "Great, that helps. Thank you!", "thanks", "You are welcome!", action="action_kustomer_resolve")
    console.print(f"  [dim]the bot went on; {await _waiting(http)} records wait in the outbox[/]")
    sandbox.heal()
    console.print("  [green]Kustomer is back[/]")
    await _delivered(http)
    console.print("  [dim]everything was delivered, in order[/]")


async def _turn(chat: Playback, text: str, intent: str, answer: str | None = None, action: str | None = None) -> None:
    chat.user_says(text, intent)
    console.print(f"  [bold cyan]user[/]  {text}")
    said = [chat.bot_says(answer)] if answer else []
    for one in [*said, *(await chat.call(action) if action else [])]:
        console.print(f"  [bold magenta]bot[/]   {one}")
    started = time.perf_counter()
    await chat.call("action_listen")  # Rasa waits for the user: the hook that records the turn
    console.print(f"  [dim]        turn recorded in {(time.perf_counter() - started) * 1000:.0f} ms[/]")


def _show_desk(sandbox: Sandbox) -> None:
    console.rule("What the agents see")
    state = sandbox.state
    table = Table("customer", "subject", "status", "priority", "team", "tags", "messages")
    for row in state.conversations.values():
        table.add_row(
            state.customers[row["customer"]]["name"] or "Visitor",
            row["name"] or "",
            row["status"],
            PRIORITY_WORDS[row["priority"]].lower(),
            ", ".join(state.teams[one]["name"] for one in row["assignedTeams"]),
            ", ".join(state.tag_names(row)),
            str(row["messageCount"]),
        )
    console.print(table)
    for note in state.notes.values():
        console.print(Panel(note["body"], title="note for the agent", expand=False))
