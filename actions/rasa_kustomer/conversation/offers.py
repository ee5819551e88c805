"""Titles of the choices that a bot offered, for what comes back when one is pressed."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from rasa_kustomer.conversation.choices import contents

MOST_REMEMBERED = 200
_FOR_MACHINES = re.compile(r"[/_=|#&{}\[\]]|\w:\w")


class _Offer(NamedTuple):
    title: str
    at: int
    turn: int


class Offers:
    """What one sender was offered, the latest under each value.

    It outlives the events that it was learned from: Rasa cuts away those of earlier sessions, in which a button may
    stand that is pressed only now.
    """

    def __init__(self) -> None:
        self._by_value: dict[str, _Offer] = {}
        self._turn = 0

    def learn(self, event: Mapping[str, Any], at: int) -> None:
        """Follow a bot event.

        Args:
            event: The event.
            at: Its time, epoch microseconds.
        """
        data = event.get("data")
        if not isinstance(data, Mapping) or not any(data.values()):
            return
        for group in contents(data):
            if isinstance(group, list):
                for choice in group:
                    self._by_value.pop(choice.value, None)
                    self._by_value[choice.value] = _Offer(choice.title, at, self._turn)

    def title(self, value: str, at: int) -> str | None:
        """The title of the choice that was pressed; None when the user typed the text, as far as can be told.

        A word that may be typed just as well is taken for a press only as the answer to the bot's latest messages.

        Args:
            value: The user's text.
            at: Its time, epoch microseconds: what was offered later was not pressed.
        """
        offer = self._by_value.get(value)
        if offer is None or (at and offer.at > at) or (offer.turn != self._turn and not for_machines(value)):
            return None
        return offer.title

    def answered(self) -> None:
        """The user has said something: what follows is another turn."""
        self._turn += 1

    def forget_the_oldest(self) -> None:
        """Keep the latest `MOST_REMEMBERED`."""
        for value in list(self._by_value)[:-MOST_REMEMBERED]:
            del self._by_value[value]


def for_machines(value: str) -> bool:
    """Whether a text is nothing that people type: `/ask{"a": 1}`, `inv_17`, `pay:12`."""
    if value.startswith("/"):
        return True
    return _FOR_MACHINES.search(value) is not None and not any(one.isspace() for one in value)
