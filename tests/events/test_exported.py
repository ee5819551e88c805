"""What `rasa export` publishes once more is taken by whole sessions, and only those of which nothing is known."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.events.rasa import Event, Process, hook, process, recorded

from rasa_kustomer.events.exported import HEADER
from rasa_kustomer.events.stream import CALM_SECONDS

OFFSET = 432.0


class Message:
    """A message of RabbitMQ as aio-pika gives it."""

    def __init__(self, event: Event, headers: dict[str, Any]) -> None:
        self.body, self.headers, self.acknowledged = json.dumps(event).encode(), headers, False

    async def ack(self) -> None:
        self.acknowledged = True


class Worker:
    """A stream whose time passes only when told."""

    def __init__(self, running: Process) -> None:
        self._now = 1_000.0
        self._stream = running.stream(now=lambda: self._now)

    async def hears(self, events: Sequence[Event], *, exported: bool = True, calm: bool = True) -> list[Message]:
        messages = [Message(event, {HEADER: "4f1d"} if exported else {}) for event in events]
        for one in messages:
            if not self._stream.take(one.body, one):
                await one.ack()
        if calm:
            self._now += 2 * CALM_SECONDS
            await self._stream.record()
        return messages

    async def stops(self) -> None:
        await self._stream.record(everything=True)


def session(at: float, number: int, *, ids: str = "rasa", sender: str = "ann") -> list[Event]:
    """Two turns; `ids` says who made the message ids."""
    events: list[Event] = [{"event": "session_started", "timestamp": at}]
    for turn in range(2):
        at += 10.0
        message_id = f"{number * 10 + turn:032x}" if ids == "rasa" else "1"
        text = f"question {number}.{turn}"
        more = {"message_id": message_id, "input_channel": "rest", "parse_data": {"text": text, "metadata": {}}}
        events.append({"event": "user", "text": text, "timestamp": at, **more})
        events.append({"event": "bot", "text": f"answer {number}.{turn}", "timestamp": at + 1.0, "data": {}})
        events.append({"event": "action", "name": "action_listen", "timestamp": at + 2.0})
    return [{"sender_id": sender, **event} for event in events]


def moved(events: Sequence[Event], seconds: float = OFFSET) -> list[Event]:
    return [{**event, "timestamp": event["timestamp"] + seconds} for event in events]


def texts(folder: Path) -> list[str]:
    return [json.loads(payload)["text"] for _, _, payload in recorded(folder)]


@pytest.mark.parametrize("ids", ["rasa", "the connector's own"])
@pytest.mark.parametrize("seconds", [0.0, OFFSET, -OFFSET])
@pytest.mark.parametrize("by", ["stream", "hook"])
async def test_of_a_session_that_is_known_nothing_is_recorded_again(
    tmp_path: Path, ids: str, seconds: float, by: str
) -> None:
    live = session(1_000.0, 1, ids=ids)
    async with process(tmp_path) as running:
        worker = Worker(running)
        if by == "stream":
            await worker.hears(live, exported=False)
        else:
            await hook(running, {"sender_id": "ann", "events": live[:-1], "slots": {}, "latest_message": {}})
        before = recorded(tmp_path)

        messages = await worker.hears(moved(live, seconds))

    assert len(before) == 4
    assert recorded(tmp_path) == before
    assert all(one.acknowledged for one in messages)


@pytest.mark.parametrize("part", [slice(4, None), slice(0, 4), slice(1, 3), slice(2, 3), slice(1, 2)])
async def test_nor_of_a_part_of_it(tmp_path: Path, part: slice) -> None:
    live = session(1_000.0, 1)
    async with process(tmp_path) as running:
        worker = Worker(running)
        await worker.hears(live, exported=False)
        await worker.hears(moved(live)[part])

    assert len(recorded(tmp_path)) == 4


async def test_a_session_of_which_nothing_is_known_is_recorded_whole(tmp_path: Path) -> None:
    """Also when it comes with pauses, which would make its own beginning known."""
    first, second = session(1_000.0, 1), session(9_000.0, 2)
    async with process(tmp_path) as running:
        worker = Worker(running)
        await worker.hears(second, exported=False)
        whole = moved([*first, *second])
        for start in range(0, len(whole), 2):
            await worker.hears(whole[start : start + 2])

    assert sorted(texts(tmp_path)) == sorted(
        f"{word} {number}.{turn}" for word in ("question", "answer") for number in (1, 2) for turn in (0, 1)
    )
    assert {row[0] for row in recorded(tmp_path)} == {"rasa:ann:1432000", "rasa:ann:9000000"}


async def test_what_is_said_meanwhile_is_recorded(tmp_path: Path) -> None:
    live, later = session(1_000.0, 1), session(9_000.0, 2)
    async with process(tmp_path) as running:
        worker = Worker(running)
        await worker.hears(live, exported=False)
        await worker.hears(moved(live)[:4], calm=False)
        await worker.hears(later, exported=False, calm=False)
        await worker.hears(moved(live)[4:])

    assert len(recorded(tmp_path)) == 8


async def test_a_worker_that_stops_in_the_middle_leaves_the_session_to_the_broker(tmp_path: Path) -> None:
    whole = session(1_000.0, 1)
    async with process(tmp_path) as running:
        worker = Worker(running)
        messages = await worker.hears(whole[:4], calm=False)
        await worker.stops()
    assert not any(one.acknowledged for one in messages)
    assert recorded(tmp_path) == []

    async with process(tmp_path) as running:
        await Worker(running).hears(whole)
    assert len(recorded(tmp_path)) == 4
