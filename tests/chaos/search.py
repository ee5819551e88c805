"""The property tests with many random examples; what they find is printed, to be stored as a named test."""

import asyncio
import os
import random
import sys

from tests.chaos.harness import Report
from tests.searching import EXAMPLES

INTERLEAVINGS = "tests/delivery/test_interleavings.py"


async def run(report: Report, *, interleavings: int, others: int) -> None:
    """Search.

    Args:
        report: Where the findings go.
        interleavings: Examples of the state machine.
        others: Examples of each other property.
    """
    seed = random.randrange(2**32)
    for what, arguments, number in (
        ("interleavings of two processes", [INTERLEAVINGS], interleavings),
        ("every other property", ["tests", "--ignore=tests/e2e", f"--ignore={INTERLEAVINGS}"], others),
    ):
        broken = await _search(arguments, number, seed)
        report.check(f"{number:,} random examples, seed {seed}: {what}", holds=broken is None)
        if broken is not None:
            report.say(broken)


async def _search(arguments: list[str], number: int, seed: int) -> str | None:
    """The output of pytest when a counterexample was found; else None."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "hypothesis", f"--hypothesis-seed={seed}", *arguments]
    environment = {**os.environ, EXAMPLES: str(number)}
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    return None if process.returncode == 0 else output.decode(errors="replace")
