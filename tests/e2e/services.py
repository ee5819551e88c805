"""Processes of a running bot: started on a free port, waited for, killed with all that they started."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

T = TypeVar("T")
START_SECONDS = 120
STOP_SECONDS = 15
LOG_LINES = 60
FOREIGN = ("KUSTOMER_", "PYTHON", "VIRTUAL_ENV", "RASA_")


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """This process's variables without those that belong to another Python, Rasa or Kustomer account."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return {**kept, "PYTHONUNBUFFERED": "1", "SANIC_HOST": "127.0.0.1", "RASA_TELEMETRY_ENABLED": "false", **extra}


def eventually(look: Callable[[], T | None], what: str, seconds: float = 20) -> T:
    """What `look` finds, asked again and again until it finds something; other processes tell no other way.

    Fails the test when nothing true was found in time.
    """
    deadline = time.monotonic() + seconds
    while True:
        if found := look():
            return found
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {seconds:g} s")
        time.sleep(0.05)


class Service:
    """A process in a group of its own, so that its children end with it.

    Args:
        name: For messages and the log's file name.
        command: What to run.
        folder: Working directory; the log is written beside it.
        url: Answers GET once the process is ready.
    """

    def __init__(self, name: str, command: Sequence[str | Path], folder: Path, url: str) -> None:
        self.name, self.url = name, url
        self._command, self._folder = [str(part) for part in command], folder
        self._log = folder.parent / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._settings: Mapping[str, str] = {}

    def start(self, settings: Mapping[str, str]) -> None:
        """Start it and wait until it answers; `settings` are added to the environment."""
        self._settings = settings
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=environment(settings),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        eventually(self._answers, f"{self.name} answers\n{self.log}", START_SECONDS)

    def restart(self) -> None:
        """Start it with the settings that it had."""
        self.start(self._settings)

    def stop(self) -> None:
        """Ask it to end (SIGTERM), as an operator does."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it and its children at once (SIGKILL), as a crash does."""
        self._end(signal.SIGKILL)

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """The end of what it printed."""
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines() if self._log.exists() else []
        return "\n".join(lines[-LOG_LINES:])

    def _answers(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            pytest.fail(f"{self.name} ended with code {self._process.returncode}:\n{self.log}", pytrace=False)
        try:
            return httpx.get(self.url, timeout=2).is_success
        except httpx.TransportError:
            return False

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, how)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pytest.fail(f"{self.name} did not end within {STOP_SECONDS} s:\n{self.log}", pytrace=False)
        finally:  # children that outlived it, or a process that did not listen
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
