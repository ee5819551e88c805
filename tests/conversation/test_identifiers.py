"""What is read from a value, and what is no identity although it looks like one."""

from typing import Any

import pytest

from rasa_kustomer.conversation import identifiers
from rasa_kustomer.conversation.identity import IdentityNames, not_understood

NO_VALUE = r"""
undefined | null | None | NaN | nil | N/A | n.a. | #N/A | #NV | #REF! | #NAME? | #DIV/0! | #WERT! | #Error
[object Object] | {{ customer.id }} | ${id} | {id} | {0} | {} | [] | %ID% | %s | %d | %(id)s | %{id} | #{id}
<customer_id> | <%= id %> | $id | <?= $id ?> | {$id} | {!Contact.Id} | $(id) | [[id]] | [% id %] | [CUSTOMER_ID]
%%id%% | ##id## | __ID__ | :id | «id» | cust-${id} | guest | guest_123 | guest-123 | Guest 12 | guest123 | guest:42
Guest (12) | guest_7f3a9c | guest_user | Guest Checkout | GuestUser | guest_550e8400-e29b-41d4-a716-446655440000
visitor_17 | anonymous | AnonymousUser | anonymousUser | anon-7f3a9c2e | unknown | Gast | unbekannt | invité
anónimo | not_logged_in | notLoggedIn | not available | (not set) | (none) | (null) | <nil> | <NA> | 0 | 00 | 0.0
0x0 | -1 | -1.0 | 0000000000 | 000000000000000000000000 | 00000000-0000-0000-0000-000000000000
ffffffff-ffff-ffff-ffff-ffffffffffff | {00000000-0000-0000-0000-000000000000} | - | -- | ? | ~ | "null"
'undefined' | "" | user_undefined | customer-null | cust_None | customer_id | customerId | YOUR_CUSTOMER_ID | test
true | false | Infinity | NoneType | System.DBNull | java.lang.Object@5e91993f | com.acme.User@1b6d3586
Optional.empty | Array | \N | %!s(<nil>) | void 0 | nullnull | 1.23457E+16 | 1.2345678901234568e+16 | 1e+21
function () { return 1 }
"""
SOMEBODY = r"""
0042 | 42 | C-1001 | 4711 | a  b | guest house ltd | guesthouse-12 | Gasthof 12 | Erika Gast | guest.anna | user_1
customer_7 | acct-00 | A0 | x0 | 0x1f | #1234 | @ann | ann@example.com | 1e10 | 5E12 | NA-123 | test-1
Null Island Ltd | Void Ltd | Nan Li | 550e8400-e29b-41d4-a716-446655440000 | {6F9619FF-8B86-D011-B42D-00C04FC964FF}
5f0c3a9be4b0f20012ab34cd | 12.0 | -5 | 100% | true-north | visitorcenter | none-such | unknown-pleasures
"""


def wide(text: str) -> str:
    """In the full-width characters of East Asian keyboards."""
    return text.translate({number: number + 0xFEE0 for number in range(0x21, 0x7F)})


def words(table: str) -> list[str]:
    return [word for line in table.strip().splitlines() for word in line.split(" | ")]


@pytest.mark.parametrize("value", words(NO_VALUE))
def test_what_programs_write_without_a_value_is_no_customer(value: str) -> None:
    assert identifiers.external_id(value) is None
    assert identifiers.external_id(f" {value}\n") is None


@pytest.mark.parametrize("value", words(SOMEBODY))
def test_an_id_that_may_be_somebodys_is_kept_to_the_letter(value: str) -> None:
    assert identifiers.external_id(value) == value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (12345678901234567.0, None),
        (2.0**53, None),
        (-(2.0**53), None),
        (2.0**53 - 1, "9007199254740991"),
        (2**53 + 1, "9007199254740993"),
        (10**40, "1" + "0" * 40),
        ("9" * 200, "9" * 200),
        (12.0, "12"),
        (0, None),
        (-1, None),
        (True, None),
    ],
)
def test_a_number_is_an_id_only_while_it_tells_ids_apart(value: object, expected: str | None) -> None:
    """A float from 2**53 on stands for several whole numbers."""
    assert identifiers.external_id(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        "<mailto:ann@example.com|ann@example.com>",
        "Ann Lee <ann@example.com>",
        "Ann Lee<ANN@Example.com>",
        "[ann@example.com](mailto:ann@example.com)",
        "[write to me](mailto:ann@example.com?subject=hi)",
        '<a href="mailto:ann@example.com">ann@example.com</a>',
        "&lt;ann@example.com&gt;",
        "mailto:ann%40example.com",
        "email=ann@example.com",
        "it is ann@example.com.",
        "ann@example.com!",
        "ann@example.com…",
        "ann@example.com, thanks",
        "ann@example.com's",
        "ann@example.com-",
        "'ann@example.com'",
        "“ann@example.com”",
        "(ann@example.com)",
        "*ann@example.com*",
        "__ann@example.com__",
        "`ann@example.com`",
        "ann@example.com\u200b",
        "\ufeffann@exam\u00adple.com",
        wide("ann@example.com"),
        "ann@example.com\nANN@example.com",
        ["ann@example.com", " Ann@Example.com ", "", None],
        [["ann@example.com"], [["<ann@example.com>"]]],
        ["null", "ann@example.com"],
    ],
)
def test_the_one_address_in_a_value_is_read(value: object) -> None:
    assert identifiers.email(value) == "ann@example.com"


@pytest.mark.parametrize(
    "value",
    [
        "o'brien@example.com",
        "ann+news@example.com",
        "_ann@example.com",
        "4711@qq.com",
        "a&b@c-d.co.uk",
        "用户@例子.公司",
    ],
)
def test_unusual_addresses_stay_as_they_are(value: str) -> None:
    assert identifiers.email(value) == value


@pytest.mark.parametrize(
    "value",
    [
        "ann@example.com bob@example.com",
        ["ann@example.com", "bob@example.com"],
        "a@b@c.com",
        "ann@example",
        "ann@example..com",
        "ann..lee@example.com",
        "ann@exam ple.com",
        "ann@example.com-thanks",
        "ann@1.2.3.4",
        "x/ann@example.com",
        "https://user:pw@host.example",
        "null@null",
        "none@none.com",
        "noreply@example.com",
        "guest123@shop.example",
        "undefined@shop.example",
        "your@email.com",
        "test@test.com",
        "x" * 2_000 + " ann@example.com",
    ],
)
def test_several_addresses_broken_ones_and_placeholders_are_none(value: object) -> None:
    assert identifiers.email(value) is None


@pytest.mark.parametrize(
    ("value", "region"),
    [
        ("<tel:+14155550100|+1 415-555-0100>", None),
        ("[+1 415 555 0100](tel:+14155550100)", None),
        ("tel:+1%20415%20555%200100", None),
        ("my number is +1 (415) 555-0100.", None),
        (wide("+1 415 555 0100"), None),
        ("\u202a+1 415\u200b 555 0100\u202c", None),
        ("order 5, phone +14155550100", None),
        (["415-555-0100", "+1 415 555 0100", ""], "US"),
        ("call me at (415) 555-0100, thanks", "US"),
        ("my number is 4155550100", "US"),
        (4155550100, "US"),
        (4155550100.0, "US"),
        ("011 1 415 555 0100", "US"),
    ],
)
def test_the_one_number_in_a_value_is_read(value: object, region: str | None) -> None:
    assert identifiers.phone(value, region) == "+14155550100"


@pytest.mark.parametrize(
    ("value", "region"),
    [
        ("555-1234", "US"),
        ("555 1234", "US"),
        ("+1 5551234", "US"),
        ("000-000-0000", "US"),
        ("+1 000 000 0000", "US"),
        ("+49 1111111", None),
        ("123-456-7890", "US"),
        ("49 30 901820", "US"),
        ("0049 30 901820", "US"),
        ("901820", "DE"),
        ("112", "DE"),
        ("call me", "US"),
        ("1-800-FLOWERS", "US"),
        ("2026-11-25", "DK"),
        ("25.11.2026", "DK"),
        ("2026-11-25T14:30:00Z", "DK"),
        ("order 4155550100", "US"),
        ("order no. 415-555-0100", "US"),
        ("#4155550100", "US"),
        ("Kundennummer 030 901820", "DE"),
        ("94103-1234", "US"),
        ("10115 Berlin", "DE"),
        ("415-555-0100 x12", "US"),
        ("tel:+1-415-555-0100;ext=5", None),
        ("+1 415 555 0100 or +1 415 555 0101", None),
        (["+14155550100", "+14155550101"], None),
        (True, "US"),
    ],
)
def test_what_is_no_number_of_one_person_in_full_is_none(value: object, region: str | None) -> None:
    assert identifiers.phone(value, region) is None


def test_a_number_with_a_country_code_need_not_be_in_a_range_that_is_known() -> None:
    assert identifiers.phone("+1 123 456 7890", None) == "+11234567890"


PERSIAN = "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627"
FLAG = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e007f"


@pytest.mark.parametrize(
    "value", [PERSIAN, "\u0dc1\u0dca\u200d\u0dbb\u0dd3", "Ann \U0001f469\u200d\U0001f467\ufe0f", f"Ann {FLAG}"]
)
def test_joiners_stay_in_names_and_ids(value: str) -> None:
    assert identifiers.name(value) == value
    assert identifiers.external_id(value) == value


@pytest.mark.parametrize("unseen", ["\u00ad", "\u200b", "\ufeff", "\u200e", "\u202e", "\u2066", "\u2060"])
def test_what_is_not_seen_goes_without_leaving_a_blank(unseen: str) -> None:
    assert identifiers.name(f"{unseen}Jo{unseen}han Lee{unseen}") == "Johan Lee"
    assert identifiers.external_id(f"{unseen}C-{unseen}1") == "C-1"


@pytest.mark.parametrize(
    ("value", "expected"),
    [([42, "42", 42.0, None, ""], "42"), (["undefined", "42"], "42"), (["A", "a"], None), ([], None), ([["42"]], "42")],
)
def test_a_list_with_one_distinct_id_is_that_id(value: Any, expected: str | None) -> None:
    assert identifiers.external_id(value) == expected


def test_a_list_with_one_distinct_name_is_that_name() -> None:
    assert identifiers.name(["Ann", "Ann ", ""]) == "Ann"
    assert identifiers.name(["ANN", "Ann"]) == "Ann"
    assert identifiers.name(["Ann", "Bob"]) is None


def test_a_slot_that_identifies_nobody_is_told_and_an_empty_one_is_not() -> None:
    names = IdentityNames()
    filled = {"email": "ann at example.com", "phone": ["+14155550100", "+14155550101"], "customer_id": "undefined"}

    assert set(not_understood(filled, names, None)) == set(filled)
    assert not_understood({"email": "ann@example.com", "phone": "+14155550100", "customer_id": 7}, names, None) == {}
    assert not_understood({"email": " ", "phone": [None, ""], "customer_id": None}, names, None) == {}
