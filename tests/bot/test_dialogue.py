"""What contradicts our rules is found as Rasa finds it."""

from pathlib import Path

import pytest
from tests.bot.dialogues import NARROW, REFUSED, TAKEN
from tests.bot.folders import CONFIG, write
from typer.testing import CliRunner

from rasa_kustomer.bot.dialogue import DIALOGUE_SNIPPETS, Use, contradictions, exceptions, uses
from rasa_kustomer.bot.files import Reader
from rasa_kustomer.cli import app
from rasa_kustomer.cli.snippets import snippets_folder

OURS = [snippets_folder() / name for name in DIALOGUE_SNIPPETS]


def beside_ours(text: str, folder: Path) -> list[Use]:
    write(folder / "own.yml", text)
    reader = Reader()
    found = uses({file: reader.mapping(file) for file in (*OURS, folder / "own.yml")}, reader)
    assert reader.problems == []
    return found


def test_ours_go_together(tmp_path: Path) -> None:
    found = beside_ours("", tmp_path)
    assert {use.intent for use in found} == {"human_handoff", "ticket_status", "problem_solved"}
    assert contradictions(found) == []


@pytest.mark.parametrize("name", REFUSED)
def test_what_rasa_refuses_is_a_contradiction(name: str, tmp_path: Path) -> None:
    found = beside_ours(REFUSED[name], tmp_path)
    assert {use.name for use in contradictions(found)} <= {"s", "r"}
    assert contradictions(found) != []


@pytest.mark.parametrize("name", [*TAKEN, *NARROW])
def test_what_rasa_takes_is_none(name: str, tmp_path: Path) -> None:
    found = beside_ours((TAKEN | NARROW)[name], tmp_path)
    assert contradictions(found) == []
    assert bool(exceptions(found)) is (name in NARROW)


def test_stories_that_lead_to_each_other_come_to_an_end(tmp_path: Path) -> None:
    ring = "".join(
        f"- story: s{n}{m}\n  steps:\n  - checkpoint: c{n}\n  - checkpoint: c{n + 1}\n" for n in range(30) for m in "ab"
    )
    first = "stories:\n- story: s\n  steps:\n  - intent: human_handoff\n  - checkpoint: c0\n"
    assert contradictions(
        beside_ours(f"{first}{ring}- story: e\n  steps:\n  - checkpoint: c30\n  - checkpoint: c0\n", tmp_path)
    )


def test_check_in_the_bots_folder_names_it_until_it_is_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def check() -> str:
        return CliRunner(env={"COLUMNS": "400"}).invoke(app, ["check"]).output

    write(tmp_path / "config.yml", CONFIG)
    write(tmp_path / "data/own.yml", REFUSED["a story"])
    CliRunner().invoke(app, ["init"])
    assert 'data/own.yml:2: story "s" (human_handoff)' in check()
    write(tmp_path / "data/own.yml", TAKEN["the same rule"])
    assert "data/own.yml" not in check()
    write(tmp_path / "data/own.yml", NARROW["a rule in a form"])
    assert 'rule "r" (human_handoff) overrides our rules' in check()


def test_check_names_a_flow_of_the_same_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    flow = "flows:\n  pattern_human_handoff:\n    steps:\n      - action: utter_x\n"
    write(tmp_path / "data/patterns.yml", flow)
    CliRunner().invoke(app, ["init"])
    assert (
        "data/patterns.yml:2: pattern_human_handoff" in CliRunner(env={"COLUMNS": "400"}).invoke(app, ["check"]).output
    )
