"""Body of a customer that is created (Kustomer API reference, Customers)."""

from typing import Any

from rasa_kustomer.conversation.identity import Identity
from rasa_kustomer.conversation.keys import anonymous_id


def create_body(identity: Identity, *, shared: bool = False) -> dict[str, Any]:
    """All that is known of a person; `shared` for contact data that another customer has too."""
    body = bare_body(identity) if identity.anonymous or identity.external_id else _named(identity)
    emails, phones = ("sharedEmails", "sharedPhones") if shared else ("emails", "phones")
    if identity.email:
        body[emails] = [{"email": identity.email, "type": "other", "verified": identity.trusted}]
    if identity.phone:
        body[phones] = [{"phone": identity.phone, "type": "other", "verified": identity.trusted}]
    return body


def bare_body(identity: Identity) -> dict[str, Any]:
    """Without contact data, for a person who has an id or is anonymous."""
    external_id = identity.external_id or anonymous_id(identity.sender_id)
    return {"externalId": external_id, **_named(identity)}


def _named(identity: Identity) -> dict[str, Any]:
    return {"name": identity.name} if identity.name else {}
