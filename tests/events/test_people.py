"""Several people in one session, told by the event stream."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.events.rasa import Queue, hook, people, process, recorded
from tests.helpers import Clock

from rasa_kustomer.events.stream import QUIET_SECONDS

START = 1_795_330_500
REMINDER = "EXTERNAL: reminder"
ANN, BOB = {"customer_id": "C-A"}, {"customer_id": "C-B"}


def started(metadata: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    slot = {"sender_id": "u1", "event": "slot", "name": "session_started_metadata", "value": metadata}
    start = {"sender_id": "u1", "event": "session_started", "timestamp": float(START)}
    return [start, {**slot, "timestamp": START + 0.1}] if metadata else [start]


def said(number: int, text: str, metadata: dict[str, Any], answer: str = "") -> list[dict[str, Any]]:
    at = START + 10.0 * number
    parsed = {"intent": {"name": "x"}, "metadata": metadata}
    message_id = None if text == REMINDER else f"{number:032x}"
    user = {"event": "user", "text": text, "message_id": message_id, "input_channel": "rest", "parse_data": parsed}
    bot = {"event": "bot", "text": answer, "metadata": {}, "data": {}}
    events: list[dict[str, Any]] = [user, *([bot] if answer else []), {"event": "action", "name": "action_listen"}]
    return [{"sender_id": "u1", **event, "timestamp": at + (event["event"] == "action")} for event in events]


def by_person(folder: Path) -> dict[str, list[str]]:
    """What each is recorded to have said."""
    told: dict[str, list[str]] = {}
    for key, _, payload in recorded(folder):
        if text := json.loads(payload).get("text"):
            told.setdefault(people(folder)[key]["external_id"], []).append(text)
    return told


async def test_a_worker_that_begins_in_the_middle_knows_who_spoke_from_the_outbox(tmp_path: Path) -> None:
    """The words of each stay with them, also those that name nobody and come after a restart."""
    async with process(tmp_path) as running:
        await Queue([*started(), *said(1, "one", ANN), *said(2, "two", BOB)]).deliver(running.stream())
    async with process(tmp_path) as running:
        await Queue(said(3, "three", {})).deliver(running.stream())
    async with process(tmp_path) as running:
        await Queue([*said(4, "four", ANN), *said(5, "five", {})]).deliver(running.stream())

    assert by_person(tmp_path) == {"C-A": ["one", "four", "five"], "C-B": ["two", "three"]}


async def test_a_worker_that_begins_in_the_middle_knows_who_spoke_last_when_all_was_recorded_at_once(
    tmp_path: Path,
) -> None:
    turns = [*said(1, "one", ANN), *said(2, "two", BOB), *said(3, "three", ANN)]
    async with process(tmp_path) as running:
        stream, queue = running.stream(now=Clock()), Queue([*started(), *turns])
        stream.connected()  # what comes then waits for what belongs between it
        await queue.deliver(stream)
        await stream.record(everything=True)
    async with process(tmp_path) as running:
        await Queue(said(4, "four", {})).deliver(running.stream())

    assert by_person(tmp_path) == {"C-A": ["one", "three", "four"], "C-B": ["two"]}


@pytest.mark.parametrize(
    ("begin", "then", "told"),
    [
        ([*started(ANN), *said(1, "one", BOB)], ANN, {"C-B": ["one"], "C-A": ["two"]}),
        ([*started(), *said(1, "one", {}), *said(2, REMINDER, ANN)], {}, {"C-A": ["one", "two"]}),
        (
            [*started(), *said(1, "one", ANN), *said(2, "too", BOB), *said(3, REMINDER, ANN)],
            {},
            {"C-A": ["one", "two"], "C-B": ["too"]},
        ),
    ],
    ids=["at the start", "after the first words", "as the one who spoke before"],
)
async def test_somebody_who_was_named_and_has_said_nothing_is_still_known_after_a_worker_died(
    tmp_path: Path, begin: list[dict[str, Any]], then: dict[str, Any], told: dict[str, list[str]]
) -> None:
    """The outbox does not know of them: the broker keeps what named them until they speak."""
    (tmp_path / "alone").mkdir()
    (tmp_path / "died").mkdir()
    later = said(8, "two", then)
    async with process(tmp_path / "alone") as running:
        await Queue([*begin, *later]).deliver(running.stream())
    async with process(tmp_path / "died") as running:
        queue = Queue(begin)
        await queue.deliver(running.stream())
        assert queue.unacknowledged
    queue.disconnect()
    queue.publish(*later)
    async with process(tmp_path / "died") as running:
        await queue.deliver(running.stream())

    assert by_person(tmp_path / "died") == by_person(tmp_path / "alone") == told
    assert [row[:2] for row in recorded(tmp_path / "died")] == [row[:2] for row in recorded(tmp_path / "alone")]
    assert not queue.unacknowledged


async def test_a_message_without_words_adds_nothing_to_a_person(tmp_path: Path) -> None:
    """What is known of somebody is stored with their words; the hook would know it and the stream would not."""
    mail, both = {"email": "a@example.com"}, {**ANN, "email": "a@example.com"}
    events = [*started(mail), *said(1, "one", mail, "Hello"), *said(2, REMINDER, both)]
    (tmp_path / "stream").mkdir()
    (tmp_path / "hook").mkdir()
    async with process(tmp_path / "stream") as running:
        queue = Queue(events)
        await queue.deliver(running.stream())
    async with process(tmp_path / "hook") as running:
        slots = {"session_started_metadata": mail}
        for end in (4, len(events)):
            message = {"metadata": both if end > 4 else mail}
            await hook(running, {"sender_id": "u1", "events": events[:end], "slots": slots, "latest_message": message})

    known = people(tmp_path / "hook")
    assert [one["external_id"] for one in known.values()] == [None]
    assert people(tmp_path / "stream") == known


async def test_a_bots_answer_goes_to_whom_a_message_without_words_names(tmp_path: Path) -> None:
    """A shared device: what the bot answers to a reminder of one person is nothing for the one before."""
    events = [*started(), *said(1, "one", ANN), *said(2, "two", BOB), *said(3, REMINDER, ANN, "Your parcel is here")]
    async with process(tmp_path) as running:
        await Queue(events).deliver(running.stream())

    assert by_person(tmp_path) == {"C-A": ["one", "Your parcel is here"], "C-B": ["two"]}


async def test_what_a_reminder_tells_of_a_person_is_stored_with_the_bots_answer(tmp_path: Path) -> None:
    mail, both = {"email": "a@example.com"}, {**ANN, "email": "a@example.com"}
    async with process(tmp_path) as running:
        await Queue([*started(mail), *said(1, "one", mail), *said(2, REMINDER, both, "Hello")]).deliver(
            running.stream()
        )

    assert by_person(tmp_path) == {"C-A": ["one", "Hello"]}


async def test_whom_a_reminder_names_has_not_said_the_words_before_it(tmp_path: Path) -> None:
    """However much of it is read at once."""
    events = [*started(), *said(1, "one", {}), *said(2, REMINDER, ANN)]
    async with process(tmp_path) as running:
        stream, queue = running.stream(now=Clock()), Queue(events)
        stream.connected()
        await queue.deliver(stream)
        await stream.record(everything=True)

    assert [one["external_id"] for one in people(tmp_path).values()] == [None]


async def test_who_speaks_by_their_own_account_is_stored_without_new_words(tmp_path: Path) -> None:
    """A form's slot may come after the broker paused in the middle of a turn, and the visitor says nothing more."""
    clock, [spoken, end] = Clock(), said(1, "a@example.com", {})
    slot = {"sender_id": "u1", "event": "slot", "name": "email", "value": "a@example.com", "timestamp": START + 10.5}
    async with process(tmp_path) as running:
        stream, queue = running.stream(now=clock), Queue([*started(), spoken])
        await queue.deliver(stream)
        clock.now += QUIET_SECONDS
        await queue.look(stream)
        assert [one["email"] for one in people(tmp_path).values()] == [None]
        queue.publish(slot, end)
        await queue.deliver(stream)

    assert [one["email"] for one in people(tmp_path).values()] == ["a@example.com"]


async def test_a_stream_that_lags_behind_the_hook_takes_nobodys_identity_back(tmp_path: Path) -> None:
    events = [*started(), *said(1, "one", {}), *said(2, "two", {})]
    slot = {"sender_id": "u1", "event": "slot", "name": "email", "value": "old@example.com", "timestamp": START + 10.5}
    late = [*events[:2], slot, *events[2:]]
    tracker = {"sender_id": "u1", "events": late, "slots": {"email": "new@example.com"}, "latest_message": {}}
    async with process(tmp_path) as running:
        await hook(running, tracker)
    async with process(tmp_path) as running:
        await Queue(late[:4]).deliver(running.stream())

    assert [one["email"] for one in people(tmp_path).values()] == ["new@example.com"]
