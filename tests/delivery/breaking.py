"""Ways in which an SQLite file breaks."""

import sqlite3
from pathlib import Path

RUBBISH = b"\x5a\xa5"
INDEX_OF_WAITING = (
    "kustomer_session_open"  # workers read it, `record` writes it for a session that waits already no more
)


def truncate_log(path: Path) -> None:
    """Move all of the log into the file, as a checkpoint does."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def break_first_page(path: Path) -> None:
    truncate_log(path)
    _overwrite(path, 1)


def break_page_of(path: Path, *names: str) -> None:
    """Overwrite the root page of each of the tables or indexes."""
    truncate_log(path)
    connection = sqlite3.connect(path)
    pages = dict(connection.execute("SELECT name, rootpage FROM sqlite_master").fetchall())
    connection.close()
    for name in names:
        _overwrite(path, pages[name])


def _overwrite(path: Path, page: int) -> None:
    size = 1_024
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(RUBBISH * (size // len(RUBBISH)))


def files_of(path: Path) -> set[str]:
    """Names in the file's folder, without the logs that come and go."""
    return {one.name for one in path.parent.iterdir() if not one.name.endswith(("-wal", "-shm"))}
