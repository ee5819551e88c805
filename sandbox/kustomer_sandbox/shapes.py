"""Which fields each body may have (Kustomer API reference, the create and update page of each resource)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kustomer_sandbox import fields
from kustomer_sandbox.errors import Refusal, additional, bad
from kustomer_sandbox.fields import (
    Check,
    boolean,
    date_time,
    many,
    mapping,
    new_id,
    one_of,
    record,
    reference,
    text,
)
from kustomer_sandbox.rules import Rules
from kustomer_sandbox.state import State

MESSAGE_CHANNELS = ("email", "sms", "chat", "facebook", "twitter-dm", "twitter-tweet", "voice", "instagram", "whatsapp")
WRAPPERS = ("data", "attributes")
ADMIN_FIELDS = ("createdAt", "createdBy", "modifiedAt", "modifiedBy")


@dataclass(frozen=True)
class Shape:
    """The fields of one body; `resource` says where its custom attributes are defined."""

    resource: str
    fields: Mapping[str, Check]
    required: frozenset[str] = frozenset()

    def check(self, body: Any, state: State, rules: Rules) -> dict[str, Any]:
        """The body, if nothing is wrong with it.

        Raises:
            Refusal: 400 for the first thing wrong.
        """
        if not isinstance(body, dict):
            raise bad("body", "should be a JSON object")
        for wrapper in WRAPPERS:
            if wrapper in body:
                raise bad(wrapper, f"/{wrapper}: request bodies are flat", title="Additional properties not allowed")
        for name in body:
            if name not in self.fields and name != "custom":
                raise additional(name)
        for name in sorted(self.required - body.keys()):
            raise bad(name, f"should have required property {name}", title="Missing required property")
        for name, value in body.items():
            if name != "custom" and (wrong := self.fields[name](value, state)):
                raise bad(name, f"/{name} {wrong}")
        self._check_custom(body.get("custom", {}), state, rules)
        return body

    def _check_custom(self, custom: Any, state: State, rules: Rules) -> None:
        if not isinstance(custom, dict):
            raise bad("custom", "should be object")
        for name, value in custom.items():
            if name not in rules.custom.get(self.resource, ()):
                raise additional(name, "/properties/custom")
            if wrong := fields.custom_problem(name, value, state):
                raise bad(name, f"/custom/{name} {wrong}")


def admin_only(body: Mapping[str, Any], *, is_admin: bool) -> None:
    """Refuses authorship fields without `org.admin` (Kustomer API reference, Create message).

    Raises:
        Refusal: 403 naming the field.
    """
    for name in ADMIN_FIELDS:
        if name in body and not is_admin:
            raise Refusal(403, f"{name} needs the role org.admin", parameter=name)


_contact_type = one_of("home", "work", "mobile", "other")
_verified: Mapping[str, Check] = {"verified": boolean}
_typed: Mapping[str, Check] = {"type": _contact_type, **_verified}
_external_id = text(least=1)
_external_ids = many(record({"externalId": _external_id}, _verified))
_emails = many(record({"email": text(pattern=fields.EMAIL)}, _typed))
_phones = many(record({"phone": text(pattern=fields.E164)}, _typed))
_social = record({"type": text()}, {"username": text(), "userid": text(), "url": text(2048), **_verified})
_sentiment = record({"polarity": fields.number(-1, 1), "confidence": fields.number(0, 1)})
_attachment = record(
    {"_id": new_id, "name": text(), "contentType": text(), "contentLength": fields.number(0, 10**9, whole=True)},
    {"sourceId": text()},
)
_LANGUAGE = text(16, pattern=re.compile("[a-z]{2}(_[a-z]{2})?"))
_tags = many(reference("tags"))

_CUSTOMER: Mapping[str, Check] = {
    **dict.fromkeys(("name", "username", "locale", "timeZone"), text()),
    "avatarUrl": text(2048),
    "gender": one_of("m", "f"),
    "externalId": _external_id,
    **dict.fromkeys(("externalIds", "sharedExternalIds"), _external_ids),
    **dict.fromkeys(("emails", "sharedEmails"), _emails),
    **dict.fromkeys(("phones", "sharedPhones", "whatsapps"), _phones),
    **dict.fromkeys(("socials", "sharedSocials"), many(_social)),
    **dict.fromkeys(("urls", "locations", "facebookIds", "instagramIds"), many(mapping)),
    "tags": _tags,
    "sentiment": _sentiment,
    "defaultLang": _LANGUAGE,
    **dict.fromkeys(("birthdayAt", "signedUpAt", "createdAt", "importedAt"), date_time),
    **dict.fromkeys(("lastActivityAt", "lastCustomerActivityAt", "lastSeenAt"), date_time),
    "rev": fields.number(0, 2**53, whole=True),
}
CUSTOMER_CREATE = Shape("customer", _CUSTOMER)
CUSTOMER_UPDATE = CUSTOMER_CREATE

_CONVERSATION: Mapping[str, Check] = {
    "customer": reference("customers"),
    "externalId": _external_id,
    "name": text(256),
    "priority": fields.number(1, 5, whole=True),
    "direction": one_of("in", "out"),
    "assignedUsers": many(reference("users"), fields.MOST_ASSIGNEES),
    "assignedTeams": many(reference("teams"), fields.MOST_ASSIGNEES),
    "queue": record({"id": reference("queues")}),
    "tags": _tags,
    "replyChannel": one_of(*MESSAGE_CHANNELS),
    "defaultLang": _LANGUAGE,
    "importedAt": date_time,
}
CONVERSATION_CREATE = Shape(
    "conversation",
    {**_CONVERSATION, "id": new_id, "status": one_of("open", "done"), "createdAt": date_time},
    frozenset({"customer"}),
)
CONVERSATION_UPDATE = Shape(
    "conversation",
    {
        **_CONVERSATION,
        "status": one_of("open", "snoozed", "done"),
        "subStatus": new_id,
        "snooze": record({"status": text(), "time": date_time}),
        "satisfaction": fields.number(0, 100),
        "satisfactionLevel": mapping,
        "suggestedShortcuts": many(mapping),
    },
)

_MESSAGE: Mapping[str, Check] = {
    "conversation": reference("conversations"),
    "externalId": _external_id,
    "preview": text(10_000),
    "subject": text(),
    "status": one_of("sent", "received", "error"),
    "error": mapping,
    "size": fields.number(0, 10**9, whole=True),
    "attachments": many(_attachment),
    **dict.fromkeys(("meta", "location"), mapping),
    "sentiment": _sentiment,
    "lang": _LANGUAGE,
    **dict.fromkeys(("sentAt", "errorAt", "createdAt", "modifiedAt"), date_time),
    **dict.fromkeys(("createdBy", "modifiedBy"), reference("users")),
}
MESSAGE_CREATE = Shape(
    "message",
    {
        **_MESSAGE,
        "id": new_id,
        "customer": reference("customers"),
        "channel": one_of(*MESSAGE_CHANNELS),
        "app": text(least=1),
        "direction": one_of("in", "out"),
        "auto": boolean,
        "importedAt": date_time,
        "source": one_of("bulk", "satisfaction"),
        "reference": record({"message": reference("messages"), "type": one_of("reply", "replyAll", "forward")}),
    },
    frozenset({"channel", "app", "direction"}),
)
MESSAGE_UPDATE = Shape("message", {**_MESSAGE, "updatedAt": date_time})

_NOTE: Mapping[str, Check] = {
    "body": text(fields.LONG, least=1),
    "externalId": _external_id,
    "userMentions": many(record({}, {"user": reference("users"), "team": reference("teams")})),
    "attachments": many(_attachment),
    **dict.fromkeys(("createdAt", "modifiedAt"), date_time),
    **dict.fromkeys(("createdBy", "modifiedBy"), reference("users")),
    "lang": _LANGUAGE,
}
NOTE_CREATE = Shape(
    "note",
    {**_NOTE, "id": new_id, "conversation": reference("conversations"), "importedAt": date_time},
    frozenset({"body"}),
)
NOTE_UPDATE = Shape("note", _NOTE)
