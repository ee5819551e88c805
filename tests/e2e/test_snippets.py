"""Rasa itself takes every file of domain_snippets/, alone and in a bot; so do the variants in their comments."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.bot.dialogues import DOMAIN, NARROW, REFUSED, TAKEN
from tests.e2e.bots import run_rasa, with_variants
from tests.e2e.services import environment

from rasa_kustomer.bot.dialogue import DIALOGUE_SNIPPETS
from rasa_kustomer.cli.snippets import snippets_folder

pytestmark = pytest.mark.e2e

HERE = Path(__file__).resolve().parent
RULES_BOT = ("kustomer_domain.yml", "kustomer_nlu.yml", "kustomer_rules.yml", "kustomer_stories.yml")
SPOKEN_BY_ACTIONS = re.compile("'utter_(kustomer_.*|ask_.*|default|restart)' is not used in any story or rule")


@pytest.fixture
def snippets(tmp_path: Path) -> Path:
    """A copy of the snippets."""
    return Path(shutil.copytree(snippets_folder(), tmp_path / "snippets"))


def understood(python: Path, script: str, *files: Path) -> dict[str, Any]:
    """What a reader of Rasa makes of files; one that it does not take fails the test."""
    command = [str(python), str(HERE / script), *map(str, files)]
    done = subprocess.run(command, env=environment({}), capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(done.stderr, pytrace=False)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def test_each_file_is_read_by_rasa(snippets: Path, rasa_python: Path) -> None:
    """Without a warning, and what one file uses another one declares."""
    domain, nlu, rules, stories = understood(
        rasa_python, "inside_rasa.py", *(snippets / name for name in RULES_BOT)
    ).values()
    assert set(nlu["examples"]) == set(domain["intents"])
    used = {name for found in (rules, stories) for steps in found["steps"].values() for name in steps}
    assert used <= {*domain["intents"], *domain["actions"]}
    assert {name for name in used if name.startswith("action_")} == {
        "action_kustomer_handoff",
        "action_kustomer_resolve",
        "action_kustomer_ticket_status",
    }


def test_intents_have_enough_examples_that_differ(snippets: Path, rasa_python: Path) -> None:
    found = understood(rasa_python, "inside_rasa.py", snippets / "kustomer_nlu.yml")
    (nlu,) = found.values()
    everything = [text.casefold() for examples in nlu["examples"].values() for text in examples]
    assert len(everything) == len(set(everything))
    assert {intent: len(examples) for intent, examples in nlu["examples"].items() if len(examples) < 20} == {}


def test_the_variants_in_the_comments_are_valid_too(snippets: Path, rasa_python: Path) -> None:
    """What a designer uncomments, Rasa reads."""
    rules, stories, domain = (snippets / f"kustomer_{name}.yml" for name in ("rules", "stories", "domain"))
    for file in (rules, stories):
        file.write_text(with_variants(file.read_text(encoding="utf-8")), encoding="utf-8")
    text = domain.read_text(encoding="utf-8")
    assert "      # - type: from_intent" in text
    domain.write_text(text.replace("      # -", "      -").replace("      #   ", "        "), encoding="utf-8")
    found_rules, found_stories, _ = understood(rasa_python, "inside_rasa.py", rules, stories, domain).values()
    used = {name for found in (found_rules, found_stories) for steps in found["steps"].values() for name in steps}
    assert {"action_kustomer_identify", "action_kustomer_mirror"} <= used


def test_the_bot_with_the_snippets_is_valid(bot: Path, rasa_python: Path) -> None:
    """`rasa data validate` finds nothing but responses that actions speak and stories therefore do not name."""
    said = run_rasa(rasa_python, bot, "data", "validate", "--domain", "domain", "--fail-on-warnings")
    warnings = [line for line in said.splitlines() if "UserWarning" in line]
    assert [line for line in warnings if not SPOKEN_BY_ACTIONS.search(line)] == []
    assert "No story structure conflicts found" in said


def test_flows_and_domain_of_a_calm_bot_are_read_by_rasa_pro(snippets: Path, rasa_pro_python: Path) -> None:
    """Against the schema of flows that Rasa Pro ships; every flow can be chosen by its description."""
    files = snippets / "kustomer_flows.yml", snippets / "kustomer_domain_calm.yml"
    found = understood(rasa_pro_python, "inside_rasa_pro.py", *files)
    assert found["described"]
    assert "pattern_human_handoff" in found["flows"]
    assert {action for steps in found["flows"].values() for action in steps} <= set(found["actions"])


def test_the_variants_of_the_flows_are_valid_too(snippets: Path, rasa_pro_python: Path) -> None:
    flows = snippets / "kustomer_flows.yml"
    flows.write_text(with_variants(flows.read_text(encoding="utf-8")), encoding="utf-8")
    found = understood(rasa_pro_python, "inside_rasa_pro.py", flows, snippets / "kustomer_domain_calm.yml")
    assert {"kustomer_identify", "report_fraud"} <= set(found["flows"])


def test_both_domains_declare_the_same(snippets: Path, rasa_python: Path, rasa_pro_python: Path) -> None:
    """The CALM domain differs in intents and in how slots are mapped, in nothing else."""
    (rules,) = understood(rasa_python, "inside_rasa.py", snippets / "kustomer_domain.yml").values()
    files = snippets / "kustomer_flows.yml", snippets / "kustomer_domain_calm.yml"
    calm = understood(rasa_pro_python, "inside_rasa_pro.py", *files)
    assert {kind: rules[kind] for kind in ("actions", "slots", "responses")} == {
        kind: calm[kind] for kind in ("actions", "slots", "responses")
    }


def test_rasa_refuses_beside_our_rules_exactly_what_init_calls_a_contradiction(
    rasa_python: Path, tmp_path: Path
) -> None:
    """tests/bot/test_dialogue.py holds the same dialogues against what `init` says of them."""
    cases, folder = tmp_path / "cases.json", tmp_path / "domain"
    folder.mkdir()
    cases.write_text(json.dumps(REFUSED | TAKEN | NARROW), encoding="utf-8")
    shutil.copy(snippets_folder() / "kustomer_domain.yml", folder)
    (folder / "bot.yml").write_text(DOMAIN, encoding="utf-8")
    shipped = [snippets_folder() / name for name in DIALOGUE_SNIPPETS]
    found = understood(rasa_python, "inside_rasa_rules.py", cases, folder, *shipped)
    assert set(found) == set(REFUSED)
