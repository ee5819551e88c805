"""Several people in one session, told by the event stream."""

import json
from pathlib import Path
from typing import Any

from tests.events.rasa import Queue, people, process, recorded

from rasa_kustomer.events.stream import Stream

START = 1_795_330_500


def said(number: int, text: str, metadata: dict[str, Any]) -> list[dict[str, Any]]:
    at = START + 10.0 * number
    parsed = {"intent": {"name": "x"}, "metadata": metadata}
    user = {"event": "user", "text": text, "message_id": f"{number:032x}", "input_channel": "rest"}
    return [
        {"sender_id": "u1", **user, "parse_data": parsed, "timestamp": at},
        {"sender_id": "u1", "event": "action", "name": "action_listen", "timestamp": at + 1},
    ]


async def test_a_worker_that_begins_in_the_middle_knows_who_spoke_from_the_outbox(tmp_path: Path) -> None:
    """The words of each stay with them, also those that name nobody and come after a restart."""
    start = {"sender_id": "u1", "event": "session_started", "timestamp": float(START)}
    ann, bob = {"customer_id": "C-A"}, {"customer_id": "C-B"}
    async with process(tmp_path) as runtime:
        await Queue([start, *said(1, "one", ann), *said(2, "two", bob)]).deliver(Stream(runtime))
    async with process(tmp_path) as runtime:
        await Queue(said(3, "three", {})).deliver(Stream(runtime))
    async with process(tmp_path) as runtime:
        await Queue([*said(4, "four", ann), *said(5, "five", {})]).deliver(Stream(runtime))

    told: dict[str, list[str]] = {}
    for key, _, payload in recorded(tmp_path):
        told.setdefault(people(tmp_path)[key]["external_id"], []).append(json.loads(payload)["text"])
    assert told == {"C-A": ["one", "four", "five"], "C-B": ["two", "three"]}
