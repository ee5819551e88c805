"""What a tracker holds, however long it is and however often it holds it, seen through the whole plugin."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import pytest
from tests.actions.bot import Bot, delivered

from kustomer_sandbox import Sandbox
from rasa_kustomer import runtime

TURNS = 6_000


def presses(data: dict[str, Any] | None = None) -> Bot:
    """A session of turns in each of which a machine presses a button that nobody offered."""
    bot = Bot()
    bot.start()
    for number in range(TURNS):
        bot.user(f'/inform{{"n":"{number}"}}')
        bot.apply("bot", text=f"Answer {number}", data=data or {}, metadata={})
    return bot


class Effort(NamedTuple):
    """What a call costs, in calls of the plugin's functions, which no other load of the machine changes.

    Attributes:
        slices: After how many pieces of it others had their turn.
        longest: How many calls they waited for that at most.
        whole: How many calls there were in all.
    """

    slices: int
    longest: int
    whole: int


async def effort_of(work: Awaitable[Any]) -> Effort:
    task, pauses = asyncio.ensure_future(work), [0]

    def count(frame: FrameType, event: str, _: object) -> None:
        pauses[-1] += event == "call" and "rasa_kustomer" in frame.f_code.co_filename

    sys.setprofile(count)
    try:
        while not task.done():
            await asyncio.sleep(0)
            pauses.append(0)
    finally:
        sys.setprofile(None)
    await task
    return Effort(sum(1 for calls in pauses if calls), max(pauses), sum(pauses))


@pytest.fixture
def _undelivered(configure: Callable[..., None]) -> None:
    configure(courier="external")


@pytest.mark.usefixtures("_undelivered")
@pytest.mark.parametrize(
    "data",
    [
        pytest.param({}, id="nothing offered"),
        pytest.param({"buttons": [[{"title": "A", "payload": "/a"}]]}, id="buttons"),
        pytest.param({"quick_replies": [{"title": "A", "payload": "/a"}]}, id="quick replies"),
        pytest.param({"elements": [{"buttons": [{"title": "A", "payload": "/a"}]}]}, id="cards"),
        pytest.param({"custom": {"reply_markup": {"inline_keyboard": [[{"text": "A"}]]}}}, id="keyboards"),
    ],
)
async def test_6000_turns_first_seen_at_once_cost_what_each_costs_and_hold_up_nobody(data: dict[str, Any]) -> None:
    bot = presses(data)

    first = await effort_of(bot.call("action_listen"))
    counts = await runtime.current().outbox.counts()
    assert counts.accepted == 2 * TURNS
    assert first.whole < 200 * len(bot.events)
    assert first.longest < first.whole / 4

    bot.user("/a", "inform")
    next_turn = await effort_of(bot.call("action_listen"))
    assert next_turn.whole < first.whole
    assert (await runtime.current().outbox.counts()).accepted == 2 * TURNS + 1


@pytest.mark.usefixtures("_undelivered")
async def test_others_have_their_turn_while_a_long_tracker_is_read_and_while_it_is_recorded() -> None:
    bot, long = Bot(), presses()
    bot.start()
    await bot.turn("hello", "Hi")  # the outbox is open and the session known: what follows waits for nothing
    bot.events += [{**event, "timestamp": event["timestamp"] + 1_000} for event in long.events[3:]]

    effort = await effort_of(bot.call("action_listen"))

    assert (await runtime.current().outbox.counts()).accepted == 2 + 2 * TURNS
    assert effort.slices >= 12_000 / 2_000 + 12_000 / 500 - 2


@pytest.mark.usefixtures("_undelivered")
async def test_nor_do_the_handoff_of_such_a_session_and_the_start_of_the_next(
    configure: Callable[..., None],
) -> None:
    configure(handoff_wait_seconds="0", session_wait_seconds="0")
    bot = presses()
    first = await effort_of(bot.call("action_listen"))

    for name in ("action_kustomer_handoff", "action_session_start"):
        effort = await effort_of(bot.call(name))
        assert effort.longest < first.whole / 4


async def test_events_that_a_tracker_holds_twice_are_told_once_in_conversation_and_note(sandbox: Sandbox) -> None:
    bot = Bot()
    bot.start()
    for number in range(3):
        bot.user(f"question {number}", intent=f"ask_{number}")
        bot.bot(f"answer {number}")
    await bot.call("action_listen")
    bot.events = [event for event in bot.events for _ in range(2)]
    await bot.call("action_listen")
    await bot.call("action_kustomer_handoff")
    await delivered()

    said = [one["preview"] for one in sandbox.state.messages.values()]
    assert sorted(said) == sorted(f"{word} {number}" for word in ("question", "answer") for number in range(3))
    (note,) = sandbox.state.notes.values()
    assert "latest first: ask_2 (90%), ask_1 (90%), ask_0 (90%)\n" in note["body"]
    assert note["body"].count("Bot: answer 1") == note["body"].count("Customer: question 1") == 1


@pytest.fixture
def _rule_for_whatsapp(tmp_path: Path) -> None:
    rule = "rules: [{when: {channel: whatsapp}, team: Billing, priority: urgent}]\n"
    (tmp_path / "kustomer_routing.yml").write_text(rule)


@pytest.mark.usefixtures("_rule_for_whatsapp")
async def test_a_rule_for_whatsapp_holds_for_whatsapp_by_twilio_and_for_what_an_admin_calls_so(
    sandbox: Sandbox, configure: Callable[..., None]
) -> None:
    configure(channels="my_wa=whatsapp")
    for number, (sender, channel) in enumerate(
        [("whatsapp:+14155550100", "twilio"), ("ann", "my_wa"), ("+14155550100", "twilio")]
    ):
        bot = Bot(sender)
        bot.start()
        bot.user("A person please", input_channel=channel)
        await bot.call("action_kustomer_handoff")
        await delivered()
        latest = list(sandbox.state.messages.values())[-1]
        ticket = list(sandbox.state.conversations.values())[-1]
        expected = ("whatsapp", 5) if number < 2 else ("sms", 3)
        assert (latest["channel"], ticket["priority"]) == expected
