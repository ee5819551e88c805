"""Ids, e-mail addresses, phone numbers and names, read from whatever a slot or a channel's metadata hold.

A value that two people could share, or that can be read in two ways, is none: a chat that is not linked costs an agent
a minute, a wrong link shows one person's chat on another's timeline.
"""

import html
import re
import unicodedata
from collections.abc import Callable, Iterator
from urllib.parse import unquote

import phonenumbers
from phonenumbers import CountryCodeSource, Leniency, PhoneNumberMatcher, ValidationResult

from rasa_kustomer.conversation.keys import PREFIX
from rasa_kustomer.conversation.nobody import nobodys_address, stands_for_nobody

LONGEST = 255
_LONGEST_SENTENCE = 1_000
_MOST_ENTRIES = 100
_FIRST_INEXACT = 2**53  # floats from here on stand for several whole numbers each
_LARGEST = 10**LONGEST

_PART = r"[\w\u0080-\U0010ffff+&'-]"
_LETTER = r"(?:[^\W_]|[\u0080-\U0010ffff])"
_LABEL = rf"{_LETTER}(?:(?:{_LETTER}|-)*{_LETTER})?"
_TOP = r"(?:xn--[a-z0-9-]+|(?:[^\W\d_]|[\u0080-\U0010ffff]){2,})"
_EMAIL = re.compile(
    rf"(?P<local>(?:\w|[\u0080-\U0010ffff]){_PART}*(?:\.{_PART}+)*)@(?P<domain>(?:{_LABEL}\.)+{_TOP})(?:[^\w.@-][^@]*)?",
    re.IGNORECASE,
)
_BETWEEN = re.compile(r"[\s<>()\[\]|,;:\"\\]+|\b[\w-]*mail[\w-]*=", re.IGNORECASE)
_USER_OF_URL = re.compile(r"://[^/\s@]*@")
_AROUND = "'`*~.!?"

_DATE = re.compile(
    r"((19|20)\d\d[-./](0?[1-9]|1[0-2])[-./]([12]\d|3[01]|0?[1-9])"
    r"|([12]\d|3[01]|0?[1-9])[-./]([12]\d|3[01]|0?[1-9])[-./]((19|20)\d\d|\d\d))(?!\d|[-./]\d).*"
)
_FOR_PHONES = re.compile(r"phone|tel|fon|mobil|cell|handy|call|reach|ring|number|nummer|numero|whatsapp|sms|text me")
_FOR_OTHERS = re.compile(
    r"order|invoice|ticket|case|zip|post|account|refer|track|parcel|iban|card|serial|policy|contract|booking|customer|birth"
    r"|bestell|rechnung|auftrag|kunden|konto|plz|vertrag|commande|factur|client|pedido|ordine|fattura|cuenta|compte"
)


def external_id(value: object) -> str | None:
    """The id by which a company knows a customer: never shortened nor guessed at."""
    return _only(value, _external_ids)


def email(value: object) -> str | None:
    """The one e-mail address in a value, in lower case, also in a link or a sentence."""
    return _only(value, _emails)


def phone(value: object, region: str | None) -> str | None:
    """The one phone number in a value, in E.164 form, also in a link or a sentence.

    Args:
        value: As found.
        region: Country of numbers without country code, as two letters.
    """
    return _only(value, lambda entry: _phones(entry, region))


def name(value: object) -> str | None:
    """A person's name in one line, for people to read; it identifies nobody."""
    found = {one.casefold(): one for entry in _entries(value) for one in _names(entry)}
    return next(iter(found.values())) if len(found) == 1 else None


def is_empty(value: object) -> bool:
    """Whether a value says nothing at all, so that there is nothing to understand."""
    return all(
        entry in (None, False, {}) or (isinstance(entry, str) and not entry.strip()) for entry in _entries(value)
    )


def visible(text: str) -> str:
    """Text without characters that neither show nor spell anything: soft hyphens, byte order marks, directions."""
    if text.isascii():
        return text
    return "".join(one for one in text if not _unseen(one))


def _joins(one: str) -> bool:
    return one in "\u200c\u200d\u180e" or "\U000e0020" <= one <= "\U000e007f"  # they spell words, emoji and flags


def _unseen(one: str) -> bool:
    if unicodedata.category(one) != "Cf" or _joins(one):
        return False
    return not unicodedata.name(one, "").startswith(("ARABIC NUMBER", "ARABIC SIGN", "ARABIC END", "SYRIAC", "KAITHI"))


def _only(value: object, read: Callable[[object], list[str]]) -> str | None:
    """The one distinct thing that is found in a value or in the entries of a list."""
    found = dict.fromkeys(one for entry in _entries(value) for one in read(entry))
    return next(iter(found)) if len(found) == 1 else None


def _entries(value: object) -> Iterator[object]:
    waiting, seen = [value], 0
    while waiting and seen < _MOST_ENTRIES:
        entry, seen = waiting.pop(), seen + 1
        if isinstance(entry, (list, tuple)):
            waiting += reversed(entry[:_MOST_ENTRIES])
        else:
            yield entry


def _written_out(value: object) -> str:
    """Text, or a whole number as text, as slots of type `float` hold ids too; empty for all else."""
    if isinstance(value, float) and value.is_integer() and abs(value) < _FIRST_INEXACT:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST:
        return str(value)
    return value if isinstance(value, str) else ""


def _external_ids(value: object) -> list[str]:
    text = visible(_written_out(value)).strip()
    if not 0 < len(text) <= LONGEST or not all(one.isprintable() or _joins(one) for one in text):
        return []
    if text.lower().startswith(PREFIX) or stands_for_nobody(text):  # ours are not for others to claim
        return []
    return [text]


def _breaks(one: str) -> bool:
    """Whether a character is no part of a name: a control, a line's end, half of a pair."""
    return unicodedata.category(one) in {"Cc", "Cs", "Zl", "Zp"}


def _names(value: object) -> list[str]:
    text = visible(value) if isinstance(value, str) else ""
    text = " ".join("".join(" " if _breaks(one) else one for one in text).split())[:LONGEST]
    return [text] if text else []


def _sentence(value: object) -> str:
    """Text in the plain characters of addresses and numbers; empty when it is too long to be about one of them."""
    text = _written_out(value)
    if len(text) > _LONGEST_SENTENCE:
        return ""
    if "%" in text and ("mailto:" in text.lower() or "tel:" in text.lower()):
        text = unquote(text)
    if "&" in text:
        text = html.unescape(text)
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKC", text)
    return "".join(one for one in text if unicodedata.category(one) != "Cf")


def _emails(value: object) -> list[str]:
    found = []
    text = _USER_OF_URL.sub("://", _sentence(value))
    text = "".join(one if one.isascii() or one.isalnum() or _mark(one) else " " for one in text)
    for piece in _BETWEEN.split(text):
        around = _AROUND + "_" if piece.startswith("_") and piece.endswith("_") else _AROUND
        token = piece.strip(around).rstrip(around + "-&/=#%+")
        before, _, behind = token.partition("@")
        if not before or not behind:
            continue
        match = _EMAIL.fullmatch(token)
        if match is None or len(match["local"]) > 64 or len(match["domain"]) > LONGEST - 2 or match["local"][-1] == "'":
            return []  # something else was meant, or a part of it is missing
        local, domain = match["local"].lower(), match["domain"].lower()
        if not nobodys_address(local, domain):
            found.append(f"{local}@{domain}")
    return found


def _mark(one: str) -> bool:
    return unicodedata.category(one)[0] == "M"


def _phones(value: object, region: str | None) -> list[str]:
    text = _sentence(value)
    if sum(one.isdigit() for one in text) < 2:
        return []
    found = []
    valid = {match.start for match in PhoneNumberMatcher(text, region, Leniency.VALID)} if region else set()
    for match in PhoneNumberMatcher(text, region, Leniency.POSSIBLE):
        number = phonenumbers.parse(match.raw_string, region, keep_raw_input=True)
        with_code = number.country_code_source in {
            CountryCodeSource.FROM_NUMBER_WITH_PLUS_SIGN,
            CountryCodeSource.FROM_NUMBER_WITH_IDD,
        }
        sure = with_code or (match.start in valid and _meant(match.raw_string, text[: match.start], text[match.end :]))
        if number.extension or not sure or not _complete(number):
            continue  # an extension is one person, its number an office
        found.append(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    return found


def _complete(number: phonenumbers.PhoneNumber) -> bool:
    """Whether a number can be called from everywhere, and is no placeholder; new ranges need not be known."""
    if phonenumbers.is_possible_number_with_reason(number) != ValidationResult.IS_POSSIBLE:
        return False
    return len(set(phonenumbers.national_significant_number(number))) > 1


def _meant(raw: str, before: str, behind: str) -> bool:
    """Whether digits without a country code are a phone number: no date, and among words no order's number."""
    if _DATE.fullmatch(raw) or before.rstrip().endswith("#"):
        return False
    words = f"{before} {behind}".lower()
    if _FOR_OTHERS.search(words):
        return False
    return not (raw.isdigit() and re.search(r"[^\W\d_]", words)) or _FOR_PHONES.search(words) is not None
