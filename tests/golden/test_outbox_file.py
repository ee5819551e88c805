"""An outbox of the release before is taken over with records in every state, and can be given back to it.

The files in `outbox/` are what that release wrote (`make_outbox.py`, run with it): SQLite, PostgreSQL, and what
Kustomer held when the process died.
"""

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.golden.golden import by_conversation, compare, written
from tests.golden.make_outbox import FOLDER, KUSTOMER, POSTGRES, SQLITE, build
from tests.golden.plant import Plant, play
from tests.golden.rows import Row, rows, schema
from tests.servers import Postgres

if TYPE_CHECKING:
    from collections.abc import Callable

NEWER = 2  # records of the session in which a newer release wrote something that this one does not know
DELIVERED = FOLDER / "delivered.json"


@pytest.fixture
def kustomer() -> dict[str, Any]:
    held: dict[str, Any] = json.loads(KUSTOMER.read_text(encoding="utf-8"))
    return held


def take_over(folder: Path, kustomer: dict[str, Any], outbox_url: str | None = None) -> str:
    """Deliver all that waits; the requests, as text."""

    async def deliver(plant: Plant) -> None:
        plant.hold(kustomer)
        plant.configure(idle_close_minutes="0")
        await plant.start()
        await plant.delivered(pending=NEWER)
        await plant.counted()
        check_nothing_stands_twice(plant)

    return written(play(deliver, folder, outbox_url, after_hours=2))


def check_nothing_stands_twice(plant: Plant) -> None:
    for kind in ("customers", "conversations", "messages", "notes"):
        held = Counter(row.get("externalId") for row in plant.kustomer()[kind])
        assert [key for key, number in held.items() if key and number > 1] == [], kind


def test_an_outbox_of_the_release_before_is_delivered_with_every_state_that_there_is(
    kustomer: dict[str, Any], tmp_path: Path, regolden: bool
) -> None:
    shutil.copy(SQLITE, tmp_path / "outbox.db")
    compare(DELIVERED, take_over(tmp_path, kustomer), regolden=regolden)


def test_one_on_postgresql_is_delivered_with_the_same_requests_of_each_conversation(
    kustomer: dict[str, Any], tmp_path: Path, postgres_server: Postgres
) -> None:
    url = postgres_server.fresh()
    postgres_server.sql(POSTGRES.read_text(encoding="utf-8"), url)

    assert by_conversation(take_over(tmp_path, kustomer, url)) == by_conversation(DELIVERED.read_text(encoding="utf-8"))


def test_what_is_written_now_is_what_the_release_before_wrote(kustomer: dict[str, Any], tmp_path: Path) -> None:
    """The way back (rollback) works when the release before finds an outbox that it could have written itself.

    The same chats and failures are played with the present code, and what they leave is compared with what they left
    then: the same tables, columns, indexes and triggers, and in every row the same values, but for moments and the
    names of owners. The release before reads these rows with its own statements, which know nothing of who wrote them;
    so whatever it did with its own file it does with ours.
    """
    file, now_held = build(tmp_path)

    assert schema(file) == schema(SQLITE)
    assert rows(file, now_held) == rows(SQLITE, kustomer)


def test_the_file_holds_every_state(kustomer: dict[str, Any]) -> None:
    """Else the other tests would prove less than they say."""
    held = rows(SQLITE, kustomer)
    records, sessions = held["kustomer_record"], held["kustomer_session"]
    states: dict[str, Callable[[Row], Any]] = {
        "pending": lambda row: row["state"] == "pending" and not row["unsure"] and not row["not_before"],
        "in doubt": lambda row: row["state"] == "pending" and row["unsure"] and row["attempts"] and not row["bulk_at"],
        "perhaps sent by an earlier copy": lambda row: row["unsure"] and not row["attempts"],
        "in a bulk job": lambda row: row["bulk_job"] and row["state"] == "pending",
        "in a bulk job whose id is not known": lambda row: row["bulk_at"] and not row["bulk_job"],
        "deferred": lambda row: row["not_before"] and row["state"] == "pending",
        "dead": lambda row: row["state"] == "dead" and "hello" in row["payload"],
        "dead and wiped": lambda row: row["state"] == "dead" and "hello" not in row["payload"],
        "delivered": lambda row: row["state"] == "delivered" and row["kustomer_id"],
        "of a newer release": lambda row: row["kind"] == "reaction",
    }
    assert [name for name, is_so in states.items() if not any(map(is_so, records))] == []
    assert set(KINDS) <= {row["kind"] for row in records if row["state"] == "pending"}
    of_sessions: dict[str, Callable[[Row], Any]] = {
        "leased": lambda row: row["leased_by"],
        "being made": lambda row: row["creating"] and not row["bulk_at"] and row["leased_by"],
        "being made in a bulk job": lambda row: row["creating"] and row["bulk_at"],
        "handed off": lambda row: row["escalated"] and not row["open_since"],
        "being handed off": lambda row: row["escalated"] and row["open_since"],
        "closed": lambda row: row["closed"] and not row["open_since"],
        "being closed": lambda row: row["closed"] and row["open_since"],
        "purged": lambda row: row["purged"],
    }
    assert [name for name, is_so in of_sessions.items() if not any(map(is_so, sessions))] == []


KINDS = ("message", "note", "tags", "ticket", "repoint", "close")
