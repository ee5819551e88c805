"""The event stream records what the hook records: same keys, same sessions, no doubles, whatever is repeated."""

import json
import random
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.events.rasa import Process, process
from tests.events.talks import Talk
from tests.helpers import Clock

from rasa_kustomer.events.rabbitmq import PREFETCH
from rasa_kustomer.events.stream import CALM_SECONDS, HELD_SECONDS, QUIET_SECONDS
from rasa_kustomer.outbox import OutboxUnavailableError

CAPTURE = Path(__file__).parents[1] / "fixtures" / "rasa" / "broker-pika-turn1.json"


class Receipt:
    def __init__(self) -> None:
        self.acknowledged = False

    async def ack(self) -> None:
        self.acknowledged = True


def rows(path: Path) -> list[Any]:
    with sqlite3.connect(path) as database:
        return database.execute(
            "SELECT s.key, s.identity, r.key, r.payload FROM kustomer_record r "
            "JOIN kustomer_session s ON s.id = r.session_id ORDER BY s.key, r.id"
        ).fetchall()


def shown(event: dict[str, Any]) -> str:
    buttons = " ".join(f"[{one['title']}]" for one in event.get("data", {}).get("buttons", []))
    return "\n".join(part for part in (event["text"], buttons) if part)


async def test_a_captured_turn_of_rasa_is_recorded_and_acknowledged(running: Process, tmp_path: Path) -> None:
    stream, receipts = running.stream(), []
    for event in json.loads(CAPTURE.read_text()):
        receipts.append(Receipt())
        assert stream.take(json.dumps(event).encode(), receipts[-1])
    await stream.record()

    assert rows(tmp_path / "outbox.db")
    assert all(receipt.acknowledged for receipt in receipts)


async def test_nothing_is_acknowledged_before_it_is_recorded(running: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    stream, talk = running.stream(now=clock), Talk("ann", random.Random(1))
    talk.start()
    talk.turn()
    receipts = [Receipt() for _ in talk.events]
    for body, receipt in zip(talk.published(), receipts, strict=True):
        stream.take(body, receipt)

    async def no_disk(*_: Any, **__: Any) -> Any:
        raise OutboxUnavailableError("no disk")

    with monkeypatch.context() as patch:
        patch.setattr(running.outbox, "record", no_disk)
        with pytest.raises(OutboxUnavailableError):
            await stream.record(everything=True)
        assert not any(receipt.acknowledged for receipt in receipts)

    await stream.record(everything=True)
    assert all(receipt.acknowledged for receipt in receipts)


async def test_a_turn_that_cannot_be_recorded_for_its_own_sake_does_not_hold_up_the_others(
    running: Process, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stream, receipts, record = running.stream(), [], running.recorder.record_turns

    async def not_for_eve(sender_id: str, *rest: Any, **more: Any) -> Any:
        if sender_id == "eve":
            raise ValueError("my secret")
        return await record(sender_id, *rest, **more)

    monkeypatch.setattr(running.recorder, "record_turns", not_for_eve)
    for name in ("eve", "ann"):
        talk = Talk(name, random.Random(1))
        talk.start()
        talk.turn("hello")
        for body in talk.published():
            receipts.append(Receipt())
            stream.take(body, receipts[-1])
    await stream.record(everything=True)

    assert {row[0].split(":")[1] for row in rows(tmp_path / "outbox.db")} == {"ann"}
    assert all(receipt.acknowledged for receipt in receipts)
    assert "was skipped: ValueError at " in caplog.text
    assert "my secret" not in caplog.text


async def test_after_a_connection_is_made_turns_wait_for_what_belongs_between_them(
    running: Process, tmp_path: Path
) -> None:
    clock = Clock()
    stream, talk = running.stream(now=clock), Talk("ann", random.Random(1))
    stream.connected()
    talk.start()
    talk.turn("hello")
    for number, event in enumerate(talk.events):
        event["timestamp"] = 1_795_330_500.0 + number
    question = next(number for number, event in enumerate(talk.events) if event["event"] == "user")
    bodies = talk.published()
    for body in [*bodies[:question], *bodies[question + 1 :]]:
        stream.take(body, Receipt())
    await stream.record()
    stream.take(bodies[question], Receipt())
    await stream.record()
    assert stream.recorded == 0

    clock.now += CALM_SECONDS
    await stream.record()
    said = [json.loads(row[3])["text"] for row in rows(tmp_path / "outbox.db")]
    assert said == [shown(event) for event in talk.events if event["event"] in {"user", "bot"}]


async def test_a_turn_without_an_end_is_recorded_after_a_moment_of_silence(running: Process) -> None:
    clock = Clock()
    stream, talk, receipt = running.stream(now=clock), Talk("ann", random.Random(1)), Receipt()
    talk.start()
    talk.turn()
    for body in talk.published()[:-1]:
        stream.take(body, receipt)
    await stream.record()
    assert not receipt.acknowledged

    clock.now += QUIET_SECONDS
    await stream.record()
    assert receipt.acknowledged


async def test_a_session_in_which_nobody_speaks_is_not_held_for_ever(running: Process) -> None:
    clock = Clock()
    stream, talk, receipt = running.stream(now=clock), Talk("ann", random.Random(1)), Receipt()
    talk.start()
    for body in talk.published():
        stream.take(body, receipt)
    await stream.record(everything=True)
    assert not receipt.acknowledged

    clock.now += HELD_SECONDS
    await stream.record()
    assert receipt.acknowledged


async def test_visitors_who_never_speak_do_not_hold_up_the_others(running: Process) -> None:
    """RabbitMQ sends no more while 1,000 messages are not acknowledged; a page that opens chats makes many."""
    stream, given = running.stream(now=Clock()), []
    for number in range(300):
        talk = Talk(f"visitor-{number}", random.Random(number))
        talk.start()
        for body in talk.published():
            given.append(Receipt())
            assert stream.take(body, given[-1])
        await stream.record(everything=True)
    assert len(given) > PREFETCH

    acknowledged = [receipt.acknowledged for receipt in given]
    assert acknowledged.count(False) <= PREFETCH / 2
    assert acknowledged == sorted(acknowledged, reverse=True)  # the latest are held, who may still speak


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"no json",
        b"[]",
        b"null",
        b'{"event": "user"}',
        b'{"sender_id": "a"}',
        b'{"sender_id":"a","event":3}',
    ],
)
async def test_what_is_no_event_is_left_out_and_said_once_without_its_content(
    running: Process, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    stream = running.stream()
    assert not stream.take(body, Receipt())
    assert not stream.take(body, Receipt())

    assert stream.broken == 2
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    "fields", [{"timestamp": None}, {"text": 7}, {"metadata": "x"}, {"parse_data": []}, {"data": 3}]
)
async def test_events_of_wrong_types_do_no_harm(running: Process, fields: dict[str, Any]) -> None:
    stream, receipt = running.stream(), Receipt()
    for event in ("session_started", "user", "bot", "slot", "action", "brand_new"):
        stream.take(json.dumps({"sender_id": "a", "event": event, "timestamp": 1.0, **fields}).encode(), receipt)
    await stream.record(everything=True)


async def test_senders_outside_the_rollout_are_acknowledged_unread(tmp_path: Path) -> None:
    async with process(tmp_path, rollout_percent=0) as nobody:
        assert not nobody.stream().take(b'{"sender_id": "a", "event": "user"}', Receipt())


async def test_after_a_restart_in_mid_session_the_person_is_still_known(running: Process, tmp_path: Path) -> None:
    talk = Talk("ann", random.Random(1))
    talk.start()
    talk.turn()
    first = running.stream()
    for body in talk.published():
        first.take(body, Receipt())
    await first.record(everything=True)
    seen = len(talk.events)
    talk.turn()
    running.recorder.forget("ann")
    second = running.stream()
    for body in talk.published(seen):
        second.take(body, Receipt())
    await second.record(everything=True)

    assert {json.loads(row[1])["external_id"] for row in rows(tmp_path / "outbox.db")} == {"crm-ann"}
    assert len({row[0] for row in rows(tmp_path / "outbox.db")}) == 1
