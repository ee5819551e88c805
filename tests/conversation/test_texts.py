"""Names that people take for the same are the same; those that they would tell apart are not."""

import pytest

from rasa_kustomer.conversation.texts import find_by_name, folded, same_name

JOINER, NON_JOINER, NO_WIDTH, MARK, SOFT_HYPHEN = "\u200d", "\u200c", "\u200b", "\ufeff", "\u00ad"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("VIP", "VIP "),
        ("VIP", "\t VIP\r\n"),
        ("VIP Support", "VIP   Support"),
        ("VIP Support", "VIP\u00a0Support"),
        ("VIP Support", "VIP\u2003\u3000Support"),
        ("VIP Support", "VIP\nSupport"),
        ("VIP Support", "VIP\u2800Support"),
        ("VIP", "vip"),
        ("Straße", "STRASSE"),
        ("ΟΔΟΣ", "οδος"),
        ("Équipe Élite", "E\u0301quipe E\u0301lite"),
        ("ÉQUIPE", "e\u0301quipe"),
        ("ﬁnance", "FINANCE"),
        ("VIP", "\uff36\uff29\uff30"),
        ("Team ①", "Team 1"),
        ("\u1fb3", "\u0391\u0345"),
        ("VIP", f"V{NO_WIDTH}IP"),
        ("VIP", f"{MARK}VIP"),
        ("VIP", f"VI{SOFT_HYPHEN}P"),
        ("VIP", "\u202aVIP\u202c"),
        ("VIP", "VIP\x00\x7f"),
        ("VIP", "VIP\u3164"),
        ("VIP", f"VIP {NO_WIDTH} "),
        ("علی رضا", f"علی {NON_JOINER}رضا"),
        ("\u2764", "\u2764\ufe0f"),
        ("👩💻", f"👩{JOINER}💻"),
    ],
)
def test_blanks_capitals_invisible_characters_and_encoding_do_not_matter(one: str, other: str) -> None:
    assert same_name(one, other)
    assert same_name(other, one)
    assert folded(one) == folded(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("VIP", "VIP2"),
        ("VIP Support", "VIPSupport"),
        ("VIP-Support", "VIP Support"),
        ("resume", "résumé"),
        ("Team 1", "Team 2"),
        ("VIP", ""),
        ("Support", "support team"),
        ("e\u0301", "e\u0300"),
    ],
)
def test_what_shows_matters(one: str, other: str) -> None:
    assert not same_name(one, other)


def test_the_name_that_is_exactly_so_goes_first_wherever_it_stands() -> None:
    named = [("vip ", 1), ("VIP", 2), ("Vip", 3)]

    assert find_by_name("VIP", named) == 2
    assert find_by_name("Vip", named) == 3
    assert find_by_name("viP", named) == 1
    assert find_by_name("Moon", named) is None


def test_a_name_of_which_nothing_shows_is_no_error() -> None:
    assert folded(f" {NO_WIDTH}{MARK}\n") == ""
    assert same_name("", NO_WIDTH)
