"""What KUSTOMER_MASK names does not stay in a text."""

import pytest

from rasa_kustomer.privacy.masking import Masker, MaskingError, masker


@pytest.mark.parametrize(
    ("kinds", "text", "masked"),
    [
        (["card"], "It is 4111 1111 1111 1111.", "It is [card ending 1111]."),
        (["card"], "mail ann@example.com", "mail ann@example.com"),
        (["iban"], "to DE89 3704 0044 0532 0130 00 please", "to [IBAN ending 3000] please"),
        (["iban"], "to DE88 3704 0044 0532 0130 00 please", "to DE88 3704 0044 0532 0130 00 please"),
        (["email"], "Ann <ann.lee+bot@mail.example.com>, bob@b.org!", "Ann <[e-mail address]>, [e-mail address]!"),
        (["email"], "a @ b.com @all user@host", "a @ b.com @all user@host"),
        (["phone"], "call +49 30 901820 now", "call [phone number] now"),
        (["phone"], "order 20261125-883", "order 20261125-883"),
        (["id:nl"], "my number is 111222333, bye", "my number is [id number], bye"),
        (["id:nl"], "my number is 111222334, bye", "my number is 111222334, bye"),
        (["id:es"], "DNI 54362315K.", "DNI [id number]."),
        (["id:de"], "36 574 261 809 it is", "[id number] it is"),
        (["none"], "4111 1111 1111 1111", "4111 1111 1111 1111"),
        (["card", "email"], "4111111111111111 ann@example.com", "[card ending 1111] [e-mail address]"),
    ],
)
def test_each_kind_is_masked_and_nothing_else(kinds: list[str], text: str, masked: str) -> None:
    mask = masker(kinds, region="DE")
    assert mask(text) == masked
    assert mask(masked) == masked, "masked once is masked"


def test_it_is_counted_by_kind() -> None:
    mask = masker(["card", "email"])
    mask("4111111111111111 and 5500005555555559")
    assert mask.counts == {"card": 2, "email": 0}


@pytest.mark.parametrize("kind", ["cards", "id:xx", "none,card", ""])
def test_an_unknown_kind_is_refused_with_those_that_are_known(kind: str) -> None:
    with pytest.raises(MaskingError, match="known"):
        masker([kind])


def test_without_finders_a_text_stays_as_it_is() -> None:
    assert Masker()("4111 1111 1111 1111") == "4111 1111 1111 1111"
