"""Environments with a real Rasa, built once in `$XDG_CACHE_HOME/rasa-kustomer` (default `~/.cache`) and kept.

An environment gets its name only when it is complete. A run that was killed leaves a folder that the next one removes.
"""

import contextlib
import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


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
    _uv("venv", "--relocatable", "--python", python, making)
    _uv("pip", "install", "--python", making / "bin/python", rasa.requirement)
    making.rename(done)


def _base_python(rasa: Rasa) -> Path:
    finder = _finder()
    for version in rasa.pythons:
        if found := finder.find(version):
            return Path(found)
    pytest.fail(f"{rasa.requirement} cannot be tested: {finder.what_to_install(rasa.pythons[0])}", pytrace=False)


def _finder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("find_python", ROOT / "scripts/find_python.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _uv(*arguments: str | Path) -> None:
    tool = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    assert tool is not None, "uv is missing: run make setup"
    command = [tool, "--quiet", "--no-progress", "--no-python-downloads", "--system-certs", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"{' '.join(command)}\n{done.stdout}{done.stderr}", pytrace=False)
