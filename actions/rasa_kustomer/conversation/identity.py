"""Who somebody is, as far as Rasa's slots and metadata tell, and whether that can be trusted."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from rasa_kustomer.conversation import identifiers

Lookup = tuple[Literal["externalId", "email", "phone"], str]


@dataclass(frozen=True, slots=True)
class IdentityNames:
    """Slots and metadata keys that hold an identity (KUSTOMER_SLOT_*)."""

    external_id: str = "customer_id"
    email: str = "email"
    phone: str = "phone"
    name: str = "name"


@dataclass(frozen=True, slots=True)
class Identity:
    """What is known of a person.

    Attributes:
        sender_id: Rasa's sender id, all that is known of an anonymous person.
        phone: In E.164 form.
        trusted: The channel vouches for it. Otherwise it is claimed: it may link a ticket, but
            never discloses anything.
    """

    sender_id: str
    external_id: str | None = None
    email: str | None = None
    phone: str | None = None
    name: str | None = None
    trusted: bool = False

    @property
    def lookups(self) -> tuple[Lookup, ...]:
        """What to look the person up by, the surest first."""
        candidates: tuple[tuple[Literal["externalId", "email", "phone"], str | None], ...] = (
            ("externalId", self.external_id),
            ("email", self.email),
            ("phone", self.phone),
        )
        return tuple((field, value) for field, value in candidates if value)

    @property
    def anonymous(self) -> bool:
        """Whether nothing is known that a customer could be looked up by."""
        return not (self.external_id or self.email or self.phone)

    def is_same_person(self, other: "Identity") -> bool:
        """Whether two have an identifier in common; the company's own id decides where both have one.

        A family or an office may share an address.
        """
        if self.external_id and other.external_id:
            return self.external_id == other.external_id
        return not set(self.lookups).isdisjoint(other.lookups)

    def completed(self, before: "Identity") -> "Identity":
        """The same person with what was known of them before; what is new goes first."""
        return replace(
            self,
            external_id=self.external_id or before.external_id,
            email=self.email or before.email,
            phone=self.phone or before.phone,
            name=self.name or before.name,
        )


def identify(
    sender_id: str,
    *,
    slots: object,
    session_metadata: object,
    message_metadata: object,
    trust_metadata: bool,
    names: IdentityNames,
    phone_region: str | None = None,
) -> Identity:
    """Read the identity; what is malformed is left out.

    Trusted identifiers are never mixed with claimed ones; nor are those of a message with those of the session's start
    when they have none in common, since who signs in on a shared device must not be taken for the one before. Among
    claims the slots come first: a form has asked for them.

    Args:
        sender_id: Rasa's sender id.
        slots: The tracker's slots.
        session_metadata: Metadata of the message that started the session (slot `session_started_metadata`).
        message_metadata: Metadata of the latest message.
        trust_metadata: Whether the channel authenticates its users (KUSTOMER_TRUST_METADATA).
        names: Slots and metadata keys.
        phone_region: Country of numbers without +, as two letters.
    """
    metadata = [message_metadata, session_metadata]
    if trust_metadata:
        now, at_start = (vouched(sender_id, source, names, phone_region) for source in metadata)
        if now and at_start and now.is_same_person(at_start):  # told in more detail by both
            return now.completed(at_start)
        if person := now or at_start:
            return person
    return _read(sender_id, [slots, *metadata], names, phone_region, trusted=False)


def vouched(sender_id: str, metadata: object, names: IdentityNames, phone_region: str | None) -> Identity | None:
    """The person whom a channel's metadata names; None when it says nothing of anybody."""
    person = _read(sender_id, [metadata], names, phone_region, trusted=True)
    return None if person.anonymous else person


def not_understood(slots: Mapping[str, Any], names: IdentityNames, phone_region: str | None) -> dict[str, str]:
    """Slots that hold something which identifies nobody, with what they should hold."""
    readers: dict[str, tuple[str, Callable[[object], str | None]]] = {
        names.external_id: ("the id of one customer", identifiers.external_id),
        names.email: ("one e-mail address", identifiers.email),
        names.phone: ("one phone number in full", lambda value: identifiers.phone(value, phone_region)),
    }
    return {
        slot: expected
        for slot, (expected, read) in readers.items()
        if not identifiers.is_empty(slots.get(slot)) and read(slots[slot]) is None
    }


def _read(
    sender_id: str, sources: list[object], names: IdentityNames, region: str | None, *, trusted: bool
) -> Identity:
    usable = [source for source in sources if isinstance(source, dict)]  # as JSON's objects are

    def first(name: str, clean: Callable[[object], str | None]) -> str | None:
        for source in usable:
            if (value := source.get(name)) is not None and (cleaned := clean(value)):
                return cleaned
        return None

    return Identity(
        sender_id=sender_id,
        external_id=first(names.external_id, identifiers.external_id),
        email=first(names.email, identifiers.email),
        phone=first(names.phone, lambda value: identifiers.phone(value, region)),
        name=first(names.name, identifiers.name),
        trusted=trusted,
    )
