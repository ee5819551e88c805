"""What Rasa does to the plugin, twice: it calls the action hook with whole trackers, and publishes single events."""

import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from rasa_kustomer.configuration import Configuration
from rasa_kustomer.conversation.keys import sender_part
from rasa_kustomer.events.stream import Stream
from rasa_kustomer.outbox import Outbox
from rasa_kustomer.reading import Trackers
from rasa_kustomer.recorder import TurnRecorder
from rasa_kustomer.settings import Settings

Event = dict[str, Any]
Row = tuple[str, str, str]  # session, key, payload
FIXTURES = Path(__file__).resolve().parents[1] / "fixtures/rasa"


class Process(NamedTuple):
    """What the hook and the stream work with."""

    configuration: Configuration
    recorder: TurnRecorder
    outbox: Outbox

    def stream(self, **options: Any) -> Stream:
        """A reader of events that records here."""
        return Stream(*self, **options)


@asynccontextmanager
async def process(folder: Path, **settings: Any) -> AsyncIterator[Process]:
    """A process of the plugin on the folder's outbox, of a channel that authenticates its users; delivers nothing."""
    configuration = Configuration(_settings().model_copy(update=settings))
    outbox = Outbox(f"sqlite:///{folder}/outbox.db")
    trackers = Trackers(outbox, configuration.vouched, mask=configuration.mask)
    try:
        yield Process(configuration, TurnRecorder(outbox, trackers), outbox)
    finally:
        await outbox.close()


@cache
def _settings() -> Settings:
    values: dict[str, Any] = {"api_key": "key", "base_url": "http://localhost:1", "trust_metadata": True}
    return Settings(_env_file=None, **values)  # type: ignore[call-arg]  # pydantic has it


async def hook(process: Process, tracker: Mapping[str, Any]) -> None:
    """`action_listen`, as actions/base.py does it."""
    sender = sender_part(tracker["sender_id"])
    metadata = tracker["latest_message"].get("metadata")
    person = process.configuration.claimed(sender, tracker["slots"], metadata)
    await process.recorder.record_turns(sender, tracker["events"], person)


def recorded(folder: Path) -> list[Row]:
    """The outbox's records in the order of each conversation."""
    return _rows(
        folder,
        "SELECT s.key, r.key, r.payload FROM kustomer_record r JOIN kustomer_session s ON s.id = r.session_id"
        " ORDER BY s.key, r.kind, r.id",
    )


def people(folder: Path) -> dict[str, dict[str, Any]]:
    """The identity of each session in the outbox."""
    return {key: json.loads(identity) for key, identity in _rows(folder, "SELECT key, identity FROM kustomer_session")}


def _rows(folder: Path, query: str) -> list[Any]:
    file = folder / "outbox.db"
    if not file.exists():  # nothing was ever asked of it
        return []
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        made = database.execute("SELECT 1 FROM sqlite_master WHERE name = 'kustomer_record'").fetchone()
        return database.execute(query).fetchall() if made else []


def captured(sender: str) -> list[dict[str, Any]]:
    """The trackers of a sender as captured from Rasa, in the order of the calls."""
    found = [json.loads(file.read_text(encoding="utf-8")) for file in sorted(FIXTURES.glob("[01]*.json"))]
    trackers = [call["tracker"] for call in found if "tracker" in call and call["tracker"]["sender_id"] == sender]
    return sorted(trackers, key=lambda tracker: float(tracker["events"][-1]["timestamp"]))


def published(trackers: Iterable[Mapping[str, Any]]) -> list[Event]:
    """The events that Rasa publishes meanwhile: each of them once, in order."""
    events: list[Event] = []
    for tracker in trackers:
        events += [{"sender_id": tracker["sender_id"], **one} for one in tracker["events"]]
    unique = {json.dumps(one, sort_keys=True): one for one in events}
    return sorted(unique.values(), key=lambda one: float(one["timestamp"]))


class Queue:
    """A queue of RabbitMQ with one consumer: what is not acknowledged comes again."""

    def __init__(self, events: Sequence[Event] = ()) -> None:
        self.ready = [json.dumps(event).encode() for event in events]
        self.unacknowledged: list[Delivery] = []
        self._just_acknowledged: list[Delivery] = []

    def publish(self, *events: Event) -> None:
        self.ready += [json.dumps(event).encode() for event in events]

    async def deliver(self, stream: Stream, count: int = 1_000_000) -> None:
        """Hand over messages."""
        while self.ready and count:
            count -= 1
            one = Delivery(self, self.ready.pop(0))
            self.unacknowledged.append(one)
            if not stream.take(one.body, one):
                await one.ack()
            await self.look(stream)

    async def look(self, stream: Stream) -> None:
        """Let the consumer record what is complete."""
        self._just_acknowledged = []
        await stream.record()

    def acknowledge(self, one: "Delivery") -> None:
        self.unacknowledged.remove(one)
        self._just_acknowledged.append(one)

    def disconnect(self, *, acknowledgements_arrive: bool = True) -> None:
        """The connection ends; the latest acknowledgements may not have arrived."""
        lost = [] if acknowledgements_arrive else self._just_acknowledged
        self.ready[:0] = [one.body for one in [*lost, *self.unacknowledged]]
        for one in self.unacknowledged:
            one.queue = None
        self.unacknowledged, self._just_acknowledged = [], []


class Delivery:
    """One message with its consumer; an acknowledgement after the connection's end goes nowhere."""

    def __init__(self, queue: Queue, body: bytes) -> None:
        self.queue: Queue | None = queue
        self.body = body

    async def ack(self) -> None:
        if self.queue is not None:
            self.queue.acknowledge(self)
