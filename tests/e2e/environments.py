"""Environments with a real Rasa, built once in `$XDG_CACHE_HOME/rasa-kustomer` (default `~/.cache`) and kept.

An environment gets its name only when it is complete. A run that was killed leaves a folder that the next one removes.
"""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.interpreters import find_python, uv, what_to_install


@dataclass(frozen=True)
class Rasa:
    """A release of Rasa and a Python that it runs on; `pythons` in the order of preference."""

    requirement: str
    pythons: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of its folder in the cache."""
        return self.requirement.replace("==", "-")


OPEN_SOURCE = Rasa("rasa==3.6.21", ("3.10",))
PRO = Rasa("rasa-pro==3.21.0", ("3.11", "3.12", "3.13"))  # readers of flows; its server needs a license


def cache_folder() -> Path:
    """Where environments and trained models are kept between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rasa-kustomer"


def interpreter(rasa: Rasa, cache: Path | None = None) -> Path:
    """The Python of the environment, which is built first if there is none.

    Fails the test with the sentence that says what to install when no Python fits.
    """
    cache = cache or cache_folder()
    python = cache / rasa.name / "bin/python"
    with _locked(cache, rasa.name):
        if not python.exists():
            _build(rasa, _base_python(rasa), cache)
    return python


@contextlib.contextmanager
def _locked(cache: Path, name: str) -> Iterator[None]:
    """Let two runs not build the same environment; the lock ends with its process."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(rasa: Rasa, python: Path, cache: Path) -> None:
    making, done = cache / f"{rasa.name}.making", cache / rasa.name
    shutil.rmtree(making, ignore_errors=True)
    shutil.rmtree(done, ignore_errors=True)
    uv("venv", "--relocatable", "--python", python, making)
    uv("pip", "install", "--python", making / "bin/python", rasa.requirement)
    making.rename(done)


def _base_python(rasa: Rasa) -> Path:
    for version in rasa.pythons:
        if found := find_python(version):
            return found
    pytest.fail(f"{rasa.requirement} cannot be tested: {what_to_install(rasa.pythons[0])}", pytrace=False)
