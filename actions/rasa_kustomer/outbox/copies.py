"""Copies of the SQLite file: made while it is in use, and put in its place."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from rasa_kustomer.outbox.births import Marks, restored
from rasa_kustomer.outbox.connection import Connection
from rasa_kustomer.outbox.errors import SchemaTooNewError
from rasa_kustomer.outbox.schema import TABLES, check_version, has_tables
from rasa_kustomer.outbox.sqlite import BUSY_TIMEOUT_MS, PRIVATE_FILE, PRIVATE_FOLDER

LOGS = ("-wal", "-shm")


class CopyError(RuntimeError):
    """A copy could not be made or used; the message says why, and nothing was changed."""


def back_up(outbox: Path, copy: Path) -> None:
    """Copy the outbox into a new file, whoever uses it at the same time.

    Args:
        outbox: The file in use.
        copy: Must not exist; readable by its owner only.

    Raises:
        CopyError: There is no sound copy; `copy` was not made.
    """
    if copy.exists():
        raise CopyError(f"{copy} exists; nothing was written.")
    with _sound_copy(outbox, copy.with_name(f".{copy.name}.partial")) as partial:
        partial.replace(copy)


def restore(copy: Path, outbox: Path, now: float) -> tuple[Marks, Path | None]:
    """Put a copy in the place of the outbox, marked as restored.

    The copy is made sound and whole beside the outbox first; then one rename puts it in place.

    Args:
        copy: Keeps what is in it.
        outbox: The file that it replaces, if there is one; it is kept.
        now: Epoch seconds.

    Returns:
        What will be looked up in Kustomer, and where the old file is now.

    Raises:
        CopyError: Nothing was changed.
    """
    if outbox.exists() and copy.exists() and outbox.samefile(copy):
        raise CopyError(f"{copy} is the outbox itself. If it was put there by hand: rasa-kustomer outbox restored")
    if copy.is_file():
        outbox.parent.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
    with _sound_copy(copy, outbox.with_name(f".{outbox.name}.restoring")) as ready:
        marks = _mark(ready, now)
        kept = _keep(outbox) if outbox.exists() else None
        ready.replace(outbox)
    return marks, kept


@contextmanager
def _sound_copy(source: Path, target: Path) -> Iterator[Path]:
    """A copy of an outbox in one file, proved to be whole; deleted at the end unless it was moved away."""
    if not source.is_file():
        raise CopyError(f"There is no file {source}.")
    target.unlink(missing_ok=True)  # of a run that was killed
    try:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, PRIVATE_FILE))
        with closing(_open(source)) as read, closing(_open(target)) as written:
            read.backup(written)  # in one step, so that writers neither wait nor make it begin again
            written.execute("PRAGMA journal_mode=DELETE")
            [(verdict,), *_] = written.execute("PRAGMA integrity_check(1)").fetchall()
            if verdict != "ok":
                raise CopyError(f"{source} is damaged ({verdict}).")
            _check_tables(source, written)
        yield target
    except (sqlite3.Error, OSError) as error:
        raise CopyError(f"{source} cannot be used: {error}") from None
    finally:
        for suffix in ("", "-journal", *LOGS):
            target.with_name(target.name + suffix).unlink(missing_ok=True)


def _open(path: Path) -> sqlite3.Connection:
    """Never makes a file."""
    uri = f"{path.resolve().as_uri()}?mode=rw"
    return sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_MS / 1_000, isolation_level=None)


def _check_tables(source: Path, copy: sqlite3.Connection) -> None:
    copy.row_factory = sqlite3.Row
    connection = Connection(copy, is_sqlite=True)
    if not has_tables(connection, TABLES):
        raise CopyError(f"{source} is not an outbox.")
    try:
        check_version(connection)
    except SchemaTooNewError as error:
        raise CopyError(str(error)) from None


def _mark(path: Path, now: float) -> Marks:
    with closing(_open(path)) as driver, driver:  # the inner one commits
        driver.row_factory = sqlite3.Row
        driver.execute("BEGIN IMMEDIATE")
        return restored(Connection(driver, is_sqlite=True), now)


def _keep(outbox: Path) -> Path:
    """Give the file in use a second name; its log is merged into it first, since it must not apply to the next file."""
    number = 1
    while (kept := outbox.with_name(f"{outbox.name}.before-restore-{number}")).exists():
        number += 1
    with suppress(sqlite3.DatabaseError):  # damaged: its log is kept beside it
        with closing(_open(outbox)) as connection:
            connection.execute("PRAGMA busy_timeout=0")
            try:
                [(mode,)] = connection.execute("PRAGMA journal_mode=DELETE").fetchall()  # only whoever is alone may
            except sqlite3.OperationalError:
                mode = "locked"
        if mode != "delete":
            raise CopyError("The outbox is in use: stop the action server and rasa-kustomer worker first.")
    os.link(outbox, kept)
    kept.chmod(PRIVATE_FILE)
    for suffix in LOGS:
        if (log := outbox.with_name(outbox.name + suffix)).exists():
            log.rename(kept.with_name(kept.name + suffix))
    return kept
