"""What the outbox raises."""

from rasa_kustomer.log import one_line


class OutboxUnavailableError(RuntimeError):
    """The outbox could not be written or read just now (full disk, locked file, server gone, too much waits)."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))  # a server's words may have several


class OutcomeUnknownError(OutboxUnavailableError):
    """The database failed during the write, which may have succeeded all the same."""


class PastUnknownError(Exception):
    """What the caller assumes to be recorded is not here: the database was replaced. Record everything again."""


class SchemaTooNewError(RuntimeError):
    """The outbox was written by a newer release; this one must not touch it."""
