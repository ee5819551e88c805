"""Makes `outbox/`: an outbox with records in every state, as the release that is checked out writes it.

    python -m tests.golden.make_outbox

writes it anew: the SQLite file, the same as a dump for PostgreSQL, and what Kustomer held at that moment. Only for a
release whose outbox differs on purpose (CONTRIBUTING.md): until then the files show what the release before wrote.
"""

import json
import sqlite3
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from tests.golden import postgres_dump
from tests.golden.chat import Chat
from tests.golden.plant import Plant, play

FOLDER = Path(__file__).parent / "outbox"
SQLITE, POSTGRES, KUSTOMER = FOLDER / "outbox.sqlite", FOLDER / "outbox.sql", FOLDER / "kustomer.json"
OWNER = "golden/4711/00000000"  # host, process and mark of the one that died
CROWD = 6  # as many as go together in a job


async def say(chat: Chat, *texts: str) -> Chat:
    if not chat.events:
        chat.start()
    await chat.says(*texts or ("hello",))
    return chat


async def crowd(plant: Plant, name: str) -> list[Chat]:
    return [await say(plant.chat(f"{name}-{number}")) for number in range(CROWD)]


async def dies(plant: Plant, sender: str) -> None:
    plant.sandbox.fail("POST /v1/conversations/*/messages", "status:400", times=None, skip=1)
    await say(plant.chat(sender))
    await plant.delivered()
    plant.sandbox.heal()


@asynccontextmanager
async def process(plant: Plant, courier: str, *faults: tuple[str, str]) -> AsyncIterator[None]:
    """One that dies at the end; `external`: it only writes down, `inline`: it delivers for some seconds."""
    plant.configure(courier=courier)
    plant.sandbox.heal()
    for match, fault in faults:
        plant.sandbox.fail(match, fault)
    await plant.start()
    yield
    await plant.crash()


async def settled(plant: Plant) -> None:
    """What is over: purged and wiped, delivered, closed, handed off, dead."""
    plant.configure(retention_days="0.001", timeout_seconds="60", idle_close_minutes="0")
    await plant.start()
    await say(plant.chat("purged"))
    await plant.delivered()
    await dies(plant, "wiped")
    await plant.later(12)
    await plant.stop()
    plant.configure(retention_days="7")
    await plant.start()
    await say(plant.chat("delivered", email="ann@example.com", name="Ann"))
    await (await say(plant.chat("closed"))).is_done()
    await (await say(plant.chat("handed-off"))).wants_a_human()
    await plant.delivered()
    await dies(plant, "dead")


async def in_doubt(plant: Plant) -> None:
    """What is under way when processes die: alone and in jobs, at each step."""
    closing, in_job, in_lost_job = [await crowd(plant, name) for name in ("closing", "in-job", "in-lost-job")]
    moving, raised, alone = [await say(plant.chat(name)) for name in ("moving", "raised", "in-doubt")]
    for chat in (raised, alone):
        await chat.wants_a_human()
    await plant.delivered()
    await plant.stop()
    async with process(plant, "external"):
        for chat in in_job:
            await say(chat, "is my parcel lost?", "really?")
    async with process(plant, "inline", ("POST /v1/messages/bulk", "bulk-slow:3000")):
        plant.sandbox.roles.discard("org.permission.note.create")
        await (await say(plant.chat("deferred"))).wants_a_human()
    plant.sandbox.roles.add("org.permission.note.create")
    async with process(plant, "external"):
        for chat in in_lost_job:
            await say(chat, "is my parcel lost?", "really?")
    async with process(plant, "inline", ("POST /v1/messages/bulk", "hang-after")):
        pass
    async with process(plant, "external"):
        await crowd(plant, "being-made")
        for chat in closing:
            await chat.call("action_kustomer_resolve")
        await say(alone, "are you there?")
        await plant.chat("creating").starts_with_a_handoff()
    async with process(
        plant,
        "inline",
        ("POST /v1/conversations/bulk", "hang"),
        ("PUT /v1/conversations/bulk", "hang-after"),
        ("POST /v1/conversations/*/messages", "hang-after"),
        ("POST /v1/conversations", "hang-after"),
    ):
        pass
    async with process(plant, "external"):
        moving.slots["email"] = "moving@example.com"
        moving.user("my address is ...", "inform")
        await moving.call("action_kustomer_identify")
        await raised.wants_a_human("now!")
        await waiting(plant)


async def waiting(plant: Plant) -> None:
    """What has not been begun."""
    await (await say(plant.chat("pending"))).is_done()
    await (await say(plant.chat("to-be-handed-off", kustomer_team="Billing", email="eve@example.com"))).wants_a_human()
    older = plant.chat("older-than-the-outbox")
    older.age_seconds = 86_400.0
    await say(older)


async def fill(plant: Plant) -> None:
    """All of it, in the order in which it must happen."""
    await settled(plant)
    await in_doubt(plant)


def build(folder: Path) -> tuple[Path, dict[str, Any]]:
    """The outbox in a folder, and what Kustomer holds."""
    found: list[Any] = []

    async def scenario(plant: Plant) -> None:
        await fill(plant)
        copy = plant.copy()
        plant.sandbox.heal()
        await plant.finish_jobs()
        found.extend((copy, plant.kustomer()))

    play(scenario, folder)
    copy, kustomer = found
    add_what_no_scenario_makes(copy)
    return copy, kustomer


def add_what_no_scenario_makes(file: Path) -> None:
    """A record of a kind that only a newer release knows; and the owner's name without this machine's."""
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE kustomer_session SET leased_by = ? WHERE leased_by IS NOT NULL", (OWNER,))
        (moment,) = connection.execute("SELECT max(created_at) FROM kustomer_record").fetchone()
        connection.execute(
            "INSERT INTO kustomer_session (key, sender_id, started_ms, identity, creating, escalated, closed, accepted,"
            " purged, purged_ms, last_turn_at, last_sent_ms, open_since, not_before, attempts, leased_until) SELECT"
            " 'rasa:newer:1', 'newer', 1, identity, 0, 0, 0, 2, 0, 0, ?, 0, ?, 0, 0, 0 FROM kustomer_session LIMIT 1",
            (moment, moment),
        )
        (session,) = connection.execute("SELECT max(id) FROM kustomer_session").fetchone()
        for key, kind in (("1", "message"), ("2", "reaction")):
            payload = '{"direction":"in","text":"hello","at_ms":2,"channel":"chat","action":null}'
            connection.execute(
                "INSERT INTO kustomer_record (session_id, key, kind, payload, state, unsure, attempts, not_before,"
                " created_at) VALUES (?, ?, ?, ?, 'pending', 0, 0, 0, ?)",
                (session, f"rasa:newer:{key}", kind, payload, moment),
            )
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("VACUUM")


def main() -> None:
    """Write the files."""
    with tempfile.TemporaryDirectory() as name:
        copy, kustomer = build(Path(name))
        FOLDER.mkdir(exist_ok=True)
        SQLITE.write_bytes(copy.read_bytes())
    KUSTOMER.write_text(json.dumps(kustomer, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    POSTGRES.write_text(postgres_dump.dump_of(SQLITE), encoding="utf-8")
    sys.stdout.write(f"Written: {FOLDER}. Next: pytest tests/golden --regolden, and read the difference.\n")


if __name__ == "__main__":
    main()
