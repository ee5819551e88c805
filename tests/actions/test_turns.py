"""`action_listen` and `action_kustomer_mirror`: every turn once, in order, and never a wait for Kustomer."""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.actions.bot import Bot, delivered
from tests.delivery.breaking import break_first_page

from kustomer_sandbox import Sandbox
from rasa_kustomer import runtime
from rasa_kustomer.outbox import OutboxUnavailableError, SessionKey

CAPTURES = Path(__file__).parents[1] / "fixtures" / "rasa"


def timeline(sandbox: Sandbox) -> list[str]:
    return [row["preview"] for row in sorted(sandbox.state.messages.values(), key=lambda row: row["sentAt"])]


async def test_every_turn_is_mirrored_once_however_often_the_hook_sees_it(sandbox: Sandbox) -> None:
    bot = Bot()
    bot.start()
    await bot.turn("hello", "hi")
    await bot.call("action_listen")
    await bot.turn("where is my order", "which one?")
    await bot.call("action_kustomer_mirror")
    await delivered()

    assert timeline(sandbox) == ["hello", "hi", "where is my order", "which one?"]
    (conversation,) = sandbox.state.conversations.values()
    assert conversation["externalId"].startswith("rasa:ann:17953305")


async def test_captured_requests_of_a_real_rasa_server(sandbox: Sandbox) -> None:
    for file in sorted(CAPTURES.glob("0[2-9]-action_listen.json")):
        call = json.loads(file.read_text())
        bot = Bot(call["sender_id"])
        bot.events, bot.slots, bot.latest = (call["tracker"][name] for name in ("events", "slots", "latest_message"))
        assert await bot.call("action_listen") == []
    await delivered()

    assert len(timeline(sandbox)) == 16
    assert timeline(sandbox)[:2] == ["hello", "Hello! How can I help?"]
    assert timeline(sandbox)[-1] == "Goodbye."


async def test_a_restarted_server_reads_the_tracker_again_and_doubles_nothing(sandbox: Sandbox) -> None:
    bot = Bot()
    bot.start()
    await bot.turn("hello", "hi")
    await delivered()
    await runtime.shut_down()

    await bot.turn("again", "yes?")
    await delivered()

    assert timeline(sandbox) == ["hello", "hi", "again", "yes?"]
    assert len(sandbox.state.conversations) == 1


async def test_a_visitor_who_says_nothing_makes_no_conversation(sandbox: Sandbox) -> None:
    bot = Bot()
    bot.start()
    bot.user("/session_start", "session_start")
    bot.bot("Welcome!")
    await bot.call("action_listen")
    await delivered()
    assert sandbox.requests == []

    await bot.turn("hello", "hi")
    await delivered()
    assert timeline(sandbox) == ["Welcome!", "hello", "hi"]


async def test_a_second_session_is_a_second_conversation_and_its_greeting_waits_for_the_visitor(
    sandbox: Sandbox,
) -> None:
    bot = Bot()
    bot.start()
    await bot.turn("first", "one")
    bot.start()
    bot.bot("Welcome back!")
    await bot.call("action_listen")
    await delivered()
    assert len(sandbox.state.conversations) == 1

    await bot.turn("second", "two")
    await delivered()
    assert len(sandbox.state.conversations) == 2
    assert timeline(sandbox) == ["first", "one", "Welcome back!", "second", "two"]


async def test_a_restart_leaves_the_ended_session_to_whom_it_belonged(sandbox: Sandbox) -> None:
    """Rasa has emptied the slots by the time the hook sees the last words of the session (`/restart`)."""
    bot = Bot()
    bot.slots = {"email": "ann@example.com"}
    bot.start()
    await bot.turn("hello", "hi")
    bot.user("/restart", "restart")
    bot.slots = {}
    bot.start()
    await bot.call("action_listen")
    await bot.turn("somebody else", "hi")
    await delivered()

    outbox = runtime.current().outbox
    after = await outbox.latest_session("ann")
    assert after is not None
    before = await outbox.latest_session("ann", after.started_ms)
    assert before is not None
    people = [await outbox.session_state(one.key) for one in (before, after)]
    assert [one and one["identity"]["email"] for one in people] == ["ann@example.com", None]
    assert timeline(sandbox) == ["hello", "hi", "/restart", "somebody else", "hi"]
    assert len({row["customer"] for row in sandbox.state.conversations.values()}) == 2


async def test_a_tracker_without_a_session_start_continues_the_latest_session(sandbox: Sandbox) -> None:
    bot = Bot()
    bot.start()
    await bot.turn("hello", "hi")
    await delivered()
    bot.events = bot.events[-1:]
    await runtime.shut_down()

    await bot.turn("later", "still here")
    await delivered()

    assert timeline(sandbox) == ["hello", "hi", "later", "still here"]
    assert len(sandbox.state.conversations) == 1


async def test_the_hook_makes_no_call_to_kustomer(sandbox: Sandbox) -> None:
    """With the worker away there is nobody else who could."""
    await runtime.current().delivery.worker.stop()
    bot = Bot()
    bot.start()
    for number in range(5):
        await bot.turn(f"q{number}", f"a{number}")

    assert sandbox.requests == []
    assert (await runtime.current().outbox.counts()).pending == 10


@pytest.mark.parametrize(
    "tracker",
    [
        {"events": None},
        {"events": []},
        {"events": [None, 7, "x", {"event": "new_kind"}, {"event": "user"}]},
        {"slots": None},
        {"slots": ["list"]},
        {"latest_message": None},
        {"latest_message": {"metadata": "text"}},
        {"slots": {"session_started_metadata": "text", "email": ["x"], "phone": {}, "customer_id": 1.5}},
    ],
)
@pytest.mark.parametrize(
    "name",
    [
        "action_listen",
        "action_kustomer_handoff",
        "action_session_start",
        "action_kustomer_identify",
        "action_kustomer_resolve",
        "action_kustomer_ticket_status",
    ],
)
async def test_malformed_trackers_do_no_harm(tracker: dict[str, Any], name: str) -> None:
    bot = Bot()
    bot.start()
    bot.user("hello")

    assert isinstance(await bot.call(name, **tracker), list)


@pytest.mark.parametrize("sender", ["", "x" * 2000, "a\x00b", "half \ud800", "user:with/odd?chars#é", "🦊"])
async def test_any_sender_id_is_mirrored(sandbox: Sandbox, sender: str) -> None:
    bot = Bot(sender)
    bot.start()
    await bot.turn("hello", "hi")
    await delivered()

    assert timeline(sandbox) == ["hello", "hi"]


async def test_a_long_conversation_with_odd_texts_arrives_whole(
    sandbox: Sandbox, configure: Callable[..., None]
) -> None:
    configure(rate_share="1")
    sandbox.rules.customer_limit = 10_000
    bot = Bot()
    bot.start()
    for number in range(20):
        bot.user(f"👋 שלום {number}\x00")
        bot.bot("word " * 4_000)
    await bot.call("action_listen")
    rate_limiter = runtime.current().rate_limiter
    rate_limiter._tokens = 1_000.0
    rate_limiter.limit = 1_000_000
    await delivered()

    inbound = [row["preview"] for row in sandbox.state.messages.values() if row["direction"] == "in"]
    assert inbound == [f"👋 שלום {number}" for number in range(20)]
    assert len(sandbox.state.messages) == 20 + 40


async def test_without_mirroring_no_turn_leaves(sandbox: Sandbox, configure: Callable[..., None]) -> None:
    configure(enable_sync="false")
    bot = Bot()
    bot.start()
    await bot.turn("hello", "hi")

    assert (await runtime.current().outbox.counts()).accepted == 0
    await bot.call("action_kustomer_handoff")
    assert bot.slots["kustomer_handoff_status"] == "created"
    assert sandbox.state.messages.items() == {}.items()


async def test_a_locked_database_costs_a_moment_is_counted_and_said_once_and_heals(
    sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bot = Bot()
    bot.start()
    await bot.turn("hello", "hi")
    await delivered()
    await runtime.current().delivery.worker.stop()
    blocker = sqlite3.connect(tmp_path / ".kustomer" / "outbox.db", isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    await bot.turn("lost?", "no")
    await bot.turn("really?", "no")
    blocker.execute("ROLLBACK")
    blocker.close()
    assert runtime.current().retry_buffer.calls == 2
    assert len([one for one in caplog.records if one.levelname == "ERROR"]) == 1

    await runtime.shut_down()
    await bot.turn("good", "yes")
    await delivered()
    assert timeline(sandbox) == ["hello", "hi", "lost?", "no", "really?", "no", "good", "yes"]


@contextmanager
def no_folder(tmp_path: Path) -> Iterator[None]:
    """The outbox's folder is away and a file stands in its place, as when a volume is not mounted."""
    folder, away = tmp_path / ".kustomer", tmp_path / "away"
    folder.rename(away)
    folder.write_text("")
    yield
    folder.unlink()
    away.rename(folder)


def rows(tmp_path: Path) -> int:
    with closing(sqlite3.connect(tmp_path / ".kustomer" / "outbox.db")) as database:
        return int(database.execute("SELECT count(*) FROM kustomer_record").fetchone()[0])


async def test_the_last_words_before_the_visitor_leaves_are_recorded_when_that_is_possible_again(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No further turn brings them again, and the database cannot do it late."""
    monkeypatch.setattr("rasa_kustomer.recorder.RETRY_SECONDS", 0.01)
    bot = Bot()
    bot.start()
    await bot.turn("hello", "hi")
    await delivered()
    with no_folder(tmp_path):
        await bot.turn("bye", "bye")
        assert runtime.current().retry_buffer.losing
    assert rows(tmp_path) == 2, "seen without a wait, in which they would be tried again"

    await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == "kustomer_unrecorded"))
    await delivered()
    assert timeline(sandbox) == ["hello", "hi", "bye", "bye"]
    assert not runtime.current().retry_buffer.losing


async def test_what_waits_to_be_recorded_is_tried_a_last_time_at_the_end(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rasa_kustomer.recorder.RETRY_SECONDS", 3_600.0)
    bot = Bot()
    bot.start()
    await bot.turn("hello", "hi")
    await delivered()
    with no_folder(tmp_path):
        await bot.turn("bye", "bye")
    await runtime.shut_down()

    assert (await runtime.current().outbox.counts()).accepted == 4


async def test_a_turn_that_cannot_be_written_for_whatever_reason_is_counted_kept_and_tried_again(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """F16: a driver that does not know an argument of the address raises TypeError."""
    monkeypatch.setattr("rasa_kustomer.recorder.RETRY_SECONDS", 0.01)
    bots = [Bot("ann"), Bot("bob")]
    with monkeypatch.context() as driver:

        def unknown_argument(*_: object, **__: object) -> None:
            raise TypeError("connect() got an unexpected keyword argument 'my secret'")

        driver.setattr(runtime.current().outbox, "record", unknown_argument)
        for bot in bots:
            bot.start()
            await bot.turn("hello", "hi")
        assert runtime.current().retry_buffer.calls == 2
    assert "my secret" not in caplog.text

    await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == "kustomer_unrecorded"))
    assert (await runtime.current().outbox.counts()).accepted == 4


async def test_a_tracker_that_can_never_be_recorded_keeps_no_other_waiting(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rasa_kustomer.recorder.RETRY_SECONDS", 3_600.0)
    odd, good = Bot("odd"), Bot("good")
    outbox = runtime.current().outbox
    record = outbox.record

    async def refuse_odd(session: SessionKey, *rest: Any, **more: Any) -> int:
        if session.sender_id == "odd":
            raise OutboxUnavailableError("it is refused")
        return await record(session, *rest, **more)

    monkeypatch.setattr(outbox, "record", refuse_odd)
    for bot in (odd, good):
        bot.start()
    await odd.turn("hello", "hi")
    await good.turn("hello", "hi")
    with no_folder(tmp_path):
        await good.turn("bye", "bye")
    await runtime.shut_down()

    assert (await runtime.current().outbox.counts()).accepted == 4


async def test_after_a_damaged_file_was_replaced_chats_bring_all_of_their_own_turns_and_nobody_elses(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """E24: in the new file the rows are numbered from 1 again; the last chat speaks first."""
    await runtime.current().delivery.worker.stop()
    bots = [Bot(f"chat{number}") for number in range(6)]
    for bot in bots:
        bot.start()
        await bot.turn(f"{bot.sender} asks", f"{bot.sender} is told")
    break_first_page(tmp_path / ".kustomer" / "outbox.db")
    for bot in (bots[-1], *bots[:-1]):
        await bot.turn(f"{bot.sender} asks more", f"{bot.sender} is told more")
    assert runtime.current().retry_buffer.calls == 0

    await runtime.shut_down()
    await delivered()
    conversations = {row["id"]: row["externalId"] for row in sandbox.state.conversations.values()}
    rows = sorted(sandbox.state.messages.values(), key=lambda row: row["sentAt"])
    for bot in bots:
        [own] = [one for one, key in conversations.items() if f":{bot.sender}:" in key]
        assert [row["preview"] for row in rows if row["conversation"] == own] == [
            f"{bot.sender} {words}" for words in ("asks", "is told", "asks more", "is told more")
        ]


async def test_what_waited_in_a_file_that_was_moved_by_hand_comes_again_with_the_next_turn(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    await runtime.current().delivery.worker.stop()
    bot = Bot()
    bot.start()
    await bot.turn("hello", "hi")
    for file in (tmp_path / ".kustomer").glob("outbox.db*"):
        file.rename(tmp_path / file.name)

    await bot.turn("still there?", "yes")

    await runtime.shut_down()
    await delivered()
    assert timeline(sandbox) == ["hello", "hi", "still there?", "yes"]


async def test_a_sender_outside_the_rollout_is_not_served(sandbox: Sandbox, configure: Callable[..., None]) -> None:
    configure(rollout_percent="0")
    bot = Bot()
    bot.start()
    await bot.turn("hello", "hi")
    await bot.call("action_kustomer_handoff")

    assert bot.slots["kustomer_handoff_status"] == "unavailable"
    assert sandbox.requests == []


@pytest.mark.parametrize("missing", ["api_key", "base_url"])
async def test_without_key_or_address_everything_is_a_quiet_no_op(
    sandbox: Sandbox, configure: Callable[..., None], missing: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    configure(**{missing: ""})
    caplog.set_level("INFO", logger="rasa_kustomer")
    bot = Bot()
    bot.start()
    await bot.turn("hello", "hi")
    await bot.call("action_kustomer_handoff")

    assert (bot.slots["kustomer_handoff_status"], bot.slots["kustomer_ticket"]) == ("unavailable", None)
    assert sandbox.requests == []
    assert not (tmp_path / ".kustomer").exists()
    assert [one.levelname for one in caplog.records] == ["INFO"]


@pytest.mark.swallows
async def test_a_bug_of_ours_reaches_neither_the_bot_nor_the_log_with_a_text(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("the customer said: my secret")

    monkeypatch.setattr(runtime.current().recorder, "record_turns", broken)
    bot = Bot()
    bot.start()
    bot.user("my secret")

    assert await bot.call("action_listen") == []
    assert "ValueError at " in caplog.text
    assert "my secret" not in caplog.text
