"""Log lines for an operator: each cause once, on one line, without a customer's data."""

import logging
from collections.abc import Hashable

MAX_REMEMBERED = 1_000  # more belongs elsewhere than in a log
MAX_LENGTH = 1_000


def one_line(text: object) -> str:
    """A text on one line, without anything that could control a terminal."""
    return "".join(c if c.isprintable() else " " for c in str(text))[:MAX_LENGTH]


class Once:
    """Logs a WARNING once per cause; remembers only hashes, and a bounded number of them.

    Args:
        logger: Where to.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger, self._said = logger, set[int]()

    def __call__(self, sentence: str, *, about: Hashable = None) -> None:
        """Log it, unless it was logged before.

        Args:
            sentence: Our own words, without any text from outside.
            about: Identifies the cause; the sentence itself when None.
        """
        mark = hash(sentence if about is None else about)
        if mark not in self._said and len(self._said) < MAX_REMEMBERED:
            self._said.add(mark)
            self._logger.warning("%s", one_line(sentence))
