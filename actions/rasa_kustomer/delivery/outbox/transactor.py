"""What the outbox asks of a database; sqlite.py and postgres.py are the two that answer."""

import threading
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from sqlalchemy import Connection

from rasa_kustomer.log import one_line

T = TypeVar("T")


class Access(Enum):
    """What an outbox is opened for."""

    SERVE = "serve"  # to record or to deliver: it is made when there is none, and a damaged file is replaced
    CHANGE = "change"  # an operator's command changes what is there, and neither makes nor renames a file
    LOOK = "look"  # an operator's command only reads


class OutboxUnavailableError(RuntimeError):
    """The outbox could not be written or read just now (full disk, locked file, server gone, too much waits)."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))  # a server's words may have several


class OutcomeUnknownError(OutboxUnavailableError):
    """The database failed while it was being written, so it may be there all the same."""


class Withdrawable(Generic[T]):
    """Work that its caller can take back until it has begun: after a wait that was too long it must not be done late.

    Args:
        work: What to do with the connection.
    """

    def __init__(self, work: Callable[[Connection], T]) -> None:
        self._work, self._lock = work, threading.Lock()
        self._begun = self._withdrawn = False

    def __call__(self, connection: Connection) -> T:
        """Do the work, unless it was taken back."""
        with self._lock:
            if self._withdrawn:
                raise OutboxUnavailableError("nobody waits for it any more")
            self._begun = True
        return self._work(connection)

    def withdraw(self) -> bool:
        """Take it back; False when it had begun and may be done."""
        with self._lock:
            self._withdrawn = True
            return not self._begun


class Transactor(Protocol):
    """Runs functions inside transactions of one database."""

    @property
    def path(self) -> Path | None:
        """File of the database; None when it is not a file."""

    @property
    def place(self) -> str:
        """Where the database is, in words for an operator and without a password."""

    async def run(self, work: Callable[[Connection], T], *, patience_seconds: float | None = None) -> T:
        """Run `work` in a transaction, commit, and return its result.

        `work` must have no effect but on the database: it may run again after it failed.

        Args:
            work: What to do with the connection.
            patience_seconds: Longest wait; after it the caller gets an error though the work may still be done.

        Raises:
            OutboxUnavailableError: The database cannot be used just now. The cause is named.
        """

    async def read(self, work: Callable[[Connection], T]) -> T:
        """As `run`, for work that only reads: it sees one moment of the database and holds up no writer."""

    async def close(self) -> None:
        """Finish what runs and close the database; the next call opens it again."""
