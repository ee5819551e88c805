"""Slots that agents must not see (KUSTOMER_NOTE_HIDDEN_SLOTS), wherever a slot may show."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from rasa_kustomer.conversation.texts import folded

HIDDEN = "(hidden)"
_SHORTEST = 3  # characters; a shorter value stands in too many words


class HiddenSlots:
    """Which slots are hidden, by their names and by the values that they have now.

    Args:
        names: As the admin wrote them.
        slots: The tracker's slots.
    """

    def __init__(self, names: Iterable[str], slots: Mapping[str, Any]) -> None:
        self._names = frozenset(map(folded, names))
        values = {text for name, value in slots.items() if name in self for text in _texts(value)}
        longest_first = sorted(values, key=len, reverse=True)
        self._values = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE) if values else None

    def __contains__(self, name: object) -> bool:
        """Whether a slot is hidden."""
        return isinstance(name, str) and folded(name) in self._names

    def without(self, text: str) -> str:
        """A text that a bot made, without the values of hidden slots."""
        return self._values.sub(HIDDEN, text) if self._values else text


def _texts(value: object) -> list[str]:
    if isinstance(value, Mapping):
        return [text for one in value.values() for text in _texts(one)]
    if isinstance(value, list):
        return [text for one in value for text in _texts(one)]
    if isinstance(value, bool) or value is None:
        return []
    try:
        text = " ".join(str(value).split())
    except ValueError:  # Python writes no numbers of more than 4300 digits
        return []
    return [text] if len(text) >= _SHORTEST else []
