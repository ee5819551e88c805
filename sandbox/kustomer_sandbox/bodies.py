"""What each body may hold (Kustomer API reference, the create and update page of each resource).

Stricter than the reference where it is silent: null is no value, texts are bounded and hold no NUL or lone surrogate.
"""

import re
from datetime import datetime, timezone
from typing import Annotated, Any, Literal

import pydantic
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from kustomer_sandbox.calls import Org, Refusal, bad

DATE_TIME = re.compile(r"\A(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(Z|[+-]\d\d:\d\d)\Z", re.ASCII)


def _moment(written: str) -> str:
    """The same moment in UTC with milliseconds, as Kustomer writes it, so that dates sort as texts."""
    try:
        _, seconds, fraction, zone, _ = DATE_TIME.split(written)
        # Python 3.10 reads fractions of three or six digits only, and no "Z".
        moment = datetime.fromisoformat(f"{seconds}.{(fraction or '').ljust(6, '0')}{zone.replace('Z', '+00:00')}")
        return moment.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError):
        raise PydanticCustomError("moment", "should be date-time") from None


def _different(entries: list[Any]) -> list[Any]:
    if any(entry in entries[:place] for place, entry in enumerate(entries)):
        raise PydanticCustomError("different", "should not have duplicate items")
    return entries


def _text(most: int = 255, least: int = 0, pattern: str = "[^\\x00]*") -> Any:
    return pydantic.constr(min_length=least, max_length=most, pattern=f"^(?:{pattern})$")


def _many(item: Any, most: int = 100) -> Any:
    return Annotated[pydantic.conlist(item, max_length=most), AfterValidator(_different)]


def _existing(kind: str) -> Any:
    def check(row_id: str, info: pydantic.ValidationInfo) -> str:
        state: Any = info.context
        if row_id not in state.table(kind):
            raise PydanticCustomError("existing", f"no such object in {kind}")
        return row_id

    return Annotated[NewId, AfterValidator(check)]


def _body(required: str, *fields: tuple[Any, str]) -> type[BaseModel]:
    """A body with these fields and no other: each kind with the names of the fields that have it."""
    known: dict[str, Any] = {name: (kind, None) for kind, names in fields for name in names.split()}
    known |= {name: (known[name][0], Field()) for name in required.split()}
    return pydantic.create_model("Body", __config__=ConfigDict(strict=True, extra="forbid"), **known)


NewId = _text(pattern="[0-9a-f]{24}")
Moment = Annotated[str, AfterValidator(_moment)]
Mapped = dict[str, Any]
Channel = Literal["email", "sms", "chat", "facebook", "twitter-dm", "twitter-tweet", "voice", "instagram", "whatsapp"]
Direction = Literal["in", "out"]

_short, _key, _url = _text(), _text(least=1), _text(2048)
_language = _text(16, pattern="[a-z]{2}(_[a-z]{2})?")
_polarity, _share, _size = (
    pydantic.confloat(ge=-1, le=1),
    pydantic.confloat(ge=0, le=1),
    pydantic.conint(ge=0, le=10**9),
)
_email, _phone = _text(pattern=r"[^@\s\x00]+@[^@\s\x00]+\.[^@\s\x00]+"), _text(pattern=r"\+[1-9][0-9]{6,14}")
_use = Literal["home", "work", "mobile", "other"]
_external_ids = _many(_body("externalId", (_key, "externalId"), (bool, "verified")))
_emails = _many(_body("email", (_email, "email"), (_use, "type"), (bool, "verified")))
_phones = _many(_body("phone", (_phone, "phone"), (_use, "type"), (bool, "verified")))
_socials = _many(_body("type", (_short, "type username userid"), (_url, "url"), (bool, "verified")))
_sentiment = _body("polarity confidence", (_polarity, "polarity"), (_share, "confidence"))
_attachment_id = (Annotated[NewId, Field(alias="_id")], "id")
_attachment = (_attachment_id, (_short, "name contentType sourceId"), (_size, "contentLength"))
_attachments = _many(_body("id name contentType contentLength", *_attachment))
_mentions = _many(_body("", (_existing("users"), "user"), (_existing("teams"), "team")))
_answer = Literal["reply", "replyAll", "forward"]
_reference = _body("message type", (_existing("messages"), "message"), (_answer, "type"))
_authored = ((Moment, "createdAt modifiedAt"), (_existing("users"), "createdBy modifiedBy"))

CUSTOMER = _body(
    "",
    (_short, "name username locale timeZone"),
    (_key, "externalId"),
    (_external_ids, "externalIds sharedExternalIds"),
    (_emails, "emails sharedEmails"),
    (_phones, "phones sharedPhones whatsapps"),
    (_socials, "socials sharedSocials"),
    (_many(Mapped), "urls locations facebookIds instagramIds"),
    (_many(_existing("tags")), "tags"),
    (_url, "avatarUrl"),
    (Literal["m", "f"], "gender"),
    (_language, "defaultLang"),
    (_sentiment, "sentiment"),
    (pydantic.conint(ge=0, le=2**53), "rev"),
    (Moment, "birthdayAt signedUpAt createdAt importedAt lastActivityAt lastCustomerActivityAt lastSeenAt"),
    (Mapped, "custom"),
)
_CONVERSATION = (
    (_existing("customers"), "customer"),
    (_key, "externalId"),
    (_text(256), "name"),
    (pydantic.conint(ge=1, le=5), "priority"),
    (Direction, "direction"),
    (_many(_existing("users"), 10), "assignedUsers"),
    (_many(_existing("teams"), 10), "assignedTeams"),
    (_body("id", (_existing("queues"), "id")), "queue"),
    (_many(_existing("tags")), "tags"),
    (Channel, "replyChannel"),
    (_language, "defaultLang"),
    (Mapped, "custom"),
)
NEW_CONVERSATION = _body(
    "customer",
    *_CONVERSATION,
    (NewId, "id"),
    (Literal["open", "done"], "status"),
    (Moment, "createdAt importedAt"),
)
CONVERSATION = _body(
    "",
    *_CONVERSATION,
    (Literal["open", "snoozed", "done"], "status"),
    (_body("status time", (_short, "status"), (Moment, "time")), "snooze"),
    (NewId, "subStatus"),
    (pydantic.confloat(ge=0, le=100), "satisfaction"),
    (Mapped, "satisfactionLevel"),
    (_many(Mapped), "suggestedShortcuts"),
    (Moment, "importedAt"),
)
NEW_MESSAGE = _body(
    "channel app direction",
    (NewId, "id"),
    (_existing("conversations"), "conversation"),
    (_existing("customers"), "customer"),
    (Channel, "channel"),
    (_key, "app externalId"),
    (Direction, "direction"),
    (_text(10_000), "preview"),
    (_short, "subject"),
    (bool, "auto"),
    (Literal["sent", "received", "error"], "status"),
    (Moment, "sentAt errorAt importedAt"),
    (_attachments, "attachments"),
    (_sentiment, "sentiment"),
    (_reference, "reference"),
    (Literal["bulk", "satisfaction"], "source"),
    (_size, "size"),
    (_language, "lang"),
    (Mapped, "error meta location custom"),
    *_authored,
)
NEW_NOTE = _body(
    "body",
    (NewId, "id"),
    (_existing("conversations"), "conversation"),
    (_key, "externalId"),
    (_text(10_240, least=1), "body"),
    (_mentions, "userMentions"),
    (_attachments, "attachments"),
    (Moment, "importedAt"),
    (_language, "lang"),
    (Mapped, "custom"),
    *_authored,
)

_CUSTOM = {"Num": float, "At": Moment, "Str": _text(1024), "Txt": _text(1024), "Bool": bool}
_CUSTOM["Url"] = _text(2048, pattern=r"https?://[^\s\x00]+")
_SUFFIXES = {
    suffix: pydantic.TypeAdapter(kind | None, config=ConfigDict(strict=True)) for suffix, kind in _CUSTOM.items()
}


def checked(org: Org, model: type[BaseModel], body: Any) -> dict[str, Any]:
    """The body if nothing is wrong with it, its dates in Kustomer's own form.

    Raises:
        Refusal: 400 for the first thing wrong.
    """
    if not isinstance(body, dict):
        raise bad("body", "should be a JSON object")
    if unknown := [name for name in body if name not in model.model_fields]:
        raise _additional(unknown[0])
    try:
        found = model.model_validate(body, context=org.state).model_dump(by_alias=True, exclude_unset=True)
    except ValidationError as error:
        wrong = error.errors(include_url=False)
        order = [*sorted(model.model_fields.keys() - body.keys()), *body]  # what is missing, then as it was written
        first = min(wrong, key=lambda one: order.index(str(one["loc"][0])))
        name, *inside = map(str, first["loc"])
        if first["type"] == "missing" and not inside:
            raise bad(name, f"should have required property {name}", title="Missing required property") from None
        raise bad(name, f"/{'/'.join([name, *inside])} {first['msg']}") from None
    resource = {CUSTOMER: "customer", NEW_MESSAGE: "message", NEW_NOTE: "note"}.get(model, "conversation")
    for name, value in found.get("custom", {}).items():
        if name not in org.rules.custom.get(resource, ()):
            raise _additional(name, "/properties/custom")
        _check_custom(name, value)
    return found


def _additional(name: str, where: str = "") -> Refusal:
    """For a key that is not defined, in the words observed for custom attributes."""
    return bad(name, f"{where}/additionalProperties", title="Additional properties not allowed")


def _check_custom(name: str, value: Any) -> None:
    """A custom attribute's suffix fixes its type; null empties it."""
    suffix = next((suffix for suffix in _SUFFIXES if name.endswith(suffix)), None)
    if suffix is None:
        raise bad(name, f"/custom/{name} should end in one of {', '.join(_SUFFIXES)}")
    try:
        _SUFFIXES[suffix].validate_python(value)
    except ValidationError as error:
        raise bad(name, f"/custom/{name} {error.errors()[0]['msg']}") from None
