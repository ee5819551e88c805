"""The guides leave nothing out: what exists is explained somewhere, and what they take from the code is current."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from rasa_kustomer.bot.domain import ACTIONS, RESPONSES, SLOTS
from rasa_kustomer.cli import COMMANDS, app, outbox
from rasa_kustomer.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
RECORDS = sorted((DOCS / "adr").glob("*.md"))
README = (ROOT / "README.md").read_text(encoding="utf-8")


def text_of(page: str) -> str:
    return (DOCS / page).read_text(encoding="utf-8")


def missing(names: Iterator[str], page: str) -> list[str]:
    """Those names that the page does not mention as code."""
    text = text_of(page)
    return [name for name in names if not re.search(rf"`[^`\n]*(?<!\w){re.escape(name)}(?!\w)[^`\n]*`", text)]


def test_every_setting_is_in_the_admins_guide() -> None:
    assert missing((f"{PREFIX}{name.upper()}" for name in Settings.model_fields), "admins.md") == []


@pytest.mark.parametrize("names", [ACTIONS, SLOTS, RESPONSES], ids=["actions", "slots", "responses"])
def test_all_that_a_designer_uses_is_in_their_guide(names: tuple[str, ...]) -> None:
    assert missing(iter(names), "designers.md") == []


def test_every_command_is_explained() -> None:
    pages = README + text_of("admins.md") + text_of("designers.md")
    operators = getattr(typer.main.get_command(outbox.app), "commands", {})
    assert operators
    wanted = [*COMMANDS, *(f"outbox {name}" for name in operators)]
    unexplained = [name for name in wanted if f"rasa-kustomer {name}" not in pages]
    assert unexplained == ["demo"]  # which readers run as make demo
    assert "make demo" in README
    assert set(COMMANDS) == set(getattr(typer.main.get_command(app), "commands", {}))


def test_every_file_of_the_snippets_is_in_the_designers_guide() -> None:
    text = text_of("designers.md")
    files = [path.name for path in (ROOT / "domain_snippets").glob("*.yml") if path.name != "kustomer_endpoints.yml"]
    assert [name for name in files if name not in text] == []


def test_log_lines_of_the_night_table_exist() -> None:
    """What an admin is told to look for is what the code says."""
    section = text_of("admins.md").split("## When it wakes you at night")[1].split("\n## ")[0]
    rows = [row.split("|")[1] for row in re.findall(r"^\|.*\|$", section, re.MULTILINE)[2:]]
    lines = [line for row in rows for line in re.findall(r"`([^`]+ [^`]+)`", row)]
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "actions/rasa_kustomer").rglob("*.py")]
    parts = [part.strip(' ."') for line in lines for part in line.split("...")]
    assert lines
    assert [part for part in parts if not any(part in source for source in sources)] == []


def test_the_tests_that_guard_the_invariants_exist() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text_of("architecture.md"))
    assert named
    for file, test in named:
        assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file} has no {test}"


def test_decision_records_are_numbered_without_gap() -> None:
    assert [int(path.name[:4]) for path in RECORDS] == list(range(1, len(RECORDS) + 1))


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.stem)
def test_a_decision_record_is_complete(record: Path) -> None:
    lines = record.read_text(encoding="utf-8").splitlines()
    assert re.fullmatch(rf"# {int(record.name[:4])}\. \S.+", lines[0])
    fields = dict(line.split(": ", 1) for line in lines[1:6] if ": " in line)
    assert fields["Status"] in {"proposed", "accepted", "superseded"}
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", fields["Date"])
    assert [line for line in lines if line.startswith("## ")] == ["## Context", "## Decision", "## Consequences"]


def test_the_map_of_the_readme_names_every_guide() -> None:
    guides = [f"docs/{path.name}" for path in DOCS.glob("*.md")]
    assert guides
    assert [name for name in guides if f"({name})" not in README] == []


GLOSSARY = re.findall(r"^- \*\*(.+?)\*\* \((.+?)\):", (DOCS / "glossary.md").read_text(encoding="utf-8"), re.MULTILINE)


def names_in_the_code() -> set[str]:
    """Every name that the plugin and the sandbox define, members of classes as `Class.member` too; and the schema's."""
    schema = ROOT / "actions/rasa_kustomer/outbox/schema.py"
    names = set(re.findall(r"\w+", schema.read_text(encoding="utf-8")))
    sources = (file for folder in ("actions/rasa_kustomer", "sandbox") for file in (ROOT / folder).rglob("*.py"))
    for node in (node for source in sources for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))):
        match node:
            case ast.ClassDef(name=owner, body=body):
                targets = [target for one in body if isinstance(one, ast.Assign) for target in one.targets]
                names |= {owner, *(f"{owner}.{target.id}" for target in targets if isinstance(target, ast.Name))}
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.arg(arg=name):
                names.add(name)
            case ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case _:
                pass
    return names


def test_the_glossary_gives_each_word_once_and_the_name_that_the_code_has_for_it() -> None:
    assert len(GLOSSARY) > 20
    assert len({word for word, _ in GLOSSARY}) == len(GLOSSARY)
    defined = names_in_the_code()
    named = {name for _, brackets in GLOSSARY for name in re.findall(r"`([^`]+)`", brackets)}
    assert sorted(named - defined) == []
    assert [word for word, brackets in GLOSSARY if "`" not in brackets] == []


def test_the_files_that_the_architecture_names_exist() -> None:
    named = set(re.findall(r"`((?:[\w]+/)*\w+\.py)`", text_of("architecture.md")))
    places = [
        ROOT,
        ROOT / "actions/rasa_kustomer",
        *(ROOT / "actions/rasa_kustomer").iterdir(),
        ROOT / "sandbox/kustomer_sandbox",
    ]
    assert len(named) > 30
    assert sorted(name for name in named if not any((place / name).is_file() for place in places)) == []
