"""`rasa-kustomer init`: copies, never overwrites, and says what is left to do for exactly this bot."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner, Result

from rasa_kustomer.cli import app
from rasa_kustomer.cli.snippets import snippets_folder
from rasa_kustomer.settings import load_settings

RULES = {
    "domain/kustomer_domain.yml",
    "data/kustomer_nlu.yml",
    "data/kustomer_rules.yml",
    "data/kustomer_stories.yml",
}
ROUTING = "kustomer_routing.example.yml"
SOURCES = {ROUTING: "kustomer_routing.yml"}  # snippets that get another name
FLOWS = {"domain/kustomer_domain_calm.yml", "data/kustomer_flows.yml"}
CALM_CONFIG = "policies:\n  - name: FlowPolicy\n"


@pytest.fixture
def bot(tmp_path: Path) -> Path:
    """A bot as `rasa init` makes it: one domain file, empty actions, endpoints that are commented out."""
    write(tmp_path / "config.yml", "language: en\npipeline: null\npolicies: null\n")
    write(tmp_path / "domain.yml", "intents: [greet]\nresponses:\n  utter_greet:\n    - text: Hello\n")
    write(tmp_path / "endpoints.yml", "# action_endpoint:\n#  url: http://localhost:5055/webhook\n")
    write(tmp_path / "data/nlu.yml", "nlu:\n  - intent: greet\n    examples: |\n      - hello\n")
    write(tmp_path / "actions/__init__.py", "")
    return tmp_path


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["init", *map(str, arguments)])


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_snippets_are_copied_as_they_are(bot: Path) -> None:
    before = files(bot)
    result = run(bot)
    added = {name: content for name, content in files(bot).items() if name not in before}
    assert result.exit_code == 0, result.output
    assert set(added) == {*RULES, ROUTING}
    snippets = {name: (snippets_folder() / SOURCES.get(name, Path(name).name)).read_bytes() for name in added}
    assert added == snippets
    assert all(files(bot)[name] == content for name, content in before.items())


def test_a_second_run_changes_nothing(bot: Path) -> None:
    run(bot)
    before = files(bot)
    result = run(bot)
    assert result.exit_code == 0
    assert result.output.count("already there: ") == len({*RULES, ROUTING})
    assert files(bot) == before


def test_the_example_of_the_routing_file_is_not_live_and_the_way_there_is_said(
    bot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its teams are ours, so a handoff must not be routed by it before the designer says so."""
    result = run(bot)
    monkeypatch.chdir(bot)
    assert load_settings().routing_path is None
    (command,) = re.findall(r"mv kustomer_routing\S* \S+", result.output)

    (bot / ROUTING).rename(bot / command.split()[-1])
    assert load_settings().routing_path is not None
    again = run(bot)
    assert ROUTING not in again.output
    assert not (bot / ROUTING).exists()


def test_an_example_that_was_edited_is_left_alone_and_no_clash(bot: Path) -> None:
    write(bot / ROUTING, "default: {team: Ours}\n")
    result = run(bot)
    assert result.exit_code == 0
    assert f"already there: {ROUTING}" in result.output
    assert (bot / ROUTING).read_text(encoding="utf-8") == "default: {team: Ours}\n"


def test_a_file_with_other_content_is_left_alone_and_reported(bot: Path) -> None:
    """The designer's own words are worth more than ours, and the exit code says that something was not copied."""
    write(bot / "data/kustomer_rules.yml", "rules: []\n")
    result = run(bot)
    assert result.exit_code == 1
    assert "differs, left alone: data/kustomer_rules.yml" in result.output
    assert f"diff {snippets_folder() / 'kustomer_rules.yml'} {bot / 'data/kustomer_rules.yml'}" in result.output
    assert (bot / "data/kustomer_rules.yml").read_text(encoding="utf-8") == "rules: []\n"


def test_a_link_that_leads_nowhere_is_somebodys_file_too(bot: Path) -> None:
    (bot / "data/kustomer_nlu.yml").symlink_to(bot / "elsewhere.yml")
    assert run(bot).exit_code == 1
    assert not (bot / "elsewhere.yml").exists()


def test_a_snippet_that_was_moved_within_the_bot_is_not_copied_again(bot: Path) -> None:
    run(bot)
    (bot / "data/support").mkdir()
    (bot / "data/kustomer_nlu.yml").rename(bot / "data/support/kustomer_nlu.yml")
    result = run(bot)
    assert "already there: data/support/kustomer_nlu.yml" in result.output
    assert not (bot / "data/kustomer_nlu.yml").exists()


def test_a_dry_run_writes_nothing(bot: Path) -> None:
    before = files(bot)
    result = run(bot, "--dry-run")
    assert result.exit_code == 0
    assert result.output.count("would be copied: ") == len({*RULES, ROUTING})
    assert files(bot) == before


@pytest.mark.parametrize(
    ("config", "options", "expected"),
    [
        (CALM_CONFIG, [], FLOWS),
        (CALM_CONFIG, ["--rules"], RULES),
        ("policies: null\n", ["--calm"], FLOWS),
        ("policies: [\n", ["--rules"], RULES),
    ],
    ids=["flows", "flows, but rules wanted", "rules, but flows wanted", "broken config, rules wanted"],
)
def test_the_variant_follows_the_bot_unless_told(
    config: str, options: list[str], expected: set[str], bot: Path
) -> None:
    write(bot / "config.yml", config)
    before = files(bot).keys()
    assert run(bot, *options).exit_code == 0
    assert files(bot).keys() - before == {*expected, ROUTING}


def test_missing_endpoints_are_copied_and_not_asked_for(bot: Path) -> None:
    (bot / "endpoints.yml").unlink()
    result = run(bot)
    assert YAML(typ="safe").load(bot / "endpoints.yml")["action_endpoint"]["url"] == "http://localhost:5055/webhook"
    assert "Put into endpoints.yml" not in result.output


def test_what_is_left_is_said_for_a_new_bot(bot: Path) -> None:
    """Each thing that a bot made by `rasa init` lacks is a step, in the order of doing."""
    output = run(bot).output
    expected = [
        "mv domain.yml domain/domain.yml",
        "Add to actions/__init__.py: from rasa_kustomer.actions import *",
        "Put into endpoints.yml",
        "no slot named customer_id, email or phone",
        "KUSTOMER_API_KEY and KUSTOMER_SUBDOMAIN not set",
        "rasa train --domain domain",
        "rasa-kustomer check --domain domain",
    ]
    places = [output.find(text) for text in expected]
    assert -1 not in places, dict(zip(expected, places, strict=True))
    assert places == sorted(places)


def test_nothing_is_left_for_a_bot_that_has_it_all_but_training(bot: Path) -> None:
    (bot / "domain").mkdir()
    (bot / "domain.yml").rename(bot / "domain/bot.yml")
    write(bot / "domain/slots.yml", "slots:\n  email:\n    type: text\n    mappings: [{type: from_text}]\n")
    write(bot / "endpoints.yml", "action_endpoint:\n  url: http://actions:5055/webhook\n")
    write(bot / "actions/__init__.py", "from rasa_kustomer.actions import *\n")
    write(bot / ".env", "KUSTOMER_API_KEY=secret-key\nKUSTOMER_SUBDOMAIN=acme\n")
    output = run(bot).output
    assert output.split("Left to do:\n")[1].startswith("  1. Train the bot")
    assert "2." not in output.split("Left to do:\n")[1]
    assert "secret-key" not in output


@pytest.mark.parametrize(
    ("file", "content", "step"),
    [
        ("config.yml", "policies:\n  - name: MemoizationPolicy\n", "- name: RulePolicy"),
        (
            "endpoints.yml",
            "action_endpoint:\n  url: x\n  enable_selective_domain: true\n",
            "Delete enable_selective_dom",
        ),
        ("data/more.yml", "nlu:\n  - intent: human_handoff\n", "has examples of human_handoff in data/more.yml"),
        (".env", "KUSTOMER_DEFAULT_PRIORITY=soon\n", "KUSTOMER_DEFAULT_PRIORITY: "),
    ],
)
def test_what_would_not_work_is_said(file: str, content: str, step: str, bot: Path) -> None:
    write(bot / file, content)
    assert step in run(bot).output


def test_the_line_goes_where_python_finds_the_actions(bot: Path) -> None:
    """Beside a package of the same name a module is never read."""
    write(bot / "actions.py", "")
    assert "Add to actions/__init__.py: from rasa_kustomer.actions import *" in run(bot).output
    (bot / "actions/__init__.py").unlink()
    assert "Add to actions.py: from rasa_kustomer.actions import *" in run(bot).output


def test_a_bot_without_actions_is_told_to_start_ours(bot: Path) -> None:
    (bot / "actions/__init__.py").unlink()
    assert "python -m rasa_sdk --actions rasa_kustomer.actions" in run(bot).output


def test_a_folder_that_is_no_bot_is_refused(tmp_path: Path) -> None:
    """A typing mistake must not leave files in a folder that has nothing to do with it."""
    result = run(tmp_path)
    assert result.exit_code == 2
    assert "is not a Rasa bot" in result.output
    assert files(tmp_path) == {}


def test_a_place_that_cannot_be_written_is_named(bot: Path) -> None:
    write(bot / "blocked", "")
    (bot / "domain").symlink_to(bot / "blocked")
    result = run(bot)
    assert result.exit_code == 1
    assert "domain/kustomer_domain.yml cannot be written: " in result.output
