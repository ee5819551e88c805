"""The snippets declare what the plugin has, so that a designer can use all of it."""

from typing import Any

import pytest
from ruamel.yaml import YAML

from rasa_kustomer import actions
from rasa_kustomer.bot.dialogue import OUR_INTENTS
from rasa_kustomer.bot.domain import ACTIONS, RESPONSES, SLOTS
from rasa_kustomer.cli.init import FLOWS, ROUTING, RULES
from rasa_kustomer.cli.snippets import snippets_folder

DOMAINS = ("kustomer_domain.yml", "kustomer_domain_calm.yml")


def read(name: str) -> Any:
    return YAML(typ="safe").load(snippets_folder() / name)


@pytest.mark.parametrize("name", DOMAINS)
def test_domains_declare_what_the_checklist_looks_for(name: str) -> None:
    domain = read(name)
    assert set(domain["actions"]) == set(ACTIONS)
    assert set(domain["slots"]) == set(SLOTS)
    assert set(domain["responses"]) >= set(RESPONSES)


def test_every_action_has_a_name_of_its_own_in_the_domain() -> None:
    """rasa-sdk replaces an action by a later one of the same name without a word (Rasa notes, Discovery)."""
    names = [getattr(actions, action)().name() for action in actions.__all__]
    assert sorted(names) == sorted(read("kustomer_domain.yml")["actions"])


def test_no_slot_influences_predictions() -> None:
    """A bot's stories stay as they are when the snippets are added."""
    slots = read("kustomer_domain.yml")["slots"]
    assert [name for name, slot in slots.items() if slot["influence_conversation"] is not False] == []


def test_init_knows_the_intents_and_every_snippet() -> None:
    assert tuple(read("kustomer_domain.yml")["intents"]) == OUR_INTENTS
    known = {*RULES, *FLOWS, "kustomer_endpoints.yml", ROUTING.name}
    assert {file.name for file in snippets_folder().glob("*.yml")} == known


def test_every_snippet_says_what_it_is_for() -> None:
    silent = [file.name for file in snippets_folder().glob("*.yml") if not file.read_text("utf-8").startswith("# ")]
    assert silent == []
