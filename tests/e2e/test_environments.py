"""Rasa's environment is built once, whole or not at all; where Python is missing the run says what to install."""

import subprocess
from pathlib import Path

import pytest
from tests.e2e.environments import Rasa, interpreter

pytestmark = pytest.mark.e2e

SMALL = Rasa("iniconfig==2.0.0", ("3.10",))  # stands for Rasa: one file instead of 2.5 GB


def test_an_environment_is_built_once(tmp_path: Path) -> None:
    python = interpreter(SMALL, tmp_path)
    subprocess.run([python, "-c", "import iniconfig"], check=True)
    built = python.stat().st_ctime_ns
    assert interpreter(SMALL, tmp_path) == python
    assert python.stat().st_ctime_ns == built


@pytest.mark.parametrize("left_over", ["iniconfig-2.0.0.making/bin/python", "iniconfig-2.0.0/lib/half"])
def test_half_an_environment_is_built_again(left_over: str, tmp_path: Path) -> None:
    """A run that was killed while it built costs time, nothing else."""
    half = tmp_path / left_over
    half.parent.mkdir(parents=True)
    half.write_text("", encoding="utf-8")
    subprocess.run([interpreter(SMALL, tmp_path), "-c", "import iniconfig"], check=True)
    assert not half.exists()


def test_a_missing_python_fails_with_what_to_install(tmp_path: Path) -> None:
    """It is not skipped: a green run without Rasa would say that something was tested."""
    with pytest.raises(pytest.fail.Exception, match=r"Python 3\.99 was not found: install it"):
        interpreter(Rasa("rasa==3.6.21", ("3.99",)), tmp_path)
