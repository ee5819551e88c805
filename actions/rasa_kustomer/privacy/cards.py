"""Numbers of payment cards in what people type: found by issuer, length and check digit, in any spelling."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import accumulate
from typing import NamedTuple

_MIN_DIGITS = 13
_MIN_IBAN = 15  # Norway's
_RUN = re.compile(r"[0-9](?:[ .\-_*/\t\n]{0,3}[0-9]){12,}")
_GROUP, _NO_DIGIT = re.compile("[0-9]+"), re.compile("[^0-9]+")
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)  # the sum of the digits of twice as much
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,30}://\S*")
_IBAN = re.compile(r"\b[A-Za-z]{2}[0-9]{2}(?: ?[A-Za-z0-9]{4}){2,7}(?: ?[A-Za-z0-9]{1,3})?\b")
_MAX_KNOWN = 10_000  # characters of which it is remembered what they mean
_ISSUERS = (  # first and last prefix, and the lengths (ISO/IEC 7812 ranges as the networks publish them)
    ("4", "4", {13, 16, 19}),
    ("51", "55", {16}),
    ("2221", "2720", {16}),
    ("34", "34", {15}),
    ("37", "37", {15}),
    ("6011", "6011", {16, 19}),
    ("644", "659", {16, 19}),
    ("300", "305", {14}),
    ("3095", "3095", {14}),
    ("36", "36", {14}),
    ("38", "39", {14}),
    ("3528", "3589", {16, 17, 18, 19}),
    ("62", "62", {16, 17, 18, 19}),
    ("2200", "2204", {16, 17, 18, 19}),
    ("5018", "5018", {13, 14, 15, 16, 17, 18, 19}),
    ("5020", "5020", {13, 14, 15, 16, 17, 18, 19}),
    ("5038", "5038", {13, 14, 15, 16, 17, 18, 19}),
    ("5893", "5893", {13, 14, 15, 16, 17, 18, 19}),
    ("6304", "6304", {13, 14, 15, 16, 17, 18, 19}),
    ("6759", "6763", {13, 14, 15, 16, 17, 18, 19}),
)


class Card(NamedTuple):
    """A card's number in a text, from `start` up to `end`."""

    start: int
    end: int
    last_four: str


class _Plain(dict[int, str]):
    """What each character means: a digit, a separator, nothing that is seen (NUL), or something else (itself)."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        digit, category = unicodedata.digit(character, None), unicodedata.category(character)
        if category in {"Zs", "Pd"}:
            meaning = " "
        elif category == "Cf":  # a blank of no width
            meaning = "\0"
        else:
            meaning = character if digit is None else str(digit)
        if len(self) < _MAX_KNOWN:
            self[code] = meaning
        return meaning


_PLAIN = _Plain()


def find_cards(text: str) -> list[Card]:
    """All card numbers of a text, from left to right; digits that are spread over several texts are not found.

    Digits of any script count, and what nobody sees between them does not. A number may stand in groups, beside an
    expiry date and check digits, but not in the middle of a longer number, nor in an IBAN, a phone number after a plus
    sign or a web address.
    """
    if sum(map(str.isdigit, text)) < _MIN_DIGITS:  # nearly all messages
        return []
    plain = text if text.isascii() else text.translate(_PLAIN)
    places: Sequence[int] = range(len(plain))
    if "\0" in plain:
        places, plain = [place for place, one in enumerate(plain) if one != "\0"], plain.replace("\0", "")
    others = [*find_ibans(plain), *(one.span() for one in _ADDRESS.finditer(plain))]
    found = (span for run in _RUN.finditer(plain) for span in _cards_of(run) if not _within(span, others))
    return [Card(places[start], places[end - 1] + 1, _last_four(plain[start:end])) for start, end in found]


def _cards_of(run: re.Match[str]) -> Iterator[tuple[int, int]]:
    groups = [(one.start() + run.start(), one.end() + run.start()) for one in _GROUP.finditer(run.group())]
    number = _NO_DIGIT.sub("", run.group())
    begins, ends, digits = {}, {}, 0
    for first, last in groups:
        begins[digits] = first
        digits += last - first
        ends[digits] = last
    if run.string[run.end() : run.end() + 1].isalpha():  # part of something longer, such as a hexadecimal number
        del ends[digits]
    if run.string[max(0, run.start() - 1) : run.start()] == "+":
        del begins[0]
    sums, free = _sums(number), 0
    for start, first in begins.items():
        lengths = _lengths(number[start : start + 4]) if start >= free else ()
        end = next(
            (one for one in (start + length for length in lengths) if one in ends and _checks(start, one, sums)), 0
        )
        if end and len(set(number[start:end])) > 1:
            free = end
            yield first, ends[end]


def _within(span: tuple[int, int], others: list[tuple[int, int]]) -> bool:
    return any(first <= span[0] < last for first, last in others)


def _last_four(spelled: str) -> str:
    return _NO_DIGIT.sub("", spelled)[-4:]


def find_ibans(text: str) -> list[tuple[int, int]]:
    """Beginning and end of each IBAN in a text, in groups of four or without blanks."""
    return [(one.start(), one.start() + length) for one in _IBAN.finditer(text) if (length := _iban(one.group()))]


def _iban(text: str) -> int:
    """Length of the IBAN with which a text begins, since words may follow it; 0 when it begins with none."""
    while text:
        if _is_iban(text):
            return len(text)
        text = text.rpartition(" ")[0]
    return 0


@cache
def _lengths(beginning: str) -> tuple[int, ...]:
    """How many digits a card that begins so may have, the most first."""
    fitting = (lengths for first, last, lengths in _ISSUERS if first <= beginning[: len(first)] <= last)
    return tuple(sorted(set().union(*fitting), reverse=True))


def _sums(number: str) -> tuple[list[int], list[int]]:
    """Luhn's sums of the first digits (ISO/IEC 7812-1), with every second digit doubled: the odd places, the even."""
    digits = [int(one) for one in number]
    odd, even = digits[:], digits[:]
    odd[1::2], even[::2] = ([_DOUBLED[one] for one in half] for half in (digits[1::2], digits[::2]))
    return [0, *accumulate(odd)], [0, *accumulate(even)]


def _checks(start: int, end: int, sums: tuple[list[int], list[int]]) -> bool:
    """Whether the check digit is right; the last digit is not doubled."""
    these = sums[(end - 1) % 2]
    return (these[end] - these[start]) % 10 == 0


def _is_iban(text: str) -> bool:
    """Whether the check digits are right (ISO 13616)."""
    plain = text.replace(" ", "")
    return len(plain) >= _MIN_IBAN and int("".join(str(int(one, 36)) for one in plain[4:] + plain[:4])) % 97 == 1
