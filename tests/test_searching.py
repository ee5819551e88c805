"""The search of property tests is the same every time, unless a wide one is asked for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.searching import EXAMPLES

CI = {"CI": "true", "GITHUB_ACTIONS": "true"}
"""Where these are set, Hypothesis has other defaults."""

PROPERTY = """
from hypothesis import given, strategies as st
from tests.searching import choose_profile

choose_profile()
tried = []

@given(st.integers(), st.sampled_from(["a", "b", "c"]), st.dictionaries(st.text(max_size=3), st.floats()))
def test_property(number, letter, table):
    tried.append(repr((number, letter, table)))

test_property()
print("tried:", len(tried), "|".join(tried).encode().hex())
"""


@pytest.fixture
def tried(tmp_path: Path) -> "Tried":
    """Runs a property as the tests are configured, but without pytest, which takes longer to start than to run it."""
    return Tried(tmp_path)


class Tried:
    def __init__(self, folder: Path) -> None:
        self._file = folder / "property.py"
        self._file.write_text(PROPERTY)

    def __call__(self, *, hash_seed: str, **variables: str) -> str:
        """What was tried."""
        environment = {name: value for name, value in os.environ.items() if name not in {EXAMPLES, *CI}}
        environment |= {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(Path(__file__).parents[1]), **variables}
        done = subprocess.run(
            [sys.executable, self._file.name],
            cwd=self._file.parent,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        return next(line for line in done.stdout.splitlines() if "tried:" in line)


def test_a_property_tries_the_same_examples_every_time_and_with_every_hash_seed(tried: Tried) -> None:
    assert tried(hash_seed="1") == tried(hash_seed="2") == tried(hash_seed="1", **CI)


@pytest.mark.parametrize("variables", [{}, CI], ids=["here", "in CI"])
def test_a_wide_search_tries_other_and_more_examples_each_time(tried: Tried, variables: dict[str, str]) -> None:
    wide = tried(hash_seed="1", **{EXAMPLES: "150"}, **variables)
    assert " 150 " in wide
    assert wide != tried(hash_seed="1", **{EXAMPLES: "150"}, **variables)
