"""Who somebody is, and whether that may be believed."""

from typing import Any

import pytest

from rasa_kustomer.conversation.identity import Identity, IdentityNames, identify
from rasa_kustomer.conversation.keys import (
    anonymous_id,
    event_key,
    part_key,
    session_key,
    ticket_reference,
    user_key,
)


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


@pytest.mark.parametrize(
    ("at_start", "now", "lookups", "name"),
    [
        ({"email": "a@b.com", "name": "Ann"}, {"customer_id": "c2"}, ["c2"], None),
        ({"customer_id": "c1", "name": "Ann"}, {"customer_id": "c2", "email": "b@b.com"}, ["c2", "b@b.com"], None),
        ({"customer_id": "c1", "name": "Ann"}, {"customer_id": "c1"}, ["c1"], "Ann"),
        ({"customer_id": "c1", "email": "a@b.com"}, {"email": "A@b.com"}, ["c1", "a@b.com"], None),
        ({"customer_id": "c1", "name": "Ann"}, {"page": "/basket"}, ["c1"], "Ann"),
        (
            {"customer_id": "c1", "email": "a@b.com", "name": "Ann"},
            {"customer_id": "c2", "email": "a@b.com"},
            ["c2", "a@b.com"],
            None,
        ),
        ({"customer_id": "c1", "name": "Ann"}, {"customer_id": "undefined", "email": "null@null.com"}, ["c1"], "Ann"),
    ],
)
def test_who_signs_in_on_a_shared_device_is_not_taken_for_the_one_before(
    at_start: Any, now: Any, lookups: list[str], name: str | None
) -> None:
    person = who(session_metadata=at_start, message_metadata=now, trust_metadata=True)

    assert ([value for _, value in person.lookups], person.name, person.trusted) == (lookups, name, True)


def test_metadata_that_only_names_the_person_does_not_make_a_typed_address_trusted() -> None:
    person = who(slots={"email": "a@b.com"}, session_metadata={"name": "Ann"}, trust_metadata=True)

    assert (person.email, person.name, person.trusted) == ("a@b.com", "Ann", False)


@pytest.mark.parametrize(
    ("slot", "value", "field", "expected"),
    [
        ("email", "no address", "email", None),
        ("email", "a@b", "email", None),
        ("phone", "+49 30 901820", "phone", "+4930901820"),
        ("phone", "030 901820", "phone", None),
        ("phone", "call me", "phone", None),
        ("phone", 14155550100, "phone", None),
        ("customer_id", True, "external_id", None),
        ("customer_id", {"id": 1}, "external_id", None),
        ("customer_id", " ", "external_id", None),
        ("customer_id", "rasa:somebody-else", "external_id", None),
        ("customer_id", " RASA:somebody-else", "external_id", None),
        ("customer_id", 4711, "external_id", "4711"),
        ("customer_id", 4711.0, "external_id", "4711"),
        ("customer_id", 4711.5, "external_id", None),
        ("customer_id", -1, "external_id", None),
        ("customer_id", float("inf"), "external_id", None),
        pytest.param("customer_id", 10**5000, "external_id", None, id="a number too long to write out"),
        ("customer_id", " a  b ", "external_id", "a  b"),
        ("customer_id", "a\x00b", "external_id", None),
        ("customer_id", "half a \ud83d pair", "external_id", None),
        ("email", " Ann.Lee@Example.COM\n", "email", "ann.lee@example.com"),
        ("email", "a@b.com,c@d.com", "email", None),
        ("email", "a@b@c.com", "email", None),
        ("email", "a@.com", "email", None),
        ("phone", "+49 (30) 90-18-20", "phone", "+4930901820"),
        ("phone", "+1", "phone", None),
        ("phone", "+" + "9" * 400, "phone", None),
        ("phone", [1], "phone", None),
        ("name", "Ann\x00 \n Lee", "name", "Ann Lee"),
    ],
)
def test_values_are_normalised_or_left_out(slot: str, value: Any, field: str, expected: str | None) -> None:
    assert getattr(who(slots={slot: value}), field) == expected


@pytest.mark.parametrize("slot", ["customer_id", "email"])
def test_a_value_that_is_too_long_is_left_out_and_not_shortened_to_somebody_elses(slot: str) -> None:
    """Two people never share a record because their ids begin alike."""
    assert who(slots={slot: "a@b.com" + "x" * 300}).anonymous


@pytest.mark.parametrize("trust", [True, False])
@pytest.mark.parametrize("message", [{}, {"email": "message@x.com"}, {"customer_id": "c1", "email": "message@x.com"}])
@pytest.mark.parametrize("session", [{}, {"customer_id": "c1"}, {"customer_id": "c2"}])
@pytest.mark.parametrize(
    "slots", [{}, {"phone": "+14155550100", "name": "Typed"}, {"customer_id": "c3", "email": "typed@x.com"}]
)
def test_who_is_trusted_is_known_from_metadata_alone(
    trust: bool, message: dict[str, str], session: dict[str, str], slots: dict[str, str]
) -> None:
    """The whole table: trusted only when the deployment says so, and then nothing that was typed is part of it."""
    person = who(slots=slots, session_metadata=session, message_metadata=message, trust_metadata=trust)

    assert person.trusted is (trust and bool(message or session))
    assert person.anonymous is not bool(message or session or slots)
    if person.trusted:
        same = message.get("customer_id") == session.get("customer_id")
        expected = (session | message) if same or not message else message
        assert set(person.lookups) == {
            ("externalId" if key == "customer_id" else key, value) for key, value in expected.items()
        }
        assert person.name is None, "nor is a name"


def test_among_claims_a_form_goes_before_the_message_and_that_before_the_session() -> None:
    sources = {
        "slots": {"email": "slot@x.com"},
        "message_metadata": {"email": "message@x.com", "customer_id": "message"},
        "session_metadata": {"email": "session@x.com", "customer_id": "session", "phone": "+14155550100"},
    }

    assert who(**sources).lookups == (
        ("externalId", "message"),
        ("email", "slot@x.com"),
        ("phone", "+14155550100"),
    )


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


@pytest.mark.parametrize("odd", ["x" * 121, "a\x00b", "line\nbreak", "\ud83d", ""])
def test_odd_ids_keep_apart_and_can_be_sent(odd: str) -> None:
    keys = {anonymous_id(odd), session_key(odd, 1), session_key(odd, 2), user_key(odd, odd), event_key(odd, "", 1, 0)}

    assert len(keys) == 5
    assert all(key.encode() and key.isprintable() and len(key) <= 255 for key in keys)
    assert anonymous_id(odd) != anonymous_id(odd + "y")


def test_keys_are_the_ones_that_were_agreed() -> None:
    assert anonymous_id("ann") == "rasa:ann"
    assert user_key("ann", "m1") == "rasa:ann:m1"
    assert event_key("ann", "", 5, 0) == "rasa:ann:5:0"
    assert event_key("ann", "u", 5, 1) == "rasa:ann:u:5:1"
    assert [part_key("k", number) for number in (1, 2, 3)] == ["k", "k:p2", "k:p3"]


def test_a_ticket_reference_is_short_stable_and_speakable() -> None:
    reference = ticket_reference("rasa:ann:5")

    assert reference == ticket_reference("rasa:ann:5") != ticket_reference("rasa:ann:6")
    assert reference.startswith("RK-")
    assert len(reference) == 10
    assert not set(reference[3:]) & set("ILOU0189")
