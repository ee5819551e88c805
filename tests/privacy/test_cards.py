"""Card numbers are found in any spelling, and other numbers are left alone."""

import random
import sys
from collections.abc import Callable, Iterator

import pytest

from rasa_kustomer.privacy.cards import find_cards

ISSUERS = [
    ("4", 16),
    ("4", 19),
    ("51", 16),
    ("2221", 16),
    ("34", 15),
    ("37", 15),
    ("6011", 16),
    ("36", 14),
    ("3530", 16),
]
WORLD = "4111111111111111"


def with_check_digit(digits: str) -> str:
    """Luhn's, computed the slow way."""
    total = sum(sum(divmod((2 - place % 2) * int(one), 10)) for place, one in enumerate(reversed(digits)))
    return f"{digits}{-total % 10}"


def cards(number: int) -> Iterator[str]:
    dice = random.Random(5)  # noqa: S311 - the same each time
    for place in range(number):
        prefix, length = ISSUERS[place % len(ISSUERS)]
        yield with_check_digit(prefix + "".join(dice.choice("0123456789") for _ in range(length - 1 - len(prefix))))


def grouped(separator: str) -> Callable[[str], str]:
    return lambda card: separator.join(card[start : start + 4] for start in range(0, len(card), 4))


def in_digits_from(zero: str) -> Callable[[str], str]:
    return lambda card: "".join(chr(ord(zero) + int(one)) for one in card)


SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "blanks": grouped(" "),
    "hyphens": grouped("-"),
    "dots": grouped("."),
    "blanks that do not break": grouped("\u00a0"),
    "hyphens that do not break": grouped("\u2011"),
    "blanks of no width": grouped("\u200b"),
    "underscores": grouped("_"),
    "full width": in_digits_from("\uff10"),
    "Arabic": in_digits_from("\u0660"),
    "digit by digit": " ".join,
    "lines": grouped(" \n"),
    "hyphens between blanks": grouped(" - "),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_card_is_found_however_it_is_typed(spelling: str) -> None:
    for card in cards(90):
        text = f"My card is {SPELLINGS[spelling](card)}, thanks"
        [found] = find_cards(text)
        assert found.last_four == card[-4:]
        assert text[found.start : found.end] == SPELLINGS[spelling](card)


@pytest.mark.parametrize("before", ["card #", "card=", "visa/", "visa", "a@b.org ", '{"card":"'])
def test_what_stands_before_a_card_does_not_hide_it(before: str) -> None:
    [found] = find_cards(before + WORLD)
    assert found.start == len(before)


@pytest.mark.parametrize("after", [" 09/28 123", " 0928", " 123", " exp 09/28", "-09-28"])
def test_what_follows_a_card_is_no_part_of_it(after: str) -> None:
    for spelled in (WORLD, "4111 1111 1111 1111", "4111-1111-1111-1111"):
        [found] = find_cards(spelled + after)
        assert (found.start, found.end) == (0, len(spelled))


def test_two_cards_of_a_text_are_two() -> None:
    text = "4111 1111 1111 1111 or 5500-0055-5555-5559"
    assert [one.last_four for one in find_cards(text)] == ["1111", "5559"]


@pytest.mark.parametrize(
    "text",
    [
        "order 20261125123456789",
        "1795330500123",
        "IMEI 356938035643809",
        "tracking 1Z999AA10123456784",
        "DE89 3704 0044 0532 0130 00",
        "GB29 NWBK 6016 1331 9268 19",
        "NL91ABNA0417164300",
        "+4111111111111111",
        "DE95 4111 1111 1111 1111 00",
        "4111 1111 1111 1112",
        "4111111111111111a0f3c2",
        "https://shop.example/?ref=4111111111111111",
        "https://shop.example/4111111111111111",
        "0000 0000 0000 0000",
        "4444 4444 4444 4444",
        "",
        "12",
    ],
)
def test_other_numbers_are_left_alone(text: str) -> None:
    assert find_cards(text) == []


def test_of_random_numbers_few_are_taken_for_cards() -> None:
    """Luhn's digit alone is right for one in ten."""
    dice = random.Random(7)  # noqa: S311 - the same each time
    numbers = ["".join(dice.choice("0123456789") for _ in range(dice.randint(13, 19))) for _ in range(5_000)]
    assert sum(bool(find_cards(one)) for one in numbers) < 100


@pytest.mark.parametrize("text", ["1 " * 2_000, "4 1 " * 2_000, "41" * 4_000, "4111 " * 2_000, "\u200b" * 4_000])
def test_a_hostile_text_costs_what_its_length_costs(text: str) -> None:
    """Twice as much of it calls twice as many functions."""
    assert _effort(2 * text) <= 2.2 * _effort(text)


def _effort(text: str) -> int:
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    sys.setprofile(count)
    try:
        find_cards(text)
    finally:
        sys.setprofile(None)
    return calls
