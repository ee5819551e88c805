"""What the product sends and says today, and after every change that is not meant to change it.

Each scenario runs the real actions and everything behind them against the sandbox, in one lane and on a clock of its
own; what was asked of Kustomer, what the user heard and which slots were set stands in `wire/`, in order.
"""

from pathlib import Path

import pytest
from tests.golden.golden import compare, written
from tests.golden.plant import play
from tests.golden.registry import SCENARIOS
from tests.golden.scenarios import faults, handoffs, jobs, people, upkeep  # noqa: F401 - they enter their scenarios

WIRE = Path(__file__).parent / "wire"


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_what_goes_over_the_wire_is_what_it_was(name: str, tmp_path: Path, regolden: bool) -> None:
    compare(WIRE / f"{name}.json", written(play(SCENARIOS[name], tmp_path)), regolden=regolden)


def test_every_golden_file_has_its_scenario() -> None:
    assert {file.stem for file in WIRE.iterdir()} == set(SCENARIOS)
