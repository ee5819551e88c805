"""The event stream masks what the hook masks."""

import json
import random
from pathlib import Path

from tests.events.rasa import Queue, process, recorded
from tests.events.talks import Talk


async def test_the_event_stream_masks_the_same(tmp_path: Path) -> None:
    talk = Talk("u1", random.Random(3))
    talk.start()
    talk.turn("my card is 4111 1111 1111 1111")
    async with process(tmp_path) as runtime:
        queue = Queue([json.loads(body) for body in talk.published()])
        await queue.deliver(runtime.stream())

    assert "my card is [card ending 1111]" in "".join(payload for _, _, payload in recorded(tmp_path))
