"""Whatever comes from a tracker or a file: a result, or the one error that says what to mend."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rasa_kustomer.conversation.handoff import read_handoff
from rasa_kustomer.conversation.identity import IdentityNames, identify
from rasa_kustomer.conversation.keys import PREFIX
from rasa_kustomer.conversation.routing import Facts, Routing, decide_handoff
from rasa_kustomer.conversation.routing_file import RoutingError, load_routing
from rasa_kustomer.conversation.summary import MAX_NOTE_LENGTH, summary

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["customer_id", "email", "phone", "name", "x"])
SOURCE = st.dictionaries(NAMES, JSON | st.from_regex(r"\+?[0-9 ()-]{3,20}") | st.emails(), max_size=4) | JSON
INTENT = st.fixed_dictionaries({}, optional={"name": JSON, "confidence": JSON}) | JSON
EVENT = st.fixed_dictionaries(
    {"event": st.sampled_from(["user", "bot", "session_started", "slot"])},
    optional={"text": JSON, "timestamp": JSON, "parse_data": st.fixed_dictionaries({"intent": INTENT}) | JSON},
)
SLOTS = st.dictionaries(
    st.sampled_from(["order_id", "kustomer_handoff_reason", "requested_slot"]) | st.text(max_size=5), JSON, max_size=4
)


@given(SOURCE, SOURCE, SOURCE, st.booleans())
@example({"customer_id": 10**5000, "phone": 10**5000}, None, None, True)
@example({"phone": "+" + "9" * 5000, "email": "a" * 5000 + "@b.com"}, None, None, False)
def test_an_identity_is_read_from_anything(slots: Any, session: Any, message: Any, trust: bool) -> None:
    person = identify(
        "s1",
        slots=slots,
        session_metadata=session,
        message_metadata=message,
        trust_metadata=trust,
        names=IdentityNames(),
        phone_region="DE",
    )

    for field, value in person.lookups:
        value.encode()
        assert value.isprintable()
        assert len(value) <= 255
        assert field != "externalId" or not value.lower().startswith(PREFIX)


@given(st.lists(EVENT | JSON, max_size=6), SLOTS, JSON, JSON)
@example([{"event": "user", "parse_data": {"intent": {"name": "a", "confidence": 10**400}}}], {}, None, None)
@example([], {"a": float("nan"), "b": {"c": [None]}}, {"name": "f"}, {"f": {"required_slots": [["x"], 3, None]}})
def test_a_summary_is_written_from_anything(events: list[Any], slots: dict[str, Any], loop: Any, forms: Any) -> None:
    facts = read_handoff(sender_id="s1", events=events, slots=slots, active_loop=loop, forms=forms)
    note = summary(facts, reference="RK-ABCDEFG", priority=3, person="somebody")

    note.encode()
    assert len(note) <= MAX_NOTE_LENGTH
    assert "RK-ABCDEFG" in note
    assert "kustomer_" not in "".join(facts.slots)


WORDS = (
    "rules: default: tags: when: team: priority: {intent: a} A 5 2001-99-99 null [ ] { } - &x *x !!int ? <<: # | \" '"
)
YAML_BITS = st.sampled_from([*WORDS.split(), " ", "\n", "\n  ", "\n- ", "\t", "\x00", "é"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(YAML_BITS | st.text(max_size=3), max_size=12).map("".join), SLOTS)
def test_a_routing_file_is_read_or_its_problems_are_named_with_their_line(
    tmp_path: Path, text: str, slots: dict[str, Any]
) -> None:
    file = tmp_path / "routing.yml"
    file.write_bytes(text.encode("utf-8", "surrogatepass"))
    routing, problems = Routing(), [f"{file}:"]
    try:
        routing = load_routing(file)
    except RoutingError as error:
        problems = error.problems

    assert problems
    assert all(one.startswith(f"{file}:") for one in problems)
    decide_handoff(routing, Facts(slots=slots), team_slot=slots, priority_slot=slots, default_priority=3)


@pytest.mark.parametrize("text", ["default: {team: 2001-99-99}", "[" * 5000, "tags: !!int many", "? [a]\n: b"])
def test_yaml_that_stands_for_nothing_is_a_routing_error(tmp_path: Path, text: str) -> None:
    file = tmp_path / "routing.yml"
    file.write_text(text)

    with pytest.raises(RoutingError, match=r"routing\.yml:1: "):
        load_routing(file)
