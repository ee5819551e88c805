"""A damaged SQLite file: kept beside the new one that takes its place."""

import logging
from pathlib import Path

logger = logging.getLogger(__name__)

_SIGNS = ("file is not a database", "malformed")


def is_damage(error: BaseException) -> bool:
    """Whether the driver's error says that the file cannot be read as a database."""
    return any(sign in str(error) for sign in _SIGNS)


def set_aside(path: Path) -> None:
    """Rename the file and its logs, so that a new one can be made, and tell the operator."""
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        log = path.with_name(path.name + suffix)
        if log.exists():  # it holds the latest turns
            log.rename(aside.with_name(aside.name + suffix))
    logger.error(
        "The outbox %s is damaged and was set aside as %s; a new one is used from now on. "
        "Turns that were waiting in it are in that file (docs: troubleshooting, damaged outbox).",
        path,
        aside.name,
    )
