"""A tracker event, read once into what the rest looks at; never raises, whatever Rasa or a broken tracker sent."""

from collections.abc import Sequence
from typing import Any, TypeAlias

Moment: TypeAlias = tuple[str, int]
"""Kind and time (epoch microseconds) of an event; 0 when it has no usable time."""

SESSION_METADATA = "session_started_metadata"  # Rasa's slot with the metadata of the message that began the session
_TOO_LATE_SECONDS = 253_402_000_000.0  # the year 9999
_UNDERSTANDING = frozenset(
    {"text", "intent", "intent_ranking", "entities", "response_selector", "text_tokens", "message_id", "commands"}
)


def mapping(value: object) -> dict[str, Any]:
    """An object of JSON; an empty one in place of anything else."""
    return value if isinstance(value, dict) else {}


def word(value: object) -> str:
    """A text of JSON; an empty one in place of anything else."""
    return value if isinstance(value, str) else ""


def without_understanding(parsed: object) -> dict[str, Any]:
    """The parse data without what Rasa understood: its largest part, which may hold addresses that nobody sent."""
    return {name: value for name, value in mapping(parsed).items() if name not in _UNDERSTANDING}


class Event:
    """One event; fields that most readers do not look at are read when they are asked for.

    Attributes:
        kind: As Rasa names it (`user`, `bot`, `slot` ...); empty for what is no event.
        at: Its time, epoch microseconds; 0 when it has no usable one.
    """

    __slots__ = ("_fields", "at", "kind")

    def __init__(self, fields: object) -> None:
        self._fields = fields = mapping(fields)
        self.kind = word(fields.get("event"))
        at = fields.get("timestamp")
        self.at = 0
        if isinstance(at, (float, int)) and at is not True and 0 < at < _TOO_LATE_SECONDS:  # nor NaN
            self.at = round(at * 1_000_000)

    @property
    def moment(self) -> Moment:
        """Kind and time."""
        return self.kind, self.at

    @property
    def at_ms(self) -> int | None:
        """Time in epoch milliseconds; None when it has no usable one."""
        return self.at // 1000 or None

    @property
    def text(self) -> str:
        """What was said, as it came."""
        return word(self._fields.get("text"))

    @property
    def message_id(self) -> str:
        """Of a user's message, as Rasa or its connector gave it."""
        return word(self._fields.get("message_id"))

    @property
    def has_message_id(self) -> bool:
        """Whether somebody sent it, rather than a program: such a message has an id (Rasa notes, Events)."""
        return bool(self._fields.get("message_id"))

    @property
    def input_channel(self) -> str:
        """Name of Rasa's input channel."""
        return word(self._fields.get("input_channel"))

    @property
    def name(self) -> str | None:
        """Of an action, slot or form; empty for a malformed one."""
        name = self._fields.get("name")
        return None if name is None else word(name)

    @property
    def value(self) -> Any:
        """Of a slot."""
        return self._fields.get("value")

    @property
    def metadata(self) -> dict[str, Any]:
        """Of a message."""
        return mapping(self._fields.get("metadata"))

    @property
    def parsed(self) -> dict[str, Any]:
        """A user's message as Rasa understood it."""
        return mapping(self._fields.get("parse_data"))

    @property
    def sender_metadata(self) -> object:
        """What the channel sent along with a user's message."""
        return self.parsed.get("metadata") or self._fields.get("metadata")

    @property
    def attached(self) -> tuple[object, dict[str, Any]]:
        """Wherever a connector puts what was sent beside the text."""
        return self._fields.get("metadata"), without_understanding(self._fields.get("parse_data"))

    @property
    def data(self) -> dict[str, Any]:
        """What a bot showed beside the text."""
        return mapping(self._fields.get("data"))

    @property
    def content(self) -> object:
        """The same without what is empty, to tell one from another."""
        data = self._fields.get("data")
        return {name: value for name, value in data.items() if value} if isinstance(data, dict) else data

    @property
    def tells_session_metadata(self) -> bool:
        """Whether Rasa tells the metadata of the message that began the session, or begins the next."""
        return self.kind == "slot" and self.name == SESSION_METADATA

    @property
    def is_external(self) -> bool:
        """Whether it says of itself that a program sent it; a customer's own metadata may say so too."""
        return bool(self.metadata.get("is_external"))

    @property
    def from_kustomer(self) -> bool:
        """Whether an agent said it in Kustomer, which has it already."""
        outer = self.metadata
        return any(
            one.get("source") == "kustomer" or bool(one.get("kustomer_message_id"))
            for one in (outer, mapping(outer.get("metadata")))
        )


def latest(events: Sequence[object], kind: str) -> Event | None:
    """The last event of a kind."""
    return next((event for event in map(Event, reversed(events)) if event.kind == kind), None)
