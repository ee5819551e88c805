"""The pages name nothing that does not exist: files, make targets, settings, actions, commands."""

import re
from pathlib import Path

import pytest
import typer.main

from rasa_kustomer.cli import app
from rasa_kustomer.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "deploy").rglob("*.md"))]
TARGETS = set(re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
VARIABLES = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def code_of(page: Path) -> str:
    """The fenced blocks and the `spans` of a page."""
    text = page.read_text(encoding="utf-8")
    return "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL))


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    """A relative link or picture exists, and so does the heading it points at."""
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, heading = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (heading and target.suffix == ".md" and heading not in headings(target)):
            broken.append(link)
    assert broken == []


def headings(page: Path) -> set[str]:
    """The anchors that code hosts make from a page's headings."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@every_page
def test_make_targets_exist(page: Path) -> None:
    """Each `make x` in code is in the Makefile."""
    named = set(re.findall(r"(?:^|[`$\s])make ([a-z][a-z0-9-]*)", code_of(page)))
    assert set() == named - TARGETS


@every_page
def test_settings_exist(page: Path) -> None:
    """Each KUSTOMER_ variable is one that the plugin reads; KUSTOMER_X_* stands for a family."""
    named = set(re.findall(r"(?<![A-Z_])KUSTOMER_[A-Z][A-Z_]*(?![A-Z_*])", page.read_text(encoding="utf-8")))
    assert set() == named - VARIABLES


@every_page
def test_actions_exist(page: Path) -> None:
    """Each action_kustomer_ name is an action in the package."""
    source = "\n".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "actions/rasa_kustomer/actions").glob("*.py")
    )
    named = set(re.findall(r"\baction_kustomer_\w+", page.read_text(encoding="utf-8")))
    assert set() == {name for name in named if f'"{name}"' not in source}


@every_page
def test_commands_exist(page: Path) -> None:
    """Each `rasa-kustomer x` in code is a command."""
    known = set(getattr(typer.main.get_command(app), "commands", {}))
    named = set(re.findall(r"(?:^|[`$\s/])rasa-kustomer ([a-z][a-z-]*)", code_of(page)))
    assert set() == named - known
