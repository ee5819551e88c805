"""An SQLite file that is damaged or gone: told apart from the others, and replaced by one process at a time.

A file is the one of a path as long as device and inode are the same. Whoever finds damage proves it with a fresh
connection, under a lock, and only then renames; everybody else sees another file at the path, and opens that.
"""

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from rasa_kustomer.outbox.errors import OutboxUnavailableError

logger = logging.getLogger(__name__)

Identity: TypeAlias = tuple[int, int]
LOCK_SECONDS = 5.0
GUIDE = "docs/admins.md, Recover a damaged outbox"

_SIGNS = ("not a database", "malformed", "Could not decode to UTF-8")
_LOGS = ("-wal", "-shm")


def is_damage(error: BaseException) -> bool:
    """Whether the driver's error says that the file cannot be read as what was written."""
    return any(sign in str(error) for sign in _SIGNS)


def identity(path: Path) -> Identity | None:
    """Which file is at the path; None when there is none.

    Raises:
        OSError: The file cannot be examined.
    """
    try:
        found = os.stat(path)  # noqa: PTH116 - on the path of every turn, and Path.stat takes twice as long
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """A lock, so that only one process at a time makes or replaces the outbox in a folder; it ends with the process.

    Raises:
        OutboxUnavailableError: Another process holds the lock for too long.
    """
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        deadline = time.monotonic() + LOCK_SECONDS
        while not _locked(folder):
            if time.monotonic() > deadline:
                raise OutboxUnavailableError("another process is replacing its file")
            time.sleep(0.01)
        yield
    finally:
        os.close(folder)


def _locked(folder: int) -> bool:
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def set_aside(path: Path) -> None:
    """Rename the file and its logs, so that a new one can be made, and tell the operator.

    The file goes first: from that moment on every other process sees that it is gone, and writes to it no more.
    """
    aside = _free_name(path)
    path.rename(aside)
    logger.error(
        "The outbox %s is damaged and was set aside as %s; a new one is used from now on. "
        "Turns that were waiting in it are in that file (%s).",
        path,
        aside.name,
        GUIDE,
    )
    _move_logs(path, aside)


def keep_logs(path: Path) -> None:
    """Save the logs of a file that is gone, before SQLite makes a new file and deletes them: they hold messages."""
    log = _log(path, "-wal")
    if log.exists() and log.stat().st_size:
        aside = _free_name(path)
        logger.error(
            "The outbox %s is missing, but its log is there; it was kept as %s-wal and holds the latest messages (%s).",
            path,
            aside.name,
            GUIDE,
        )
        _move_logs(path, aside)


def _free_name(path: Path) -> Path:
    number = 1
    while any(_log(aside := path.with_name(f"{path.name}.damaged-{number}"), end).exists() for end in ("", *_LOGS)):
        number += 1
    return aside


def _move_logs(path: Path, aside: Path) -> None:
    for suffix in _LOGS:
        if (log := _log(path, suffix)).exists():
            log.rename(_log(aside, suffix))


def _log(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
