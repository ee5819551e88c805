"""Who a sender is by the events so far: the slots and metadata that the hook gets ready-made."""

from collections import deque
from collections.abc import Mapping
from typing import Any

from rasa_kustomer.conversation.events import SESSION_METADATA, Event
from rasa_kustomer.conversation.identity import IdentityNames

_REWINDS = 4  # Rasa's action_back rewinds twice; nothing rewinds further in one go


class Knowledge:
    """Identity slots and the latest message's metadata of one sender.

    A `restart` alone changes nothing here: the session that follows it begins with empty slots, and the last words of
    the one before belong to the person who spoke.

    Args:
        names: The slots that tell who somebody is.

    Attributes:
        watched: Names of the slots that matter.
        slots: Their values.
        message_metadata: Of the latest user message.
        complete: The start of the session, when Rasa empties all slots, was among the events, or made up for.
    """

    def __init__(self, names: IdentityNames) -> None:
        self.watched = {names.external_id, names.email, names.phone, names.name, SESSION_METADATA}
        self._names = names
        self._before: deque[tuple[dict[str, Any], object]] = deque(maxlen=_REWINDS)
        self.slots: dict[str, Any] = {}
        self.message_metadata: object = None
        self.complete = False

    def copy(self) -> "Knowledge":
        """The same, to go on from."""
        other = Knowledge(self._names)
        other._before = self._before.copy()
        other.slots, other.message_metadata, other.complete = dict(self.slots), self.message_metadata, self.complete
        return other

    def apply(self, event: Event) -> None:
        """Follow one event, as Rasa's tracker does."""
        kind = event.kind
        if kind == "slot" and event.name in self.watched:
            self.slots[event.name] = event.value
        elif kind == "user":
            self._before.append((dict(self.slots), self.message_metadata))
            self.message_metadata = event.sender_metadata
        elif kind == "rewind" and self._before:
            self.slots, self.message_metadata = self._before.pop()
        elif kind == "reset_slots":
            self.slots = {}
        elif kind == "session_started":
            self._before.clear()
            self.slots, self.message_metadata, self.complete = {}, None, True

    def recall(self, identity: Mapping[str, Any]) -> None:
        """Fill in what was known before the first event.

        A trusted identity came from metadata, a claimed one counts as slots: so both are weighed as they would have
        been, had the beginning been seen.

        Args:
            identity: As kept with the session (`records.identity_fields`); empty when there is none.
        """
        names = self._names
        fields = {
            names.external_id: identity.get("external_id"),
            names.email: identity.get("email"),
            names.phone: identity.get("phone"),
            names.name: identity.get("name"),
        }
        known = {name: value for name, value in fields.items() if value}
        before = {SESSION_METADATA: known} if identity.get("trusted") else known
        self.slots = before | self.slots
        self.complete = True
