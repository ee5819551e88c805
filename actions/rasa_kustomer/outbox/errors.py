"""What the outbox raises."""

from rasa_kustomer.log import one_line


class OutboxUnavailableError(RuntimeError):
    """The outbox could not be written or read just now (full disk, locked file, server gone, too much waits)."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))  # a server's words may have several


class OutcomeUnknownError(OutboxUnavailableError):
    """The database failed while it was being written, so it may be there all the same."""


class PastUnknownError(Exception):
    """What the caller takes for recorded is not here: the database is another one than it was. Bring everything."""


class SchemaTooNewError(RuntimeError):
    """The outbox was written by a newer release; this one must not touch it."""
