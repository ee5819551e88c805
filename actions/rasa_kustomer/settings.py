"""Every setting of the plugin, read once from the environment and `.env`.

Precedence: environment over `.env` over default. A wrong value is never guessed around: `load_settings` raises
`SettingsError` with one line per problem that names the variable, what is wrong and an example.
"""

import importlib.util
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_serializer, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from rasa_kustomer.conversation.channels import parse_channels
from rasa_kustomer.conversation.identity import IdentityNames
from rasa_kustomer.conversation.routing import parse_priority

PREFIX = "KUSTOMER_"
DEFAULT_ROUTING_FILE = Path("kustomer_routing.yml")
DEFAULT_OUTBOX_URL = "sqlite:///.kustomer/outbox.db"
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})

_SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)
SQLITE_SCHEMES = frozenset({"sqlite", "sqlite+pysqlite", "sqlite+aiosqlite"})
POSTGRES_SCHEME = "postgresql+asyncpg"
_POSTGRES_URL = re.compile(
    r"[^:/]+://([^:/@?]*(:[^:/@?]*)?@)?([\w.-]+|\[[0-9a-fA-F:]+\])?(:\d{1,5})?/[^/?@]+(\?[^@]*)?"
)
_PASSWORD = re.compile(r"(://[^:/@]*:|[?&]password=)[^@&]+")
_SLOT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


class SettingsError(ValueError):
    """The settings cannot be used as they are.

    Attributes:
        problems: One readable line per problem, each naming its variable. Never holds a secret's value.
    """

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


def _setting(group: str, description: str, default: Any, example: str, *, shown: bool = True) -> Any:
    return Field(
        default=default,
        description=description,
        examples=[example],
        json_schema_extra={"group": group},
        repr=shown,
    )


class Settings(BaseSettings):
    """The plugin's settings; field `x` is the variable `KUSTOMER_X`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        extra="ignore",
        frozen=True,
        env_ignore_empty=True,
    )

    api_key: SecretStr | None = _setting(
        "Connection",
        "API key from Kustomer: Settings > Security > API Keys. Without it the plugin quietly does nothing.",
        None,
        "eyJhbGciOiJIUzI1NiIs...",
    )
    subdomain: str | None = _setting(
        "Connection",
        "Your organisation's name in Kustomer's address: acme for https://acme.kustomerapp.com.",
        None,
        "acme",
    )
    organization_id: str | None = _setting(
        "Connection",
        "Your organisation's id. Optional; `rasa-kustomer check` compares it with the organisation of the key.",
        None,
        "5f0c3a9be4b0f20012ab34cd",
    )
    base_url: str | None = _setting(
        "Connection",
        "Overrides the address made from the subdomain. https only; http is accepted for this machine itself.",
        None,
        "https://acme.api.kustomerapp.com",
    )
    timeout_seconds: float = _setting("Connection", "Longest wait in seconds for one answer from Kustomer.", 10.0, "10")
    enabled: bool = _setting("Switches", "The main switch: false turns the plugin off at the next start.", True, "true")
    enable_sync: bool = _setting(
        "Switches",
        "Mirror every turn to Kustomer. With false only customers and handoffs reach it.",
        True,
        "true",
    )
    rollout_percent: int = _setting(
        "Switches",
        "Share of the senders, in percent, that the plugin serves; a sender stays in or out.",
        100,
        "100",
    )
    channels: Annotated[dict[str, str], NoDecode] = _setting(
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
    default_priority: Annotated[int, NoDecode] = _setting(
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
    handoff_wait_seconds: float = _setting(
        "Handoff", "Longest time in seconds that a handoff waits for Kustomer's confirmation.", 3.0, "3"
    )
    note_hidden_slots: Annotated[tuple[str, ...], NoDecode] = _setting(
        "Handoff", "Slots that never appear in the handoff note, separated by commas.", (), "password,iban"
    )
    parking: str = _setting(
        "Handoff",
        "Keeps bot chats away from agents until the handoff: assign-bot, queue:<queue id> or none.",
        "assign-bot",
        "assign-bot",
    )
    idle_close_minutes: int = _setting(
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
    slot_customer_id: str = _setting(
        "Identity", "Slot and metadata key of the external customer id.", "customer_id", "customer_id"
    )
    slot_email: str = _setting("Identity", "Slot and metadata key of the e-mail address.", "email", "email")
    slot_phone: str = _setting("Identity", "Slot and metadata key of the phone number.", "phone", "phone")
    slot_name: str = _setting("Identity", "Slot and metadata key of the person's name.", "name", "name")
    phone_region: str | None = _setting(
        "Identity",
        "Country of phone numbers written without +, as two letters. Without it they are ignored.",
        None,
        "US",
    )
    session_wait_seconds: float = _setting(
        "Identity", "Longest time in seconds that a session start waits for the customer's data.", 1.5, "1.5"
    )
    cache_ttl_seconds: float = _setting("Cache", "Seconds that a customer is kept in memory.", 300.0, "300")
    cache_size: int = _setting("Cache", "Number of customers kept in memory.", 10_000, "10000")
    outbox_url: str = _setting(
        "Delivery",
        "Where turns wait until Kustomer has them: an SQLite file on a local disk, or PostgreSQL for several machines"
        " (postgresql+asyncpg://user:password@host/database, with rasa-kustomer[postgres] installed).",
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
    retention_days: float = _setting(
        "Delivery",
        "Delete delivered records from the outbox after so many days; 0 keeps them all.",
        7.0,
        "7",
    )
    rate_share: float = _setting(
        "Delivery",
        "Share of the organisation's request limit that the plugin may use, above 0 and up to 1.",
        0.5,
        "0.5",
    )

    @field_validator("api_key")
    @classmethod
    def _key_can_be_sent(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        key = value.get_secret_value().strip()  # a file's last line break is no part of it
        if not re.fullmatch("[!-~]*", key):
            raise ValueError("holds a blank or a letter that no key has; copy it again, without quotes")
        return SecretStr(key)

    @field_validator("subdomain")
    @classmethod
    def _subdomain_is_a_name(cls, value: str | None) -> str | None:
        if value is not None and not _SUBDOMAIN.fullmatch(value):
            raise ValueError("write the name only, without https:// and dots")
        return value

    @field_validator("base_url")
    @classmethod
    def _base_url_is_safe(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.username or parts.password or parts.query or parts.fragment or not parts.hostname:
            raise ValueError("give scheme, host and optionally port, nothing else")
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS):
            raise ValueError("must start with https:// (http:// is accepted for localhost only)")
        return value.rstrip("/")

    @field_validator("default_priority", mode="before")
    @classmethod
    def _priority_by_name(cls, value: object) -> int:
        return parse_priority(value)

    @field_validator("note_hidden_slots", mode="before")
    @classmethod
    def _split_commas(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("channels", mode="before")
    @classmethod
    def _channels_by_name(cls, value: object) -> object:
        return parse_channels(value) if isinstance(value, str) else value

    @field_validator("parking")
    @classmethod
    def _parking_is_known(cls, value: str) -> str:
        if value in {"assign-bot", "none"} or (value.startswith("queue:") and value[len("queue:") :].strip()):
            return value
        raise ValueError("must be assign-bot, queue:<queue id> or none")

    @field_validator("slot_customer_id", "slot_email", "slot_phone", "slot_name")
    @classmethod
    def _slot_has_a_name(cls, value: str) -> str:
        if not _SLOT_NAME.fullmatch(value):
            raise ValueError("is not the name of a slot")
        return value

    @field_validator("phone_region")
    @classmethod
    def _region_is_two_letters(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch("[A-Za-z]{2}", value):
            raise ValueError("must be two letters")
        return value.upper() if value else None

    @field_validator(
        "rollout_percent",
        "idle_close_minutes",
        "cache_size",
        "timeout_seconds",
        "handoff_wait_seconds",
        "session_wait_seconds",
        "cache_ttl_seconds",
        "retention_days",
        "rate_share",
    )
    @classmethod
    def _within_bounds(cls, value: float, info: Any) -> float:
        low, high = _BOUNDS[info.field_name]
        if not low <= value <= high:
            raise ValueError(f"must be between {low:g} and {high:g}")
        return value

    @field_validator("outbox_url")
    @classmethod
    def _outbox_is_a_known_database(cls, value: str) -> str:
        scheme = value.split(":", 1)[0] if "://" in value else ""
        if scheme in SQLITE_SCHEMES:
            return value
        if scheme != POSTGRES_SCHEME:
            raise ValueError(f"must start with sqlite:/// or {POSTGRES_SCHEME}://")
        if not _POSTGRES_URL.fullmatch(value):
            raise ValueError(
                f"is not {POSTGRES_SCHEME}://user:password@host:port/database"
                " (in the password write %40 for @, %2F for /, %3A for :)"
            )
        if any(importlib.util.find_spec(package) is None for package in ("asyncpg", "greenlet")):
            raise ValueError('PostgreSQL needs two more packages: pip install "rasa-kustomer[postgres]"')
        return value

    @field_serializer("outbox_url")
    def _outbox_without_password(self, value: str) -> str:
        return _PASSWORD.sub(r"\1***", value)

    @property
    def api_url(self) -> str | None:
        """Address of the organisation's API, or None when neither subdomain nor base URL is set.

        Source: Kustomer API reference, Regions and base URLs.
        """
        if self.base_url:
            return self.base_url
        return f"https://{self.subdomain.lower()}.api.kustomerapp.com" if self.subdomain else None

    @property
    def off_because(self) -> str | None:
        """Why the plugin does nothing, as a sentence for the log; None when it is on."""
        if not self.enabled:
            return "KUSTOMER_ENABLED is false"
        missing = [] if self.api_key and self.api_key.get_secret_value() else ["KUSTOMER_API_KEY"]
        missing += [] if self.api_url else ["KUSTOMER_SUBDOMAIN"]
        return f"{' and '.join(missing)} not set" if missing else None

    @property
    def identity_names(self) -> IdentityNames:
        """Names of the slots and metadata keys that identify a customer."""
        return IdentityNames(
            external_id=self.slot_customer_id,
            email=self.slot_email,
            phone=self.slot_phone,
            name=self.slot_name,
        )

    @property
    def routing_path(self) -> Path | None:
        """The routing file to read, or None when none is set and none lies in the working directory."""
        if self.routing_file is not None:
            return self.routing_file
        return DEFAULT_ROUTING_FILE if DEFAULT_ROUTING_FILE.is_file() else None


_BOUNDS: dict[str, tuple[float, float]] = {
    "rollout_percent": (0, 100),
    "idle_close_minutes": (0, 525_600),
    "cache_size": (1, 10_000_000),
    "timeout_seconds": (0.1, 120),
    "handoff_wait_seconds": (0, 30),
    "session_wait_seconds": (0, 30),
    "cache_ttl_seconds": (0, 86_400),
    "retention_days": (0, 3_650),
    "rate_share": (0.01, 1),
}


def load_settings(env_file: Path | Literal["default"] | None = "default") -> Settings:
    """Read the settings.

    Args:
        env_file: The `.env` file to read; None reads the environment only.

    Raises:
        SettingsError: At least one value is malformed.
    """
    try:
        return Settings() if env_file == "default" else Settings(_env_file=env_file)  # type: ignore[call-arg]
    except ValidationError as error:
        raise SettingsError([_problem(item) for item in error.errors(include_url=False, include_input=False)]) from None
    except UnicodeDecodeError:
        raise SettingsError([".env is not UTF-8 text: save it as UTF-8"]) from None


def _problem(item: Any) -> str:
    name = str(item["loc"][0])
    what = str(item["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    field = Settings.model_fields[name]
    return f"{PREFIX}{name.upper()}: {what}. Example: {PREFIX}{name.upper()}={(field.examples or [''])[0]}"


def exposed_browser_keys() -> list[str]:
    """Names of `VITE_KUSTOMER_*` variables that are set.

    The plugin never reads them. A front-end build ships every `VITE_` variable to browsers, so a key that
    stands in one must be replaced in Kustomer.
    """
    return sorted(name for name in os.environ if name.startswith("VITE_KUSTOMER_"))
