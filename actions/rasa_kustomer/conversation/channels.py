"""Rasa's input channels into Kustomer's.

Source: Kustomer API reference, Messages: the channels that a message may be created with.
"""

DEFAULT = "chat"
_BY_WORD = (
    ("whatsapp", "whatsapp"),
    ("instagram", "instagram"),
    ("facebook", "facebook"),
    ("voice", "voice"),
    ("audiocodes", "voice"),
    ("jambonz", "voice"),
    ("vonage", "voice"),
    ("genesys", "voice"),
    ("sms", "sms"),
    ("twilio", "sms"),
    ("twitter", "twitter-dm"),
    ("email", "email"),
)
CHANNELS = (DEFAULT, *dict.fromkeys(channel for _, channel in _BY_WORD))
"""All that `kustomer_channel` can answer."""


def kustomer_channel(input_channel: object) -> str:
    """Kustomer's channel for a Rasa input channel; `chat` for all that are not something else."""
    if not isinstance(input_channel, str) or input_channel == "rest":
        return DEFAULT
    name = input_channel.lower()
    return next((channel for word, channel in _BY_WORD if word in name), DEFAULT)
