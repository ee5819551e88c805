"""Who somebody is, and whether that may be believed."""

from typing import Any

import pytest

from rasa_kustomer.conversation.identity import Identity, IdentityNames, identify
from rasa_kustomer.conversation.keys import anonymous_id, session_key, ticket_reference


def who(**given: Any) -> Identity:
    defaults: dict[str, Any] = {
        "slots": {},
        "session_metadata": None,
        "message_metadata": None,
        "trust_metadata": False,
        "names": IdentityNames(),
    }
    return identify("s1", **(defaults | given))


def test_without_anything_the_person_is_anonymous() -> None:
    assert who() == Identity("s1")
    assert who().anonymous


def test_lookups_come_in_the_order_of_certainty() -> None:
    person = who(slots={"phone": "+14155550100", "email": "A@B.com ", "customer_id": 42})

    assert person.lookups == (("externalId", "42"), ("email", "a@b.com"), ("phone", "+14155550100"))


@pytest.mark.parametrize("source", ["session_metadata", "message_metadata"])
def test_metadata_is_trusted_only_when_the_deployment_says_so(source: str) -> None:
    metadata = {source: {"customer_id": "c1", "name": "Ann"}}

    assert who(**metadata).trusted is False
    assert who(**metadata, trust_metadata=True) == Identity("s1", external_id="c1", name="Ann", trusted=True)


def test_what_somebody_typed_is_never_trusted_nor_mixed_with_what_is() -> None:
    typed = {"email": "victim@example.com"}

    assert who(slots=typed, trust_metadata=True).trusted is False
    trusted = who(slots=typed, session_metadata={"customer_id": "c1"}, trust_metadata=True)
    assert (trusted.external_id, trusted.email, trusted.trusted) == ("c1", None, True)


def test_metadata_that_only_names_the_person_does_not_make_a_typed_address_trusted() -> None:
    person = who(slots={"email": "a@b.com"}, session_metadata={"name": "Ann"}, trust_metadata=True)

    assert (person.email, person.name, person.trusted) == ("a@b.com", "Ann", False)


@pytest.mark.parametrize(
    ("slot", "value", "field", "expected"),
    [
        ("email", "no address", "email", None),
        ("email", "a@b", "email", None),
        ("email", ["a@b.com"], "email", None),
        ("phone", "+49 30 901820", "phone", "+4930901820"),
        ("phone", "030 901820", "phone", None),
        ("phone", "call me", "phone", None),
        ("phone", 14155550100, "phone", None),
        ("customer_id", True, "external_id", None),
        ("customer_id", {"id": 1}, "external_id", None),
        ("customer_id", " ", "external_id", None),
        ("customer_id", "rasa:somebody-else", "external_id", None),
        ("name", "Ann\x00 \n Lee", "name", "Ann Lee"),
    ],
)
def test_values_are_normalised_or_left_out(slot: str, value: Any, field: str, expected: str | None) -> None:
    assert getattr(who(slots={slot: value}), field) == expected


def test_a_number_without_plus_is_read_with_the_configured_country() -> None:
    assert who(slots={"phone": "030 901820"}, phone_region="DE").phone == "+4930901820"


def test_the_names_of_slots_and_metadata_can_be_chosen() -> None:
    names = IdentityNames(email="user_mail")

    assert who(slots={"user_mail": "a@b.com", "email": "other@b.com"}, names=names).email == "a@b.com"


@pytest.mark.parametrize("wrong", ["text", 7, ["list"], None])
def test_sources_of_the_wrong_type_are_ignored(wrong: Any) -> None:
    assert who(slots=wrong, session_metadata=wrong, message_metadata=wrong, trust_metadata=True).anonymous


def test_odd_sender_ids_make_keys_that_every_system_takes() -> None:
    odd = "x" * 5000 + "\x00"

    assert len(anonymous_id(odd)) < 60
    assert anonymous_id(odd) != anonymous_id(odd + "y")
    assert session_key("ann", 5) == "rasa:ann:5"


def test_a_ticket_reference_is_short_stable_and_speakable() -> None:
    reference = ticket_reference("rasa:ann:5")

    assert reference == ticket_reference("rasa:ann:5") != ticket_reference("rasa:ann:6")
    assert reference.startswith("RK-")
    assert len(reference) == 10
    assert not set(reference[3:]) & set("ILOU0189")
