"""Answers are read tolerantly: only an id must be there."""

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rasa_kustomer.kustomer.models import Conversation, Customer, Message, Note, Resource, Team, Token, User

MODELS = (Customer, Conversation, Message, Note, Team, Token, User)
WHEN = datetime(2026, 10, 2, 9, 10, 11, 120_000, tzinfo=timezone.utc)


def conversation(**attributes: Any) -> Conversation:
    return Conversation.read({"id": "c", "attributes": attributes})


@pytest.mark.parametrize("model", MODELS)
def test_nothing_but_the_id_is_needed(model: type[Resource]) -> None:
    assert model.read({"id": "x"}).id == "x"
    assert model.read({"id": "x", "attributes": None, "relationships": []}).id == "x"
    with pytest.raises(ValueError, match="id"):
        model.read({"attributes": {"name": "no id"}})


@pytest.mark.parametrize("model", MODELS)
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=6,
    )
)
def test_an_attribute_of_the_wrong_type_is_empty_and_no_failure(model: type[Resource], value: Any) -> None:
    """A write was carried out, whatever its answer says of fields that nobody asked for."""
    names = {field.alias or name for name, field in model.model_fields.items()} - {"id"}

    assert model.read({"id": "x", "attributes": dict.fromkeys(names, value), "relationships": value}).id == "x"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2026-10-02T09:10:11.120Z", WHEN),
        ("2026-10-02T09:10:11.12Z", WHEN),
        ("2026-10-02T11:10:11.120+02:00", WHEN),
        ("2026-10-02T09:10:11.120", WHEN),
        ("yesterday", None),
        ({}, None),
    ],
)
def test_dates_have_a_zone_or_are_empty(written: Any, expected: datetime | None) -> None:
    read = conversation(lastActivityAt=written).last_activity_at

    assert read == expected
    assert read is None or read.utcoffset() in {timedelta(0), timedelta(hours=2)}


def test_attributes_may_stand_beside_the_id() -> None:
    assert Team.read({"id": "t", "name": "Support"}).name == "Support"


def test_all_spellings_of_external_ids_count() -> None:
    customer = Customer.read(
        {
            "id": "c",
            "attributes": {
                "externalId": "a",
                "externalIds": [
                    {"externalId": "b", "verified": True},
                    "c",
                    {"externalId": None},
                    7,
                    {"externalId": "a"},
                ],
                "tags": ["t1", 7, None],
            },
        }
    )

    assert sorted(customer.external_ids) == ["a", "b", "c"]
    assert customer.tags == ["t1"]


def test_a_conversation_knows_its_customer_whatever_the_type_is_called() -> None:
    """Relationship types are not uniform (Kustomer API reference, Response and request conventions)."""
    for kind in ("customer", "customers"):
        data = {"id": "c", "attributes": {}, "relationships": {"customer": {"data": {"type": kind, "id": "k1"}}}}
        assert Conversation.read(data).customer_id == "k1"
