"""Texts in a form that every system on the way takes."""

import re

from rasa_kustomer.conversation.names import folded

_UNWANTED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x9f\ud800-\udfff\ufffe\uffff]")
_LARGEST_LABEL = 10**12
_IN_PLACE_OF_A_PICTURE = "\ufffc"


def clean(text: object) -> str:
    """Text without NUL, control characters and broken surrogates; anything that is not text is empty."""
    if not isinstance(text, str):
        return ""
    if text.isascii() and text.isprintable():  # nearly all messages
        return text.strip()
    return _UNWANTED.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def spoken(text: object) -> str:
    """The text, cleaned; empty when there is nothing of it to be seen."""
    words = clean(text)
    return words if words.isascii() or folded(words.replace(_IN_PLACE_OF_A_PICTURE, "")) else ""


def label(value: object) -> str:
    """A button's title; ratings come as numbers."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _LARGEST_LABEL:
        return str(value)
    return clean(value)
