"""Rasa's input channels, whose names connectors choose freely, into Kustomer's.

Source: Kustomer API reference, Messages: the channels that a message may be created with.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from rasa_kustomer.conversation.events import word
from rasa_kustomer.conversation.texts import folded

DEFAULT = "chat"
CHANNELS = (DEFAULT, "whatsapp", "instagram", "facebook", "voice", "sms", "twitter-dm", "twitter-tweet", "email")
"""All that `kustomer_channel` can answer."""

NOT_NAMED: Mapping[str, str] = MappingProxyType({})
_BY_ADDRESS = {
    "whatsapp": "whatsapp",
    "messenger": "facebook",
    "facebook": "facebook",
    "fb": "facebook",
    "instagram": "instagram",
    "sms": "sms",
    "mms": "sms",
    "rcs": "sms",  # Twilio sends it as SMS where a phone does not know it
    "sip": "voice",
    "twitter": "twitter-dm",
    "mailto": "email",
}
"""What stands before a sender's id, as Twilio writes it: `whatsapp:+14155550100`."""
_BY_ADDRESS_OF_TWILIO = {"client": "voice"} | dict.fromkeys(
    ("chat", "gbm", "kik", "line", "slack", "telegram", "viber", "wechat"), DEFAULT
)
"""The same, where others may mean something else."""
_BY_PRODUCT = ("whatsapp", "instagram", "facebook")
_BY_WORD = {
    "fb": "facebook",
    "voice": "voice",
    "ivr": "voice",
    "telephony": "voice",
    "sms": "sms",
    "mms": "sms",
    "tweet": "twitter-tweet",
    "tweets": "twitter-tweet",
    "twitter": "twitter-dm",
    "email": "email",
    "mail": "email",
    "chat": DEFAULT,
    "webchat": DEFAULT,
    "livechat": DEFAULT,
}
_BY_VENDOR = {
    "audiocodes": "voice",
    "jambonz": "voice",
    "vonage": "voice",
    "genesys": "voice",
    "cvg": "voice",
    "streams": "voice",  # twilio_media_streams
    "twilio": "sms",
}
_NAME = re.compile(r"[^\"'`;\[\](){}]+")
_ADDRESS = re.compile(r"\s*([A-Za-z]+):\s*\S")
_WORD = re.compile(r"[^\W\d_]+")
_CHANGE_OF_CASE = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def kustomer_channel(input_channel: object, sender_id: str = "", named: Mapping[str, str] = NOT_NAMED) -> str:
    """Kustomer's channel of a message; `chat` when nothing says otherwise.

    Args:
        input_channel: Name of Rasa's input channel.
        sender_id: Rasa's sender id.
        named: What an admin says of names (KUSTOMER_CHANNELS), which goes before everything else.
    """
    name = word(input_channel)
    if named and (said := _by_admin(name, named)):
        return said
    words = _words(name)
    if address := _ADDRESS.match(sender_id):
        known = _BY_ADDRESS | _BY_ADDRESS_OF_TWILIO if "twilio" in words else _BY_ADDRESS
        if channel := known.get(address.group(1).lower()):
            return channel
    return _by_words(words)


def parse_channels(text: str) -> dict[str, str]:
    """Pairs of an input channel's name and Kustomer's channel: `invoicebot=chat,my_wa=whatsapp`.

    Raises:
        ValueError: Says what is wrong, for an admin.
    """
    named: dict[str, str] = {}
    for entry in (one.strip() for one in text.split(",")):
        if not entry:
            continue
        name, equals, channel = (part.strip() for part in entry.partition("="))
        channel = channel.lower()
        if not equals or not _NAME.fullmatch(name):
            raise ValueError(f"{entry} is not a pair of input channel and Kustomer channel")
        if channel not in CHANNELS:
            raise ValueError(f"{channel or 'nothing'} is not a Kustomer channel; known: " + ", ".join(CHANNELS))
        if _by_admin(name, named) not in {None, channel}:
            raise ValueError(f"names two channels for {name}")
        named[name] = channel
    return named


def _by_admin(name: str, named: Mapping[str, str]) -> str | None:
    return named.get(name) or next((channel for one, channel in named.items() if folded(one) == folded(name)), None)


@lru_cache(maxsize=256)
def _words(name: str) -> tuple[str, ...]:
    """The words between punctuation, digits and changes of case: `MySmsInput` has `sms`, `invoicebot` no `voice`."""
    return tuple(word.lower() for part in _WORD.findall(name) for word in _CHANGE_OF_CASE.split(part))


def _by_words(words: tuple[str, ...]) -> str:
    """One that says the channel goes before that of a vendor; a product's name may be part of a longer word."""
    together = "".join(words)
    for product in _BY_PRODUCT:
        if product in together:
            return product
    for known in (_BY_WORD, _BY_VENDOR):
        for known_word, channel in known.items():
            if known_word in words:
                return channel
    return DEFAULT
