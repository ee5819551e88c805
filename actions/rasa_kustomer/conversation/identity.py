"""Who somebody is, as far as Rasa's slots and metadata tell, and whether that can be trusted."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import phonenumbers

from rasa_kustomer.conversation.keys import PREFIX

Lookup = tuple[Literal["externalId", "email", "phone"], str]
_EMAIL = re.compile(r"[^@\s<>()\[\],;:\"\\]{1,64}@[^@\s<>()\[\],;:\"\\.]+(\.[^@\s<>()\[\],;:\"\\.]+)+")
_LONGEST = 255
_LARGEST_NUMBER = 10**40  # longer than any id, shorter than what Python refuses to write out


@dataclass(frozen=True, slots=True)
class IdentityNames:
    """Slots and metadata keys that hold an identity (KUSTOMER_SLOT_*)."""

    external_id: str = "customer_id"
    email: str = "email"
    phone: str = "phone"
    name: str = "name"


@dataclass(frozen=True, slots=True)
class Identity:
    """A person.

    Attributes:
        sender_id: Rasa's sender id, all that is known of an anonymous person.
        phone: In E.164 form.
        trusted: The channel vouches for it. Otherwise it is a claim: it may link a ticket, but
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
        now, at_start = (_read(sender_id, [source], names, phone_region, trusted=True) for source in metadata)
        if set(now.lookups) & set(at_start.lookups):  # the same person, told in more detail by both
            return _read(sender_id, metadata, names, phone_region, trusted=True)
        if not (now.anonymous and at_start.anonymous):
            return at_start if now.anonymous else now
    return _read(sender_id, [slots, *metadata], names, phone_region, trusted=False)


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
        external_id=first(names.external_id, _external_id),
        email=first(names.email, _email),
        phone=first(names.phone, lambda value: _phone(value, region)),
        name=first(names.name, _text),
        trusted=trusted,
    )


def _text(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    return " ".join("".join(c if c.isprintable() else " " for c in value).split())[:_LONGEST] or None


def _exact(value: object) -> str | None:
    """A value by which people are told apart: never shortened nor mended, since that could make it another person's."""
    text = _written_out(value)
    if not isinstance(text, str):
        return None
    text = text.strip()
    return text if 0 < len(text) <= _LONGEST and text.isprintable() else None


def _written_out(value: object) -> object:
    """A whole number as text, as slots of type `float` hold ids too."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LARGEST_NUMBER:
        return str(value)
    return value


def _external_id(value: object) -> str | None:
    text = _exact(value)
    return None if text is None or text.lower().startswith(PREFIX) else text  # ours are not for others to claim


def _email(value: object) -> str | None:
    text = (_exact(value) or "").lower()
    return text if _EMAIL.fullmatch(text) else None


def _phone(value: object, region: str | None) -> str | None:
    text = _text(_written_out(value))
    if text is None:
        return None
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
