"""What KUSTOMER_MASK names does not stay in a text."""

import pytest

from rasa_kustomer.privacy.masking import MaskingError, masker


@pytest.mark.parametrize(
    ("kinds", "text", "masked"),
    [
        (["card"], "It is 4111 1111 1111 1111.", "It is [card ending 1111]."),
        (["card"], "mail ann@example.com", "mail ann@example.com"),
        (["iban"], "to DE89 3704 0044 0532 0130 00 please", "to [IBAN ending 3000] please"),
        (["iban"], "to DE88 3704 0044 0532 0130 00 please", "to DE88 3704 0044 0532 0130 00 please"),
        (["iban"], "be68 5390 0754 7034 thanks", "[IBAN ending 7034] thanks"),
        (["iban"], "NO93 8601 1117 947 IS IT", "[IBAN ending 7947] IS IT"),
        (["email"], "to ann@müller.de", "to [e-mail address]"),
        (["email"], "Ann <ann.lee+bot@mail.example.com>, bob@b.org!", "Ann <[e-mail address]>, [e-mail address]!"),
        (["email"], "a @ b.com @all user@host", "a @ b.com @all user@host"),
        (["phone"], "call +49 30 901820 now", "call [phone number] now"),
        (["phone"], "order 20261125-883", "order 20261125-883"),
        (["id:nl"], "my number is 111222333, bye", "my number is [national id], bye"),
        (["id:nl"], "my number is 111222334, bye", "my number is 111222334, bye"),
        (["id:es"], "DNI 54362315K.", "DNI [national id]."),
        (["id:de"], "36 574 261 809 it is", "[national id] it is"),
        (["none"], "4111 1111 1111 1111", "4111 1111 1111 1111"),
        (["card", "email"], "4111111111111111 ann@example.com", "[card ending 1111] [e-mail address]"),
    ],
)
def test_each_kind_is_masked_and_nothing_else(kinds: list[str], text: str, masked: str) -> None:
    mask = masker(kinds, region="DE")
    assert mask(text) == masked
    assert mask(masked) == masked, "masked once is masked"


@pytest.mark.parametrize("kind", ["cards", "id:xx", "none,card", ""])
def test_an_unknown_kind_is_refused_with_those_that_are_known(kind: str) -> None:
    with pytest.raises(MaskingError, match="known"):
        masker([kind])
