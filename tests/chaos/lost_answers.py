"""The write happened, the answer did not: exactly one of each, whatever step it was."""

import itertools
import tempfile
from collections import Counter
from pathlib import Path

from tests.chaos.harness import Report
from tests.delivery.office import Office

from kustomer_sandbox import Sandbox

STEPS = {
    "customer": "POST /v1/customers",
    "conversation": "POST /v1/conversations",
    "message": "POST /v1/conversations/*/messages",
    "note": "POST /v1/conversations/*/notes",
    "handoff": "PATCH /v1/conversations/*",
    "bulk customers": "POST /v1/customers/bulk",
    "bulk conversations": "POST /v1/conversations/bulk",
    "bulk messages": "POST /v1/messages/bulk",
}
FAULTS = ("reset-after", "status-after:503", "bad-json", "html-after:200")
HELLO = ("hello", "hi, how can I help?", "my parcel is late", "I am sorry")


async def run(report: Report, *, times: int) -> None:
    """Lose so many answers, in turn at each step."""
    wrong: list[str] = []
    lost: Counter[str] = Counter()
    for number, (fault, step) in zip(range(times), itertools.cycle(itertools.product(FAULTS, STEPS)), strict=False):
        if not await _once(STEPS[step], fault, many=step.startswith("bulk")):
            wrong.append(f"{step} {fault}")
        lost[step] += 1
        if number % 20 == 19:
            report.say(f"{number + 1} answers lost")
    report.say(", ".join(f"{step}: {count}" for step, count in lost.items()))
    report.check(f"{times} lost answers, not exactly one of each: {wrong or 0}", holds=not wrong)


async def _once(match: str, fault: str, *, many: bool) -> bool:
    names = [f"visitor-{number}" for number in range(8 if many else 1)]
    with tempfile.TemporaryDirectory() as folder:
        async with Sandbox().serve() as sandbox:
            sandbox.rules.bulk_seconds = 0
            office = Office(sandbox, f"sqlite:///{Path(folder) / 'outbox.db'}")
            rule = sandbox.fail(match, fault, times=1)
            sessions = [await office.say(name, *HELLO) for name in names]
            if not many:
                await office.hand_off(sessions[0])
            await office.deliver()
            await office.close()
            return (
                rule.hits == 1
                and all(office.texts(name) == list(HELLO) for name in names)
                and all(len(office.conversations(name)) == 1 for name in names)
                and len(sandbox.state.customers) == len(names)
                and len(sandbox.state.notes) == (0 if many else 1)
                and (many or office.conversations(names[0])[0]["priority"] == 4)
            )
