"""What is written down for an operator: each thing once, on one line, and nothing of a customer's."""

import logging
from collections.abc import Hashable

MOST_REMEMBERED = 1_000  # a log is no place for more
LONGEST = 1_000


def one_line(text: object) -> str:
    """A text in which nothing can begin a line of its own or steer a terminal."""
    return "".join(c if c.isprintable() else " " for c in str(text))[:LONGEST]


class Once:
    """Logs a WARNING once for each thing that it is about; remembers nothing but hashes, and not for ever.

    Args:
        logger: Where to.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger, self._said = logger, set[int]()

    def __call__(self, sentence: str, *, about: Hashable = None) -> None:
        """Say it, unless that was said.

        Args:
            sentence: Of ours, without anything that somebody else wrote.
            about: What tells one cause from another; the sentence itself when None.
        """
        mark = hash(sentence if about is None else about)
        if mark not in self._said and len(self._said) < MOST_REMEMBERED:
            self._said.add(mark)
            self._logger.warning("%s", one_line(sentence))
