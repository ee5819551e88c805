"""What an admin has configured: the settings, the routing file, and whom the plugin serves."""

import hashlib

from rasa_kustomer.conversation.routing import Routing
from rasa_kustomer.conversation.routing_file import RoutingError, load_routing
from rasa_kustomer.outbox_address import is_no_file
from rasa_kustomer.settings import Settings, SettingsError, load_settings


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
        off = None if settings.enabled and settings.api_key else settings.off_because
        raise SettingsError(list(error.problems), off_because=off) from None
    if settings.off_because is None and is_no_file(settings.outbox_url):
        raise SettingsError(["KUSTOMER_OUTBOX_URL: names something that is no file. Example: sqlite:///outbox.db"])
    return settings, routing


def in_rollout(sender_id: str, percent: int) -> bool:
    """Whether a sender belongs to the first `percent` of all; a sender once in stays in as the share grows."""
    if percent >= 100:
        return True
    digest = hashlib.sha256(sender_id.encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:4], "big") % 10_000 < percent * 100
