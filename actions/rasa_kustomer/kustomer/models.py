"""Kustomer's answers, read tolerantly: unknown attributes are ignored, missing and unreadable ones are empty.

Only the id must be there. Source of the shapes: Kustomer API reference, Response and request conventions.
"""

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from typing_extensions import Self


def _strings(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, (list, tuple)) else []


def _with_zone(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


Strings = Annotated[list[str], BeforeValidator(_strings)]
Moment = Annotated[datetime, AfterValidator(_with_zone)]


class Resource(BaseModel):
    """One `data` object: its id, and attributes flattened beside it."""

    model_config = ConfigDict(extra="ignore", frozen=True, populate_by_name=True)

    id: str

    @field_validator("*", mode="wrap")
    @classmethod
    def _tolerant(cls, value: object, handler: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        try:
            return handler(value)
        except ValidationError:
            if info.field_name is None or info.field_name == "id":
                raise
            return cls.model_fields[info.field_name].get_default(call_default_factory=True)

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Self:
        """Build from a `data` object, whether its attributes are nested or not.

        Raises:
            ValueError: There is no id.
        """
        attributes = data.get("attributes")
        attributes = attributes if isinstance(attributes, Mapping) else data
        names = ("conversation", "createdBy", "customer", "org", "queue")
        related = {f"{name}_id": found for name in names if (found := _related(data, name))}
        return cls.model_validate({**related, **_known(cls, attributes), "id": data.get("id") or attributes.get("id")})


def _known(cls: type[BaseModel], attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Only what the model declares, without nulls, so that its defaults hold."""
    names = {field.alias or name for name, field in cls.model_fields.items()}
    return {name: value for name, value in attributes.items() if name in names and value is not None}


def _related(data: Mapping[str, Any], name: str) -> str | None:
    value: Any = data
    for key in ("relationships", name, "data", "id"):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else None


class _Dated(Resource):
    created_at: Moment | None = Field(None, alias="createdAt")
    updated_at: Moment | None = Field(None, alias="updatedAt")
    last_activity_at: Moment | None = Field(None, alias="lastActivityAt")
    sent_at: Moment | None = Field(None, alias="sentAt")


class ConversationCounts(BaseModel):
    """How many conversations a customer has."""

    open: int
    all: int


class Customer(Resource):
    """A person.

    Attributes:
        conversation_counts: None where the record does not tell.
        last_message_at: Of any conversation, in either direction; None where the record does not tell.
    """

    name: str | None = None
    display_name: str | None = Field(None, alias="displayName")
    conversation_counts: ConversationCounts | None = Field(None, alias="conversationCounts")
    last_message_at: Moment | None = Field(None, alias="lastMessageAt")
    external_ids: Strings = Field(default_factory=list, alias="externalIds")
    tags: Strings = Field(default_factory=list)

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> "Customer":
        """As `Resource.read`; the short form `externalId` counts as one of the external ids."""
        attributes = data.get("attributes")
        attributes = dict(attributes if isinstance(attributes, Mapping) else data)
        listed = attributes.get("externalIds")
        ids = [_value(one, "externalId") for one in listed] if isinstance(listed, list) else []
        ids.append(attributes.get("externalId"))
        attributes["externalIds"] = list(dict.fromkeys(one for one in ids if isinstance(one, str) and one))
        return super().read({**data, "attributes": attributes})


class Conversation(_Dated):
    """A conversation on a customer's timeline."""

    external_id: str | None = Field(None, alias="externalId")
    name: str | None = None
    status: str | None = None
    priority: int | None = None
    assigned_users: Strings = Field(default_factory=list, alias="assignedUsers")
    assigned_teams: Strings = Field(default_factory=list, alias="assignedTeams")
    tags: Strings = Field(default_factory=list)  # ids (Kustomer API reference, Conversations), or names
    customer_id: str | None = None
    created_by_id: str | None = Field(None, alias="createdBy_id")
    queue_id: str | None = None
    deleted: bool = False
    merged_target: Any = Field(None, alias="mergedTarget")

    @property
    def is_gone(self) -> bool:
        """Whether nobody works on it any more, though it can still be read: deleted, or merged into another one."""
        return self.deleted or bool(self.merged_target)


class Message(_Dated):
    """One entry of a conversation."""

    external_id: str | None = Field(None, alias="externalId")
    conversation_id: str | None = None


class Note(_Dated):
    """An internal note."""

    external_id: str | None = Field(None, alias="externalId")
    body: str | None = None


class Team(Resource):
    """A team of agents."""

    name: str | None = None
    display_name: str | None = Field(None, alias="displayName")
    deleted: bool = False


class _WithRoles(Resource):
    name: str | None = None
    roles: Strings = Field(default_factory=list)


class Token(_WithRoles):
    """The API key's own record."""


class User(_WithRoles):
    """A user; a key has a machine user of its own."""

    org_id: str | None = None


def _value(item: object, name: str) -> object:
    return item.get(name) if isinstance(item, Mapping) else item
