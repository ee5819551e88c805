"""Kustomer's channel of a message, by the sender's address, the input channel's name, and what an admin says of it."""

from typing import Any

import pytest

from rasa_kustomer.conversation.channels import CHANNELS, kustomer_channel, parse_channels
from rasa_kustomer.conversation.messages import read_messages


@pytest.mark.parametrize(
    ("input_channel", "expected"),
    [
        ("rest", "chat"),
        ("socketio", "chat"),
        ("whatsapp", "whatsapp"),
        ("twilio_whatsapp", "whatsapp"),
        ("mywhatsappbot", "whatsapp"),
        ("WhatsAppInput", "whatsapp"),
        ("instagramdirect", "instagram"),
        ("facebook", "facebook"),
        ("twilio", "sms"),
        ("twilio_voice", "voice"),
        ("twilio_media_streams", "voice"),
        ("TwilioChatInput", "chat"),
        ("vonage", "voice"),
        ("vonage_sms", "sms"),
        ("vonage-chat", "chat"),
        ("MySmsInput", "sms"),
        ("SMSGateway", "sms"),
        ("sms2rasa", "sms"),
        ("audiocodes_stream", "voice"),
        ("jambonz", "voice"),
        ("vier_cvg", "voice"),
        ("genesys", "voice"),
        ("my.email.connector", "email"),
        ("twitter", "twitter-dm"),
        ("invoicebot", "chat"),
        ("InvoiceBot", "chat"),
        ("transmsservice", "chat"),
        ("", "chat"),
        (None, "chat"),
        (7, "chat"),
    ],
)
def test_a_channel_is_found_by_the_words_of_the_input_channels_name(input_channel: Any, expected: str) -> None:
    assert kustomer_channel(input_channel) == expected


@pytest.mark.parametrize(
    ("input_channel", "sender", "expected"),
    [
        ("twilio", "+14155550100", "sms"),
        ("twilio", "whatsapp:+14155550100", "whatsapp"),
        ("twilio", "WhatsApp:+14155550100", "whatsapp"),
        ("twilio", "messenger:1234567", "facebook"),
        ("twilio", "instagram:1234567", "instagram"),
        ("twilio", "rcs:+14155550100", "sms"),
        ("twilio", "sip:ann@example.com", "voice"),
        ("twilio", "client:ann", "voice"),
        ("twilio", "telegram:17", "chat"),
        ("custom_phone_numbers", "whatsapp:+14155550100", "whatsapp"),
        ("rest", "client:42", "chat"),
        ("rest", "whatsapp:", "chat"),
        ("twilio_whatsapp", "user:1", "whatsapp"),
    ],
)
def test_what_twilio_writes_before_the_senders_id_says_the_channel(
    input_channel: str, sender: str, expected: str
) -> None:
    assert kustomer_channel(input_channel, sender) == expected


def test_every_message_of_a_conversation_is_on_the_channel_of_the_senders_address() -> None:
    """Also the bot's, and those before the user's first word."""
    events = [
        {"event": "bot", "text": "Hello", "timestamp": 1.0, "data": {}},
        {"event": "user", "text": "Hi", "timestamp": 2.0, "message_id": "m", "input_channel": "twilio"},
        {"event": "bot", "text": "How can I help?", "timestamp": 3.0, "data": {}},
    ]
    for length in (1, 3):
        (part,) = read_messages(events[:length], "whatsapp:+14155550100", None).sessions
        assert {message.channel for message in part.messages} == {"whatsapp"}


def test_a_bot_that_speaks_first_in_a_session_does_so_on_the_channel_of_that_session() -> None:
    """Whatever was before, which the event stream and Rasa forget at different times."""
    before: list[Any] = [{"event": "user", "text": "Hi", "timestamp": 1.0, "message_id": "m", "input_channel": "email"}]
    session = [
        {"event": "session_started", "timestamp": 2.0},
        {"event": "bot", "text": "Hello", "timestamp": 3.0, "data": {}},
        {"event": "user", "text": "Hi", "timestamp": 4.0, "message_id": "n", "input_channel": "facebook"},
    ]
    for events in (session, before + session):
        latest = read_messages(events, "u1", None).sessions[-1]
        assert [message.channel for message in latest.messages] == ["facebook", "facebook"]
    cursor = read_messages(before + session[:1], "u1", None).cursor
    (part,) = read_messages([*before, *session], "u1", cursor).sessions
    assert part.messages == latest.messages


def test_what_an_admin_says_of_a_name_goes_before_everything_else() -> None:
    named = parse_channels(" voicebot=voice , My_WA=WhatsApp,sms=chat, ")

    assert kustomer_channel("voicebot", "", named) == "voice"
    assert kustomer_channel("my_wa", "", named) == "whatsapp"
    assert kustomer_channel("sms", "whatsapp:+1", named) == "chat"
    assert kustomer_channel("twilio", "", named) == "sms"


@pytest.mark.parametrize("channel", CHANNELS)
def test_an_admin_can_name_every_channel_of_kustomer(channel: str) -> None:
    assert kustomer_channel("x", "", parse_channels(f"x={channel}")) == channel


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("invoicebot", "pair"),
        ("=chat", "pair"),
        ("invoicebot=", "nothing is not a Kustomer channel"),
        ("invoicebot=telegram", "telegram is not a Kustomer channel"),
        ("a=chat;b=sms", "is not a Kustomer channel"),
        ('"a=chat"', "pair"),
        ("{a=chat}", "pair"),
        ("a=chat\nb=sms", "is not a Kustomer channel"),
        ("a=chat,A=sms", "two channels for A"),
    ],
)
def test_an_admin_is_told_what_is_wrong(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_channels(text)
