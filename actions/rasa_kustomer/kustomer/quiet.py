"""Our requests stay out of the HTTP library's log, since their addresses hold e-mail addresses; all others' stay in it.

The host's process may use the same library, and log what it likes.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_OF_OURS: ContextVar[bool] = ContextVar("kustomer_request", default=False)
# Each logger by itself: a logger's filters do not see what those below it log.
_LOGGERS = ("httpx", *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")))


def _not_ours(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING or not _OF_OURS.get()


def keep_our_requests_out() -> None:
    """Tell the loggers, once."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_not_ours)


@contextmanager
def our_request() -> Iterator[None]:
    """What is logged within is about one of our requests."""
    token = _OF_OURS.set(True)
    try:
        yield
    finally:
        _OF_OURS.reset(token)
