"""Every setting of the plugin. To add one, add a field and run scripts/settings_docs.py."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    field_serializer,
)

from rasa_kustomer.conversation.channels import parse_channels
from rasa_kustomer.conversation.regions import region
from rasa_kustomer.conversation.routing import parse_priority
from rasa_kustomer.outbox_address import outbox_address, without_password
from rasa_kustomer.settings import values

SWITCHED_OFF = "KUSTOMER_ENABLED is false"
DEFAULT_ROUTING_FILE = Path("kustomer_routing.yml")
DEFAULT_OUTBOX_URL = "sqlite:///.kustomer/outbox.db"

Seconds = Annotated[float, AfterValidator(values.between(0, 30))]
Text = Annotated[str, AfterValidator(values.unquoted)]
SlotName = Annotated[str, AfterValidator(values.slot_name)]


def _setting(group: str, description: str, default: Any, example: str, *, shown: bool = True) -> Any:
    return Field(
        default=default,
        description=description,
        examples=[example],
        json_schema_extra={"group": group},
        repr=shown,
    )


class Settings(BaseModel):
    """The plugin's settings; field `x` is the variable `KUSTOMER_X`."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    api_key: Annotated[SecretStr, AfterValidator(values.key)] | None = _setting(
        "Connection",
        "API key from Kustomer: Settings > Security > API Keys. Without it the plugin quietly does nothing.",
        None,
        "eyJhbGciOiJIUzI1NiIs...",
    )
    subdomain: Annotated[str, AfterValidator(values.subdomain)] | None = _setting(
        "Connection",
        "Your organisation's name in Kustomer's address: acme for https://acme.kustomerapp.com.",
        None,
        "acme",
    )
    organization_id: Text | None = _setting(
        "Connection",
        "Your organisation's id. Optional; `rasa-kustomer check` compares it with the organisation of the key.",
        None,
        "5f0c3a9be4b0f20012ab34cd",
    )
    base_url: Annotated[str, AfterValidator(values.base_url)] | None = _setting(
        "Connection",
        "Overrides the address made from the subdomain. https only; http is accepted for this machine itself.",
        None,
        "https://acme.api.kustomerapp.com",
    )
    timeout_seconds: Annotated[float, AfterValidator(values.between(0.1, 120))] = _setting(
        "Connection", "Longest wait in seconds for one answer from Kustomer.", 10.0, "10"
    )
    enabled: bool = _setting("Switches", "The main switch: false turns the plugin off at the next start.", True, "true")
    enable_sync: bool = _setting(
        "Switches",
        "Mirror every turn to Kustomer. With false only customers and handoffs reach it.",
        True,
        "true",
    )
    rollout_percent: Annotated[int, AfterValidator(values.between(0, 100))] = _setting(
        "Switches",
        "Share of the senders, in percent, that the plugin serves; a sender stays in or out.",
        100,
        "100",
    )
    channels: Annotated[dict[str, str], BeforeValidator(parse_channels)] = _setting(
        "Switches",
        "Which channel of Kustomer a Rasa input channel is, where its name misleads: pairs separated by commas.",
        {},
        "invoicebot=chat,my_wa=whatsapp",
    )
    debug: bool = _setting(
        "Switches", "Log what the plugin does, at DEBUG level and without texts or keys.", False, "false"
    )
    default_team_id: str | None = _setting(
        "Handoff",
        "Team that gets a handoff when neither slot nor routing file names one: its id or its name.",
        None,
        "Support",
    )
    default_priority: Annotated[int, BeforeValidator(parse_priority)] = _setting(
        "Handoff",
        "Priority of a handoff when nothing else sets one: low, medium, high, urgent or 1 to 5.",
        3,
        "medium",
    )
    routing_file: Path | None = _setting(
        "Handoff",
        "YAML file with the rules for team and priority. kustomer_routing.yml is read if it exists.",
        None,
        "kustomer_routing.yml",
    )
    handoff_wait_seconds: Seconds = _setting(
        "Handoff", "Longest time in seconds that a handoff waits for Kustomer's confirmation.", 3.0, "3"
    )
    note_hidden_slots: Annotated[tuple[str, ...], BeforeValidator(values.slot_names)] = _setting(
        "Handoff", "Slots that never appear in the handoff note, separated by commas.", (), "password,iban"
    )
    parking: Annotated[str, AfterValidator(values.parking)] = _setting(
        "Handoff",
        "Keeps bot chats away from agents until the handoff: assign-bot, queue:<queue id> or none.",
        "assign-bot",
        "assign-bot",
    )
    idle_close_minutes: Annotated[int, AfterValidator(values.between(0, 525_600))] = _setting(
        "Handoff",
        "Close a mirrored chat without handoff after so many idle minutes; 0 means never.",
        60,
        "60",
    )
    trust_metadata: bool = _setting(
        "Identity",
        "true only if your channel authenticates users on its server and puts their identity into the message"
        " metadata; then the bot may use the customer's name and history.",
        False,
        "false",
    )
    slot_customer_id: SlotName = _setting(
        "Identity", "Slot and metadata key of the external customer id.", "customer_id", "customer_id"
    )
    slot_email: SlotName = _setting("Identity", "Slot and metadata key of the e-mail address.", "email", "email")
    slot_phone: SlotName = _setting("Identity", "Slot and metadata key of the phone number.", "phone", "phone")
    slot_name: SlotName = _setting("Identity", "Slot and metadata key of the person's name.", "name", "name")
    phone_region: Annotated[str, AfterValidator(region)] | None = _setting(
        "Identity",
        "Country of phone numbers written without +, as two letters. Without it they are ignored.",
        None,
        "US",
    )
    session_wait_seconds: Seconds = _setting(
        "Identity", "Longest time in seconds that a session start waits for the customer's data.", 1.5, "1.5"
    )
    mask: Annotated[tuple[str, ...], BeforeValidator(values.mask)] = _setting(
        "Privacy",
        "What to mask in every message, note and subject before it is stored or sent, separated by commas: card, iban,"
        " email, phone, id:de (a national id; needs rasa-kustomer[privacy]), or none.",
        ("card",),
        "card",
    )
    cache_ttl_seconds: Annotated[float, AfterValidator(values.between(0, 86_400))] = _setting(
        "Cache", "Seconds that a customer is kept in memory.", 300.0, "300"
    )
    cache_size: Annotated[int, AfterValidator(values.between(1, 10_000_000))] = _setting(
        "Cache", "Number of customers kept in memory.", 10_000, "10000"
    )
    outbox_url: Annotated[str, AfterValidator(outbox_address)] = _setting(
        "Delivery",
        "Where messages wait until Kustomer has them: an SQLite file on a local disk, or PostgreSQL for several"
        " machines (postgresql://user:password@host/database, with rasa-kustomer[postgres] installed).",
        DEFAULT_OUTBOX_URL,
        DEFAULT_OUTBOX_URL,
        shown=False,  # it may hold a password
    )
    courier: Literal["inline", "external"] = _setting(
        "Delivery",
        "Who delivers: inline, the action server itself; external, only the command rasa-kustomer worker.",
        "inline",
        "inline",
    )
    retention_days: Annotated[float, AfterValidator(values.between(0, 3_650))] = _setting(
        "Delivery",
        "Delete delivered records from the outbox after so many days; 0 keeps them all.",
        7.0,
        "7",
    )
    rate_share: Annotated[float, AfterValidator(values.between(0.01, 1))] = _setting(
        "Delivery",
        "Share of the organisation's request limit that the plugin may use, above 0 and up to 1.",
        0.5,
        "0.5",
    )

    @field_serializer("outbox_url")
    def _outbox_without_password(self, value: str) -> str:
        return without_password(value)

    @property
    def api_url(self) -> str | None:
        """Address of the organisation's API, or None when neither subdomain nor base URL is set.

        Source: Kustomer API reference, Regions and base URLs.
        """
        if self.base_url:
            return self.base_url
        return f"https://{self.subdomain.lower()}.api.kustomerapp.com" if self.subdomain else None

    @property
    def key(self) -> str:
        """The API key as text, for the client alone; empty without one."""
        return self.api_key.get_secret_value() if self.api_key else ""

    @property
    def disabled_reason(self) -> str | None:
        """Why the plugin does nothing, as a sentence for the log; None when it is on."""
        if not self.enabled:
            return SWITCHED_OFF
        missing = [] if self.key else ["KUSTOMER_API_KEY"]
        missing += [] if self.api_url else ["KUSTOMER_SUBDOMAIN"]
        return f"{' and '.join(missing)} not set" if missing else None

    @property
    def routing_path(self) -> Path | None:
        """The routing file to read, or None when none is set and none lies in the working directory."""
        if self.routing_file is not None:
            return self.routing_file
        return DEFAULT_ROUTING_FILE if DEFAULT_ROUTING_FILE.is_file() else None
