"""A card number that somebody types is stored nowhere and goes nowhere."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.actions.bot import Bot, delivered

from kustomer_sandbox import Sandbox

CARD = "4111 1111 1111 1111"


def everything_in(folder: Path) -> str:
    files = [file for file in folder.rglob("*") if file.is_file()]
    return b"".join(file.read_bytes() for file in files).decode("utf-8", "replace")


@pytest.mark.parametrize("mask", ["card", "none"])
async def test_not_in_the_outbox_nor_in_kustomer(
    sandbox: Sandbox, configure: Callable[..., None], tmp_path: Path, mask: str
) -> None:
    """In what the user and the bot say, a button's title, the reason, a slot, the note and the ticket's name."""
    configure(mask=mask)
    bot = Bot()
    bot.start()
    bot.slots |= {"card_number": CARD, "kustomer_handoff_reason": f"refund to {CARD}"}
    bot.user(f"my card is {CARD} 09/28 123")
    buttons = [{"title": f"Yes, {CARD}", "payload": "/yes"}]
    bot.apply("bot", text=f"Is it {CARD}?", data={"buttons": buttons}, metadata={})
    await bot.call("action_listen")
    bot.user("/yes", "human_handoff")
    await bot.call("action_kustomer_handoff")
    await delivered()

    stored = everything_in(tmp_path)
    sent = "".join(str(request.body) for request in sandbox.requests)
    for place in (stored, sent):
        assert ("4111 1111" in place) is (mask == "none")
        assert ("[card ending 1111]" in place) is (mask == "card")
    assert sent.count("[card ending 1111]") >= (6 if mask == "card" else 0)
