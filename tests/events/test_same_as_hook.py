"""The stream records what the action hook records: same sessions, keys and payloads, wherever it is cut or repeated."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.events.rasa import Event, Queue, captured, hook, people, process, published, recorded
from tests.helpers import Clock
from tests.searching import examples

from rasa_kustomer.events.stream import CALM_SECONDS, QUIET_SECONDS

Turns = list[list[Event]]


@pytest.mark.parametrize("sender", ["u1", "rc"])
async def test_captured_conversations(sender: str, tmp_path: Path) -> None:
    """Forms, fallbacks, buttons, pictures, /restart, a handoff loop with an agent's messages, a pause."""
    trackers = captured(sender)
    (tmp_path / "hook").mkdir()
    (tmp_path / "stream").mkdir()
    async with process(tmp_path / "hook") as running:
        for tracker in trackers:
            await hook(running, tracker)
    clock = Clock()
    async with process(tmp_path / "stream") as running:
        stream, queue = running.stream(now=clock), Queue(published(trackers))
        await queue.deliver(stream)
        clock.now += 2 * QUIET_SECONDS
        await queue.look(stream)

    assert len(recorded(tmp_path / "hook")) > 5
    assert recorded(tmp_path / "stream") == recorded(tmp_path / "hook")
    assert queue.unacknowledged == []
    assert stream.broken == 0


def slot(name: str, value: Any) -> Event:
    return {"event": "slot", "name": name, "value": value}


def action(name: str) -> Event:
    return {"event": "action", "name": name}


TEXTS = st.sampled_from(["hello", "EXTERNAL: reminder", '/ask{"a": 1}', "/session_start", "  "])
PEOPLE = [{"customer_id": "ann", "email": "a@example.com"}, {"customer_id": "bob"}, {"email": "carl@example.com"}]
BUTTON = {"title": "Ask", "payload": '/ask{"a": 1}'}


@st.composite
def conversations(draw: st.DrawFn, *, ties: bool = True) -> Turns:
    """Saved turns of one sender, each as Rasa publishes it; bot events of a turn may share their time (`ties`)."""
    turns: Turns = []
    metadata: Any = None
    for number in range(draw(st.integers(1, 3))):
        metadata = draw(st.sampled_from([None, {"customer_id": f"c{number}"}, {"email": "a@example.com"}]))
        start = slot("session_started_metadata", metadata)
        turn = [start, action("action_session_start"), {"event": "session_started"}, start, action("action_listen")]
        if draw(st.booleans()):  # the widget starts the session, the visitor comes later or never
            turns.append([*turn, *draw(bot_messages()), action("action_listen")])
            turn = []
        for _ in range(draw(st.integers(0 if turns else 1, 4))):
            turns.append([*turn, *draw(user_turns(metadata))])
            turn = []
    _stamp(draw, turns, ties=ties)
    return turns


@st.composite
def bot_messages(draw: st.DrawFn) -> list[Event]:
    said = []
    for number in range(draw(st.integers(0, 3))):
        buttons = draw(st.sampled_from([None, [BUTTON]]))
        source = draw(st.sampled_from([{}, {}, {"source": "kustomer"}]))
        said.append({"event": "bot", "text": f"b{number}", "data": {"buttons": buttons}})
        said[-1]["metadata"] = source
    return said


@st.composite
def user_turns(draw: st.DrawFn, metadata: Any) -> list[Event]:
    text = draw(TEXTS)
    metadata = draw(st.sampled_from([metadata, metadata, None, *PEOPLE]))
    parsed = {"intent": {"name": "x", "confidence": 1.0}, "metadata": metadata or {}}
    message_id = None if text.startswith("EXTERNAL") else draw(st.uuids()).hex
    user = {"event": "user", "text": text, "message_id": message_id, "input_channel": "rest", "parse_data": parsed}
    more: list[Event] = []
    if text == "hello":  # an identity is recorded together with what is said
        more = draw(
            st.sampled_from([[], [slot("email", "b@example.com")], [slot("email", None)], [{"event": "rewind"}]])
        )
    return [user, *draw(bot_messages()), *more, action("action_listen")]


def _stamp(draw: st.DrawFn, turns: Turns, *, ties: bool) -> None:
    at = 1_795_330_500.0
    for turn in turns:
        at += 1.5
        for place, event in enumerate(turn):
            same = ties and event["event"] == "bot" and draw(st.booleans())
            at += 0.0 if same else 0.001
            turn[place] = {"sender_id": "u1", **event, "timestamp": at}


def trackers_of(turns: Turns) -> list[dict[str, Any]]:
    """What the hook at the end of each turn gets: Rasa runs it before it writes down the turn's `action_listen`."""
    trackers = []
    slots: dict[str, Any] = {}
    latest: dict[str, Any] = {}
    before: list[Any] = []
    events: list[Event] = []
    for turn in turns:
        for event in turn:
            if event["event"] == "session_started":
                slots, latest, before = {}, {}, []
            elif event["event"] == "slot":
                slots = slots | {event["name"]: event["value"]}
            elif event["event"] == "user":
                before.append((slots, latest))
                latest = event["parse_data"]
            elif event["event"] == "rewind":
                slots, latest = before.pop()
        events = [*events, *turn]
        trackers.append({"sender_id": "u1", "events": events[:-1], "slots": slots, "latest_message": latest})
    return trackers


async def by_hook(folder: Path, turns: Turns) -> None:
    async with process(folder) as running:
        for tracker in trackers_of(turns):
            await hook(running, tracker)


def pressed_later(value: str) -> Turns:
    """A button is offered in one session and pressed as the first word of the next, after the bot's greeting."""
    button = {"title": "Ask me", "payload": value}
    start = [action("action_session_start"), {"event": "session_started"}, action("action_listen")]
    bot = {"event": "bot", "metadata": {}, "data": {}}

    def user(text: str, number: int) -> Event:
        parsed = {"intent": {"name": "x"}, "metadata": {}}
        fields = {"message_id": f"{number:032x}", "input_channel": "rest", "parse_data": parsed}
        return {"event": "user", "text": text, **fields}

    turns: Turns = [
        [*start, user("hello", 1), {**bot, "text": "Pick", "data": {"buttons": [[button]]}}, action("action_listen")],
        [*start, {**bot, "text": "Welcome back"}, action("action_listen")],
        [user(value, 2), {**bot, "text": "Well"}, action("action_listen")],
        [user(value, 3), action("action_listen")],
    ]
    for number, turn in enumerate(turns):
        turn[:] = [
            {"sender_id": "u1", **event, "timestamp": 1_000.0 + 10 * number + place / 100}
            for place, event in enumerate(turn)
        ]
    return turns


@pytest.mark.parametrize(("value", "again"), [('/ask{"a": 1}', "Ask me"), ("ask_1", "Ask me"), ("yes", "yes")])
@pytest.mark.parametrize("cut", [False, True], ids=["whole trackers", "trackers of the latest session"])
async def test_a_button_of_the_session_before_is_known_to_both(
    tmp_path: Path, value: str, again: str, cut: bool
) -> None:
    """Rasa cuts earlier sessions away when it loads a tracker, and the stream when it has recorded them."""
    turns = pressed_later(value)
    (tmp_path / "hook").mkdir()
    (tmp_path / "stream").mkdir()
    async with process(tmp_path / "hook") as running:
        for number, tracker in enumerate(trackers_of(turns)):
            heads = len(turns[0]) if cut and number > 1 else 0
            await hook(running, {**tracker, "events": tracker["events"][heads:]})
    clock = Clock()
    async with process(tmp_path / "stream") as running:
        stream, queue = running.stream(now=clock), Queue()
        for turn in turns:
            queue.publish(*turn)
            await queue.deliver(stream)
            clock.now += 2 * QUIET_SECONDS
            await queue.look(stream)

    texts = [json.loads(payload)["text"] for _, _, payload in recorded(tmp_path / "hook")]
    assert texts == ["hello", "Pick\n[Ask me]", "Welcome back", "Ask me", "Well", again]
    assert recorded(tmp_path / "stream") == recorded(tmp_path / "hook")


@settings(max_examples=examples(30))
@given(conversations(), st.data())
async def test_repeats_and_lost_connections_change_nothing(turns: Turns, data: st.DataObject) -> None:
    """Nor do pauses of more than half a second within a turn; what is acknowledged was recorded or needs no record."""
    with tempfile.TemporaryDirectory() as name:
        one, other = Path(name) / "hook", Path(name) / "stream"
        one.mkdir()
        other.mkdir()
        await by_hook(one, turns)
        clock = Clock()
        async with process(other) as running:
            stream, queue = running.stream(now=clock), Queue([event for turn in turns for event in turn])
            for _ in range(data.draw(st.integers(0, 6))):
                await queue.deliver(stream, data.draw(st.integers(1, 12)))
                happens = data.draw(st.sampled_from(["quiet", "lost", "lost with acknowledgements"]))
                if happens == "quiet":
                    clock.now += 2 * QUIET_SECONDS
                    await queue.look(stream)
                else:
                    queue.disconnect(acknowledgements_arrive=happens == "lost")
                    stream.forget_receipts()
                    if data.draw(st.booleans()):
                        stream.connected()
            await queue.deliver(stream)
            clock.now += 2 * CALM_SECONDS
            await queue.look(stream)
        assert recorded(other) == recorded(one)
        assert people(other) == people(one)


@settings(max_examples=examples(30))
@given(conversations(), st.data())
async def test_hook_and_stream_at_once_record_each_turn_once(turns: Turns, data: st.DataObject) -> None:
    """Even if the hook is off for a while, and however far the stream lags behind: it takes nobody's identity back."""
    with tempfile.TemporaryDirectory() as name:
        one, other = Path(name) / "hook", Path(name) / "both"
        one.mkdir()
        other.mkdir()
        missed = data.draw(st.sets(st.integers(0, len(turns)), max_size=2))
        async with process(one) as alone, process(other) as server, process(other) as worker:
            stream, queue = worker.stream(), Queue()
            for number, (turn, tracker) in enumerate(zip(turns, trackers_of(turns), strict=True)):
                await hook(alone, tracker)
                if number not in missed:
                    await hook(server, tracker)
                queue.publish(*turn)
                await queue.deliver(stream, data.draw(st.integers(0, 20)))
                if not missed:
                    assert people(other) == people(one)
            await queue.deliver(stream)
        assert sorted(recorded(other)) == sorted(recorded(one))


@settings(max_examples=examples(30))
@given(conversations(), st.data())
async def test_a_worker_that_dies_anywhere_loses_and_doubles_nothing(turns: Turns, data: st.DataObject) -> None:
    """A new one knows nothing but the outbox: a pressed button may show its payload instead of its title then."""
    with tempfile.TemporaryDirectory() as name:
        one, other = Path(name) / "hook", Path(name) / "stream"
        one.mkdir()
        other.mkdir()
        await by_hook(one, turns)
        queue = Queue([event for turn in turns for event in turn])
        for _ in range(data.draw(st.integers(0, 4))):
            async with process(other) as running:
                await queue.deliver(running.stream(), data.draw(st.integers(1, 12)))
            queue.disconnect(acknowledgements_arrive=data.draw(st.booleans()))
        async with process(other) as running:
            await queue.deliver(running.stream())
        keys = [row[:2] for row in recorded(one)]
        assert [row[:2] for row in recorded(other)] == keys


@settings(max_examples=examples(30))
@given(conversations(ties=False), st.data())
async def test_what_comes_shuffled_and_twice_after_an_outage_of_the_broker_is_put_in_order(
    turns: Turns, data: st.DataObject
) -> None:
    """As Rasa 3.6.21 was seen to publish what RabbitMQ had not confirmed when it went away."""
    with tempfile.TemporaryDirectory() as name:
        one, other = Path(name) / "hook", Path(name) / "stream"
        one.mkdir()
        other.mkdir()
        await by_hook(one, turns)
        clock = Clock()
        async with process(other) as running:
            stream, queue = running.stream(now=clock), Queue()
            before = data.draw(st.integers(0, len(turns)))
            queue.publish(*(event for turn in turns[:before] for event in turn))
            await queue.deliver(stream)
            rest = [event for turn in turns[max(0, before - 1) :] for event in turn]  # some were not confirmed
            stream.connected()
            queue.publish(*data.draw(st.permutations(rest)))
            await queue.deliver(stream)
            clock.now += 2 * CALM_SECONDS
            await queue.look(stream)
        assert recorded(other) == recorded(one)
        assert people(other) == people(one)
