"""The routing file: what it decides, and how it says what is wrong with it."""

from pathlib import Path
from typing import Any

import pytest

from rasa_kustomer.conversation.routing import (
    Facts,
    Routing,
    RoutingError,
    decide_handoff,
    load_routing,
    parse_priority,
)

FILE = """\
tags: [from-bot]
default: {team: Support, priority: low}
rules:
  - when: {intent: [refund, cancel], slot: {plan: gold}}
    team: Billing
    priority: urgent
    tags: [money]
  - when: {channel: whatsapp}
    priority: high
  - when: {customer_tag: vip}
    team: Care
"""


@pytest.fixture
def routing(tmp_path: Path) -> Routing:
    file = tmp_path / "routing.yml"
    file.write_text(FILE)
    return load_routing(file)


def decided(routing: Routing, facts: Facts, team: Any = None, priority: Any = None) -> tuple[str | None, int | None]:
    decision = decide_handoff(routing, facts, team_slot=team, priority_slot=priority, default_priority=3)
    return decision.team, decision.priority


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (Facts(), ("Support", 2)),
        (Facts(intents=("refund",)), ("Support", 2)),
        (Facts(intents=("greet", "refund"), slots={"plan": "Gold"}), ("Billing", 5)),
        (Facts(channel="whatsapp"), ("Support", 4)),
        (Facts(channel="whatsapp", intents=("cancel",), slots={"plan": "gold"}), ("Billing", 5)),
        (Facts(customer_tags=("vip",)), ("Care", 2)),
    ],
)
def test_the_first_matching_rule_wins_and_the_default_fills_in(
    routing: Routing, facts: Facts, expected: tuple[str, int]
) -> None:
    assert decided(routing, facts) == expected


def test_an_explicit_slot_goes_before_every_rule(routing: Routing) -> None:
    facts = Facts(intents=("refund",), slots={"plan": "gold"})

    assert decided(routing, facts, team="Sales", priority="low") == ("Sales", 2)
    assert decided(routing, facts, team=7, priority="whenever") == ("Billing", 5), "unusable values are ignored"


def test_without_a_file_the_defaults_of_the_deployment_hold() -> None:
    assert decided(Routing(), Facts()) == (None, 3)


def test_tags_of_file_and_rule_add_up(routing: Routing) -> None:
    assert routing.decide(Facts(intents=("refund",), slots={"plan": "gold"})).tags == ("from-bot", "money")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("rules:\n  - when: {intent: a}\n    priorty: high\n", 3, "unknown key priorty; did you mean priority?"),
        (
            "rules:\n  - when: {intent: a}\n    priority: hot\n",
            3,
            "must be low, medium, high, urgent or a number from 1 to 5",
        ),
        ("rules:\n  - team: A\n", 2, "a rule needs when"),
        ("rules:\n  - when: {intnt: a}\n    team: A\n", 2, "did you mean intent?"),
        ("rules:\n  - when: {intent: a}\n", 2, "the rule has no effect"),
        ("rules:\n  - when: {slot: gold}\n    team: A\n", 2, "must be a mapping of slot names"),
        ("rules: nonsense\n", 1, "must be a list"),
        ("default:\n  team: [A]\n", 2, "must be a team's name or id"),
        ("rules:\n  - when: {intent: a\n", 3, ""),
        ("- a list\n", 1, "must be a mapping"),
    ],
)
def test_a_mistake_is_named_with_file_and_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    file = tmp_path / "routing.yml"
    file.write_text(text)

    with pytest.raises(RoutingError) as raised:
        load_routing(file)

    assert raised.value.problems[0].startswith(f"{file}:{line}: ")
    assert words in raised.value.problems[0]


def test_a_missing_file_is_named_with_its_setting(tmp_path: Path) -> None:
    with pytest.raises(RoutingError, match="KUSTOMER_ROUTING_FILE"):
        load_routing(tmp_path / "none.yml")


@pytest.mark.parametrize(("value", "expected"), [("low", 2), ("URGENT ", 5), ("4", 4), (1, 1)])
def test_priorities_by_word_or_number(value: Any, expected: int) -> None:
    assert parse_priority(value) == expected


@pytest.mark.parametrize("value", ["", "0", 6, 2.5, None, True, "asap"])
def test_other_priorities_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="low, medium, high, urgent"):
        parse_priority(value)
