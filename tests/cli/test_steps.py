"""What `init` says is left to do: true for exactly this bot, and nothing is lost by doing it word by word."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from tests.bot.folders import CONFIG, DOMAIN, FLOW_CONFIG, contents, write
from typer.testing import CliRunner, Result

from rasa_kustomer.cli import app, common

STORY = "stories:\n- story: our own\n  steps:\n  - intent: {}\n  - action: utter_greet\n"
FLOWS = "flows:\n  order:\n    description: d\n    steps:\n      - action: utter_greet\n"
COMMAND = re.compile(r"(?<=: )(?:mv|cd|diff) .+")


def init(folder: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["init", str(folder), *options])


def follow(output: str, cwd: Path) -> None:
    """Run each command that was printed, in one shell, as somebody would who copies them."""
    commands = COMMAND.findall(output)
    assert any(command.startswith("cd ") for command in commands)
    subprocess.run(["sh", "-c", "\n".join(commands)], cwd=cwd, check=False, capture_output=True)


# F12: nothing is lost by following.

LAYOUTS: dict[str, dict[str, str]] = {
    "one file": {"domain.yml": DOMAIN},
    "one file, the other ending": {"domain.yaml": DOMAIN},
    "a file and a folder": {"domain.yml": DOMAIN, "domain/slots.yml": "slots: {}\n"},
    "a file and a folder with the same name in it": {"domain.yml": DOMAIN, "domain/domain.yml": "intents: [bye]\n"},
    "both endings twice": {"domain.yml": DOMAIN, "domain.yaml": "intents: [a]\n", "domain/domain.yml": "intents: [b]\n",
                           "domain/domain_2.yml": "intents: [c]\n", "domain/domain.yaml": "intents: [d]\n"},
    "a folder with a file's name": {"domain.yml/a.yml": DOMAIN, "domain/domain.yml/a.yml": "intents: [b]\n"},
    "routing of one's own": {"domain.yml": DOMAIN, "kustomer_routing.yml": "rules: []\n"},
    "an example of routing that was edited": {"domain.yml": DOMAIN, "kustomer_routing.example.yml": "rules: []\n"},
}  # fmt: skip


@pytest.mark.parametrize("place", ["bot", 'a bot\'s "own" $folder; #1'])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_following_every_printed_command_loses_no_file(layout: str, place: str, tmp_path: Path) -> None:
    bot = tmp_path / place
    for name, text in ({"config.yml": CONFIG} | LAYOUTS[layout]).items():
        write(bot / name, text)
    write(tmp_path / "domain.yml", "intents: [another_bot]\n")  # where the commands must not be run
    before = sorted(contents(tmp_path).values())
    follow(init(bot).output, tmp_path)
    after = contents(tmp_path)
    assert [text for text in before if text not in after.values()] == []
    assert len(after) >= len(before)
    assert not (bot / "domain.yml").exists()
    assert not (bot / "domain.yaml").exists()
    again = init(bot).output
    assert "mv domain" not in again, "the steps were followed, so that one is done"


def test_a_link_is_not_moved_since_it_would_lead_nowhere(tmp_path: Path) -> None:
    write(tmp_path / "shared/domain.yml", DOMAIN)
    write(tmp_path / "bot/config.yml", CONFIG)
    (tmp_path / "bot/domain.yml").symlink_to("../shared/domain.yml")
    output = init(tmp_path / "bot").output
    assert "mv domain.yml" not in output
    assert "domain.yml is a link" in output


def test_a_link_in_the_place_of_the_routing_file_is_not_replaced(tmp_path: Path) -> None:
    write(tmp_path / "config.yml", CONFIG)
    (tmp_path / "kustomer_routing.yml").symlink_to("nowhere")
    assert "mv kustomer_routing" not in init(tmp_path).output


def test_a_file_that_differs_is_compared_by_a_command_that_finds_it(tmp_path: Path) -> None:
    bot = tmp_path / "a bot"
    write(bot / "config.yml", CONFIG)
    write(bot / "data/kustomer_nlu.yml", "nlu: []\n")
    (diff,) = [command for command in COMMAND.findall(init(bot).output) if command.startswith("diff")]
    assert [Path(word).exists() for word in shlex.split(diff)[1:]] == [True, True]


def test_on_windows_the_commands_are_those_of_its_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(common, "WINDOWS", True)
    assert common.move(Path("my domain.yml"), Path("domain.yml")) == 'move "my domain.yml" domain.yml'
    assert common.compare(Path("a"), Path("b")) == "fc a b"


def test_files_of_the_same_folder_are_read_together_and_that_is_said(tmp_path: Path) -> None:
    write(tmp_path / "config.yml", CONFIG)
    write(tmp_path / "domain.yml", DOMAIN)
    assert "already" not in init(tmp_path, "--dry-run").output
    write(tmp_path / "domain/more.yml", "slots: {}\n")
    assert "The folder domain already has files of yours" in init(tmp_path, "--dry-run").output


# F14: both endings.


def test_the_other_ending_is_read_like_the_first(tmp_path: Path) -> None:
    write(tmp_path / "domain.yaml", DOMAIN + "slots:\n  email: {type: text, mappings: [{type: from_text}]}\n")
    write(tmp_path / "config.yaml", "language: en\npolicies:\n  - name: MemoizationPolicy\n")
    write(tmp_path / "endpoints.yaml", "action_endpoint:\n  url: x\n  enable_selective_domain: true\n")
    write(tmp_path / "data/nlu.yaml", "nlu:\n  - intent: ticket_status\n    examples: '- hm'\n")
    output = init(tmp_path).output
    assert "mv domain.yaml domain/domain.yaml" in output
    assert "no slot named" not in output
    assert "Add to `policies` in config.yaml" in output
    assert "Delete enable_selective_domain from endpoints.yaml" in output
    assert "--endpoints endpoints.yaml" in output
    assert "--config config.yaml" in output
    assert "has examples of ticket_status in data/nlu.yaml" in output
    assert not (tmp_path / "endpoints.yml").exists()


def test_a_domain_that_is_elsewhere_is_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "config.yml", CONFIG)
    write(tmp_path / "domains/domain.yml", DOMAIN)
    assert "No domain of yours was found" in init(tmp_path).output


# F13: flows, or rules and stories.

CALM: dict[str, dict[str, str]] = {
    "configuration in a folder": {"domain/d.yml": DOMAIN, "config/config.yml": FLOW_CONFIG},
    "configuration of another name": {"domain.yml": DOMAIN, "settings/openai.yaml": FLOW_CONFIG},
    "config.yaml": {"domain.yml": DOMAIN, "config.yaml": FLOW_CONFIG},
    "configuration not here, flows": {"domain.yml": DOMAIN, "data/flows.yml": FLOWS},
    "flows deep in the data, the other ending": {"domain.yml": DOMAIN, "data/a/b/order.yaml": FLOWS},
    "flows outside of data": {"domain.yml": DOMAIN, "flows/order.yml": FLOWS},
    "a configuration that cannot be read, flows": {"config.yml": "policies: [\n", "data/f.yml": FLOWS},
    "only flows": {"data/flows.yml": FLOWS},
    "a pipeline only": {"config.yml": "pipeline:\n- name: NLUCommandAdapter\n"},
    "a component of one's own": {"config.yml": "pipeline:\n- name: custom.command_generator.Ours\n"},
    "names without options": {"config.yml": "policies: [rasa.core.policies.flow_policy.FlowPolicy]\n"},
    "flows beside rules": {"config.yml": FLOW_CONFIG, "data/rules.yml": "rules: []\n", "domain/d.yml": DOMAIN},
}  # fmt: skip
RULES: dict[str, dict[str, str]] = {
    "the default": {"config.yml": CONFIG},
    "config.yaml": {"config.yaml": CONFIG, "domain/d.yml": DOMAIN},
    "configuration in a folder": {"config/config.yml": CONFIG, "domain.yml": DOMAIN},
    "a bot with flows among the examples": {"config.yml": CONFIG, "examples/x/config.yml": FLOW_CONFIG,
                                            "examples/x/domain.yml": DOMAIN, "examples/x/data/f.yml": FLOWS},
    "another one's trial": {"config.yml": CONFIG, "trial/calm.yml": FLOW_CONFIG},
}  # fmt: skip
UNSEEN: dict[str, dict[str, str]] = {
    "no configuration": {"domain.yml": DOMAIN, "data/nlu.yml": "nlu: []\n"},
    "a configuration that cannot be read": {"config.yml": "policies: [\n", "domain.yml": DOMAIN},
    "a pipeline of another program": {"domain.yml": DOMAIN, "build.yml": "pipeline:\n  - name: build\n"},
    "flows in a model and in an environment": {"domain.yml": DOMAIN, "models/x/flows.yml": FLOWS, ".git/f.yml": FLOWS,
                                               "python/pyvenv.cfg": "", "python/config.yml": FLOW_CONFIG},
}  # fmt: skip


def bot_of(layout: dict[str, str], folder: Path) -> Path:
    for name, text in layout.items():
        write(folder / name, text)
    return folder


@pytest.mark.parametrize("layout", CALM)
def test_a_bot_with_flows_gets_flows_wherever_its_configuration_lies(layout: str, tmp_path: Path) -> None:
    assert init(bot_of(CALM[layout], tmp_path)).exit_code == 0
    assert (tmp_path / "data/kustomer_flows.yml").exists()
    assert not (tmp_path / "data/kustomer_rules.yml").exists()


@pytest.mark.parametrize("layout", RULES)
def test_a_bot_with_rules_gets_rules(layout: str, tmp_path: Path) -> None:
    assert init(bot_of(RULES[layout], tmp_path)).exit_code == 0
    assert (tmp_path / "data/kustomer_rules.yml").exists()
    assert not (tmp_path / "data/kustomer_flows.yml").exists()


@pytest.mark.parametrize("layout", UNSEEN)
def test_where_it_cannot_be_seen_nothing_is_copied_and_it_is_asked(layout: str, tmp_path: Path) -> None:
    before = contents(bot_of(UNSEEN[layout], tmp_path))
    result = init(tmp_path)
    assert result.exit_code == 2
    assert f"init {tmp_path} --calm" in result.output
    assert f"init {tmp_path} --rules" in result.output
    assert contents(tmp_path) == before
    assert init(tmp_path, "--rules").exit_code == 0
    assert (tmp_path / "data/kustomer_rules.yml").exists()


def test_the_configuration_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert "config.yml:2: " in init(bot_of(UNSEEN["a configuration that cannot be read"], tmp_path)).output


def test_training_is_told_which_configuration(tmp_path: Path) -> None:
    assert "rasa train --config config/config.yml" in init(bot_of(CALM["configuration in a folder"], tmp_path)).output


# F15: what contradicts our rules. What Rasa 3.6.21 refuses was tried on it.


def test_each_rule_and_story_with_an_intent_of_ours_is_named_without_any_examples(tmp_path: Path) -> None:
    write(tmp_path / "config.yml", CONFIG)
    write(tmp_path / "data/deep/stories.yaml", STORY.format("problem_solved"))
    write(
        tmp_path / "more/rules.yml",
        "# ours\nrules:\n- rule: agent\n  steps:\n  - intent: human_handoff\n  - action: utter_x\n",
    )
    output = init(tmp_path).output
    assert 'data/deep/stories.yaml:2: story "our own" (problem_solved)' in output
    assert 'more/rules.yml:3: rule "agent" (human_handoff)' in output


def test_what_was_mended_is_not_named_again(tmp_path: Path) -> None:
    write(tmp_path / "config.yml", CONFIG)
    write(tmp_path / "data/stories.yml", STORY.format("human_handoff"))
    assert "Rasa refuses" in init(tmp_path).output
    write(
        tmp_path / "data/stories.yml", STORY.format("human_handoff").replace("utter_greet", "action_kustomer_handoff")
    )
    assert "Rasa refuses" not in init(tmp_path).output


def test_deleting_ours_is_the_other_way(tmp_path: Path) -> None:
    """Also our stories have to go, since they follow our rules."""
    write(tmp_path / "config.yml", CONFIG)
    write(
        tmp_path / "data/rules.yml", STORY.format("ticket_status").replace("stories", "rules").replace("story", "rule")
    )
    assert "data/rules.yml:2" in init(tmp_path).output
    write(tmp_path / "data/kustomer_rules.yml", "rules: []\n")
    assert "data/rules.yml:2" in init(tmp_path).output
    write(tmp_path / "data/kustomer_stories.yml", "stories: []\n")
    assert "Rasa refuses" not in init(tmp_path).output


def test_rules_under_a_condition_are_named_as_what_they_are(tmp_path: Path) -> None:
    write(tmp_path / "config.yml", CONFIG)
    write(
        tmp_path / "data/forms.yml",
        "rules:\n- rule: leave\n  condition: [{active_loop: f}]\n"
        "  steps: [{intent: human_handoff}, {action: utter_x}]\n",
    )
    output = init(tmp_path).output
    assert "Rasa refuses" not in output
    assert "override ours under their conditions; no ticket is created there" in output
    assert 'data/forms.yml:2: rule "leave" (human_handoff)' in output


def test_conversations_to_test_with_are_no_stories(tmp_path: Path) -> None:
    write(tmp_path / "config.yml", CONFIG)
    write(tmp_path / "tests/test_stories.yml", STORY.format("human_handoff"))
    assert "Rasa refuses" not in init(tmp_path).output


def test_a_flow_with_a_name_of_ours_is_named(tmp_path: Path) -> None:
    """Rasa Pro refuses two flows of one name."""
    write(tmp_path / "config.yml", FLOW_CONFIG)
    write(tmp_path / "data/patterns.yml", FLOWS)
    assert "two flows" not in init(tmp_path).output
    write(tmp_path / "data/patterns.yml", FLOWS.replace("order", "pattern_human_handoff"))
    assert "data/patterns.yml:2: pattern_human_handoff" in init(tmp_path).output
