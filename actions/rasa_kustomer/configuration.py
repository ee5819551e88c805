"""What an admin has configured: the settings, the routing file, and whom the plugin serves."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from rasa_kustomer.conversation.events import SESSION_METADATA
from rasa_kustomer.conversation.handoff import HandoffSettings
from rasa_kustomer.conversation.identity import Identity, IdentityNames, identify, vouched
from rasa_kustomer.conversation.routing import Routing
from rasa_kustomer.conversation.routing_file import RoutingError, load_routing
from rasa_kustomer.conversation.texts import Mask
from rasa_kustomer.kustomer.client import KustomerClient
from rasa_kustomer.kustomer.network import Network
from rasa_kustomer.outbox_address import is_no_file
from rasa_kustomer.privacy.masking import masker
from rasa_kustomer.settings import Settings, SettingsError, load_settings

EventHooks = Mapping[str, list[Callable[..., Any]]]


@dataclass(frozen=True)
class Configuration:
    """What is configured, and what it says of a sender.

    Attributes:
        disabled_reason: Why the plugin does nothing, as a sentence without full stop; None when it works.
        broken: It does nothing although it should work.
    """

    settings: Settings
    routing: Routing = field(default_factory=Routing)
    disabled_reason: str | None = None
    broken: bool = False

    @cached_property
    def identity_names(self) -> IdentityNames:
        """Names of the slots and metadata keys that identify a customer."""
        settings = self.settings
        return IdentityNames(settings.slot_customer_id, settings.slot_email, settings.slot_phone, settings.slot_name)

    @cached_property
    def vouched(self) -> Callable[[str, object], Identity | None] | None:
        """What reads the person from metadata, where the channel vouches for its users (KUSTOMER_TRUST_METADATA)."""
        if not self.settings.trust_metadata:
            return None
        names, region = self.identity_names, self.settings.phone_region
        return lambda sender_id, metadata: vouched(sender_id, metadata, names, region)

    @cached_property
    def handoff(self) -> HandoffSettings:
        """What it says of handoffs."""
        settings = self.settings
        return HandoffSettings(
            self.identity_names, settings.phone_region, settings.default_priority, settings.note_hidden_slots, self.mask
        )

    @cached_property
    def mask(self) -> Mask:
        """What masks texts before they are stored (KUSTOMER_MASK)."""
        return masker(self.settings.mask, region=self.settings.phone_region)

    def is_enabled_for(self, sender_id: str) -> bool:
        """Whether the plugin works for this sender (KUSTOMER_ENABLED, the key, KUSTOMER_ROLLOUT_PERCENT)."""
        return self.disabled_reason is None and in_rollout(sender_id, self.settings.rollout_percent)

    def person(self, sender_id: str, slots: Mapping[str, Any], message_metadata: object) -> Identity:
        """Who somebody is by slots and metadata, with the settings of this deployment."""
        return identify(
            sender_id,
            slots=slots,
            session_metadata=slots.get(SESSION_METADATA),
            message_metadata=message_metadata,
            trust_metadata=self.settings.trust_metadata,
            names=self.identity_names,
            phone_region=self.settings.phone_region,
        )

    def claimed(self, sender_id: str, slots: Mapping[str, Any], message_metadata: object) -> Identity:
        """Who speaks by their own account, for words that come with nobody's name from the channel.

        Whom a channel vouches for is told by the event of each message (`People`), not by the latest of them.
        """
        names_somebody = self.vouched
        if names_somebody is None:
            return self.person(sender_id, slots, message_metadata)
        told = {**slots, SESSION_METADATA: None} if names_somebody(sender_id, slots.get(SESSION_METADATA)) else slots
        return self.person(sender_id, told, None if names_somebody(sender_id, message_metadata) else message_metadata)

    def at_start(self, sender_id: str, slots: Mapping[str, Any]) -> Identity | None:
        """Whom the channel named when the session started; None when it vouches for nobody."""
        return self.vouched(sender_id, slots.get(SESSION_METADATA)) if self.vouched else None


def read_configuration() -> Configuration:
    """Settings and routing file together.

    Raises:
        SettingsError: With the problems of both.
    """
    settings = load_settings()
    path = settings.routing_path
    try:
        routing = load_routing(path) if path else Routing()
    except RoutingError as error:
        off = None if settings.enabled and settings.api_key else settings.disabled_reason
        raise SettingsError(list(error.problems), disabled_reason=off) from None
    if settings.disabled_reason is None and is_no_file(settings.outbox_url):
        raise SettingsError(["KUSTOMER_OUTBOX_URL: names something that is not a file. Example: sqlite:///outbox.db"])
    return Configuration(settings, routing, settings.disabled_reason)


def in_rollout(sender_id: str, percent: int) -> bool:
    """Whether a sender belongs to the first `percent` of all; a sender once in stays in as the share grows."""
    if percent >= 100:
        return True
    digest = hashlib.sha256(sender_id.encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:4], "big") % 10_000 < percent * 100


def new_client(settings: Settings, network: Network | None, event_hooks: EventHooks | None = None) -> KustomerClient:
    """Kustomer's API for these settings; nothing is opened yet."""
    return KustomerClient(
        settings.api_url or "",
        settings.key,
        timeout_seconds=settings.timeout_seconds,
        event_hooks=event_hooks,
        network=network,
    )
