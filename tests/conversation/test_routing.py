"""The routing file: what it decides, and how it says what is wrong with it."""

from pathlib import Path
from typing import Any

import pytest

from rasa_kustomer.conversation.channels import CHANNELS
from rasa_kustomer.conversation.handoff import MAX_INTENTS
from rasa_kustomer.conversation.routing import (
    PRIORITIES,
    Facts,
    Routing,
    decide_handoff,
    parse_priority,
)
from rasa_kustomer.conversation.routing_file import RoutingError, load_routing

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


@pytest.mark.parametrize(
    ("slots", "sentences"),
    [
        ({}, []),
        ({"team": "  ", "priority": " "}, []),
        ({"team": "Sales", "priority": 4.0}, []),
        ({"priority": "asap"}, ['The bot asked for priority "asap", which does not exist; it is low.']),
        ({"priority": 7}, ['The bot asked for priority "7", which does not exist; it is low.']),
        ({"priority": True}, ['The bot asked for priority "True", which does not exist; it is low.']),
        ({"priority": ["low"]}, ["The bot asked for priority with a list, which does not exist; it is low."]),
        ({"team": {"id": 1}}, ["The bot asked for team with a mapping, which is neither name nor id; it was ignored."]),
        ({"team": 7}, ['The bot asked for team "7", which is neither name nor id; it was ignored.']),
    ],
)
def test_an_unusable_slot_is_told_and_not_just_ignored(
    routing: Routing, slots: dict[str, Any], sentences: list[str]
) -> None:
    decision = decide_handoff(
        routing, Facts(), team_slot=slots.get("team"), priority_slot=slots.get("priority"), default_priority=3
    )

    assert [one.sentence for one in decision.ignored] == sentences


@pytest.mark.parametrize("value", ["x" * 1000, "a\nForged: line", "\x00", 10**5000, float("nan")], ids=range(5))
def test_an_unusable_value_is_one_short_line_of_the_note(value: Any) -> None:
    decision = decide_handoff(Routing(), Facts(), team_slot=None, priority_slot=value, default_priority=3)

    (ignored,) = decision.ignored
    assert ignored.slot == "kustomer_priority"
    assert ignored.sentence.isprintable()
    assert len(ignored.sentence) < 150
    assert decision.priority == 3


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
        ("rules:\n  - when:\n      channel: socketio\n    team: A\n", 3, "unknown channel socketio; known: chat, "),
        ("rules:\n  - when:\n      intent: {a: b}\n    team: A\n", 3, "intent must be a word or number"),
        ("rules:\n  - when:\n      intent: []\n    team: A\n", 3, "intent must be a word or number"),
        ("rules:\n  - when: {intent: [a, ' ']}\n    team: A\n", 2, "intent must be a word or number"),
        ("rules:\n  - when:\n      slot:\n        plan:\n    team: A\n", 4, "plan must be a word or number"),
        ("rules:\n  - when: {slot: {}}\n    team: A\n", 2, "must be a mapping of slot names"),
        ("rules:\n  - when: {}\n    team: A\n", 2, "a rule needs when"),
        ("rules:\n  - a word\n", 2, "a rule must be a mapping"),
        ("rules:\n  - when: {intent: a}\n    tags: {a: b}\n", 3, "must be a list of words"),
        ("default: {}\nteam: A\n", 2, "unknown key team"),
        ("tags: [1]\n", 1, "must be a list of words"),
        ("default:\n  priority: true\n", 2, "must be low, medium"),
        ("default: {}\ndefault: {}\n", 2, "duplicate key"),
        ("\trules:\n", 1, "cannot start any token"),
        (
            "rules:\n  - when: {intent: [a, b]}\n    team: A\n  - when: {intent: [B, a]}\n    team: C\n",
            4,
            "the rule is never reached: the one in line 2 has the same conditions",
        ),
        ("default:\n  team: [A]\n", 2, "must be a team's name or id"),
        ("rules:\n  - when: {intent: a\n", 3, "expected ',' or '}'"),
        ("- a list\n", 1, "must be a mapping"),
        ("rules:\n  - <<: {tem: A}\n    when: {intent: a}\n    team: A\n", 2, "unknown key tem; did you mean team?"),
        ("rules:\n  - when: {<<: {channel: fax}, intent: a}\n    team: A\n", 2, "unknown channel fax; known: chat"),
        ("tags: []\n1: 2\n", 2, "unknown key 1; known: tags, default, rules"),
        ("rules: !!set {a, b}\n", 1, "rules must be a list"),
        ("rules: &all [*all]\n", 1, "a rule must be a mapping"),
    ],
)
def test_a_mistake_is_named_with_file_and_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    file = tmp_path / "routing.yml"
    file.write_text(text)

    with pytest.raises(RoutingError) as raised:
        load_routing(file)

    assert raised.value.problems[0].startswith(f"{file}:{line}: ")
    assert words in raised.value.problems[0]


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "routing.yml"
    file.write_text("rules:\n  - when: {intnt: a}\n    team: A\n  - when: {intent: a}\n    priority: hot\nrule: []\n")

    with pytest.raises(RoutingError) as raised:
        load_routing(file)

    assert sorted(problem.split(":")[1] for problem in raised.value.problems) == ["2", "5", "6"]
    assert str(raised.value).count("\n") == 2


@pytest.mark.parametrize("text", ["", "# only a comment\n", "rules:\n", "tags:\ndefault:\nrules: []\n"])
def test_an_empty_file_has_no_rules(tmp_path: Path, text: str) -> None:
    file = tmp_path / "routing.yml"
    file.write_text(text)

    assert load_routing(file) == Routing()


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"rules: \x00\n"])
def test_what_is_no_text_is_told_as_such(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "routing.yml"
    file.write_bytes(content)

    with pytest.raises(RoutingError, match=r"routing\.yml:.*(is not UTF-8|YAML)"):
        load_routing(file)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(RoutingError, match="KUSTOMER_ROUTING_FILE"):
        load_routing(tmp_path)


@pytest.mark.parametrize(
    ("wanted", "slot", "matches"),
    [
        ("3", 3.0, True),
        ("3", 3, True),
        ("3.5", 3.5, True),
        ("true", True, True),
        ("gold", ["silver", "Gold"], True),
        ("gold", None, False),
        ("gold", {"plan": "gold"}, False),
        ("[gold, silver]", " silver ", True),
    ],
)
def test_slots_match_whatever_type_rasa_gives_them(tmp_path: Path, wanted: str, slot: Any, matches: bool) -> None:
    file = tmp_path / "routing.yml"
    file.write_text(f"rules:\n  - when: {{slot: {{plan: {wanted}}}}}\n    team: A\n")

    decision = load_routing(file).decide(Facts(slots={"plan": slot}))

    assert decision.team == ("A" if matches else None)


@pytest.mark.parametrize(
    ("in_file", "elsewhere"),
    [
        ("Équipe Élite", "E\u0301quipe E\u0301lite"),
        ("VIP", " vip\u00a0"),
        ("key accounts", "Key \u2003 Accounts"),
        ("gold", "go\u200bld\ufeff"),
        ("STRASSE", "straße"),
        ("plan 1", "\uff30\uff2c\uff21\uff2e\u3000\uff11"),
    ],
)
def test_conditions_hold_for_what_reads_the_same(tmp_path: Path, in_file: str, elsewhere: str) -> None:
    for one, other in ((in_file, elsewhere), (elsewhere, in_file)):
        for when, facts in [
            (f'{{slot: {{plan: "{one}"}}}}', Facts(slots={"plan": ["x", other]})),
            (f'{{slot: {{"{one}": 1}}}}', Facts(slots={other: 1})),
            (f'{{intent: ["x", "{one}"]}}', Facts(intents=(other,))),
            (f'{{customer_tag: "{one}"}}', Facts(customer_tags=(other,))),
        ]:
            file = tmp_path / "routing.yml"
            file.write_text(f"rules:\n  - when: {when}\n    team: A\n", encoding="utf-8")
            assert load_routing(file).decide(facts).team == "A", when
    assert decided(Routing(), Facts(), priority="\uff35rgent\u200b") == (None, 5)


def test_the_channel_of_a_rule_is_read_as_a_name_too(tmp_path: Path) -> None:
    file = tmp_path / "routing.yml"
    file.write_text('rules:\n  - when: {channel: "WhatsApp\u00a0"}\n    team: A\n', encoding="utf-8")

    assert load_routing(file).decide(Facts(channel="whatsapp")).team == "A"


def test_a_slot_that_is_called_exactly_so_goes_first(tmp_path: Path) -> None:
    file = tmp_path / "routing.yml"
    file.write_text("rules:\n  - when: {slot: {Plan: gold}}\n    team: A\n")

    assert load_routing(file).decide(Facts(slots={"plan": "gold", "Plan": "silver"})).team is None


@pytest.mark.parametrize("nothing", ["\u200b", "\u00a0", "  ", ""])
def test_what_shows_nothing_names_no_team(routing: Routing, nothing: str) -> None:
    assert decided(routing, Facts(), team=nothing) == ("Support", 2)


def test_only_rules_that_ask_for_tags_make_them_needed(routing: Routing) -> None:
    assert routing.needs_customer_tags
    assert not Routing().needs_customer_tags


def test_a_missing_file_is_named_with_its_setting(tmp_path: Path) -> None:
    with pytest.raises(RoutingError, match="KUSTOMER_ROUTING_FILE"):
        load_routing(tmp_path / "none.yml")


@pytest.mark.parametrize(("value", "expected"), [("low", 2), ("URGENT ", 5), ("4", 4), (1, 1), (4.0, 4)])
def test_priorities_by_word_or_number(value: Any, expected: int) -> None:
    assert parse_priority(value) == expected


@pytest.mark.parametrize("value", ["", "0", 6, 2.5, None, True, "asap"])
def test_other_priorities_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="low, medium, high, urgent"):
        parse_priority(value)


EXAMPLE = Path(__file__).parents[2] / "domain_snippets" / "kustomer_routing.yml"


@pytest.mark.parametrize(
    ("facts", "expected", "tags"),
    [
        (Facts(), ("Support", 3), ("chatbot",)),
        (
            Facts(intents=("human_handoff", "complaint"), slots={"plan": "Gold"}),
            ("Support", 5),
            ("chatbot", "vip-care"),
        ),
        (Facts(intents=("complaint",), slots={"plan": "basic"}), ("Support", 3), ("chatbot",)),
        (Facts(intents=("refund",)), ("Billing", 4), ("chatbot", "billing")),
        (Facts(intents=("invoice_question",), channel="voice"), ("Billing", 4), ("chatbot", "billing")),
        (Facts(slots={"interested": True, "company_size": "large"}), ("Sales", 3), ("chatbot",)),
        (Facts(slots={"interested": True, "company_size": "small"}), ("Support", 3), ("chatbot",)),
        (Facts(slots={"interested": False, "company_size": "large"}), ("Support", 3), ("chatbot",)),
        (Facts(channel="voice"), ("Support", 4), ("chatbot",)),
        (Facts(customer_tags=("5f0c3a9be4b0f20012ab34cd",)), ("Support", 4), ("chatbot",)),
    ],
)
def test_the_shipped_example_does_what_its_comments_say(
    facts: Facts, expected: tuple[str, int], tags: tuple[str, ...]
) -> None:
    example = load_routing(EXAMPLE)

    assert decided(example, facts) == expected
    assert example.decide(facts).tags == tags
    assert decided(example, facts, team="Returns", priority="low") == ("Returns", 2)


def test_the_shipped_example_names_what_there_is() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")

    assert {team for _, team in load_routing(EXAMPLE).teams()} == {"Support", "Billing", "Sales"}
    assert all(word in text for word in (*CHANNELS, *PRIORITIES, "1 (lowest) to 5"))
    assert MAX_INTENTS == 5
    assert "last five" in text
