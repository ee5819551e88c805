"""What an admin has configured: the settings, the routing file, and whom the plugin serves."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from rasa_kustomer.conversation.identity import Identity, vouched
from rasa_kustomer.conversation.routing import Routing
from rasa_kustomer.conversation.routing_file import RoutingError, load_routing
from rasa_kustomer.kustomer.client import KustomerClient
from rasa_kustomer.kustomer.network import Network
from rasa_kustomer.outbox_address import is_no_file
from rasa_kustomer.settings import Settings, SettingsError, load_settings

EventHooks = Mapping[str, list[Callable[..., Any]]]


def read_configuration() -> tuple[Settings, Routing]:
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
    return settings, routing


def in_rollout(sender_id: str, percent: int) -> bool:
    """Whether a sender belongs to the first `percent` of all; a sender once in stays in as the share grows."""
    if percent >= 100:
        return True
    digest = hashlib.sha256(sender_id.encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:4], "big") % 10_000 < percent * 100


def vouched_by(settings: Settings) -> Callable[[str, object], Identity | None] | None:
    """What reads the person from metadata, where the channel vouches for its users (KUSTOMER_TRUST_METADATA)."""
    if not settings.trust_metadata:
        return None
    names, region = settings.identity_names, settings.phone_region
    return lambda sender_id, metadata: vouched(sender_id, metadata, names, region)


def new_client(settings: Settings, network: Network | None, event_hooks: EventHooks | None = None) -> KustomerClient:
    """Kustomer's API for these settings; nothing is opened yet."""
    return KustomerClient(
        settings.api_url or "",
        settings.key,
        timeout_seconds=settings.timeout_seconds,
        event_hooks=event_hooks,
        network=network,
    )
