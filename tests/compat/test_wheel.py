"""The wheel holds what works only when it is there, and nothing else."""

import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def names(wheel: Path) -> list[str]:
    """The files in the wheel."""
    return zipfile.ZipFile(wheel).namelist()


def test_every_file_of_the_package_is_in_the_wheel(names: list[str]) -> None:
    """Modules, the type markers and the sandbox's page are all shipped."""
    expected = {
        str(path.relative_to(package.parent))
        for package in (ROOT / "actions/rasa_kustomer", ROOT / "sandbox/kustomer_sandbox")
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert set() == expected - set(names)
    assert {"rasa_kustomer/py.typed", "kustomer_sandbox/py.typed", "kustomer_sandbox/page/index.html"} <= set(names)


def test_every_domain_snippet_is_in_the_wheel(names: list[str]) -> None:
    """`rasa-kustomer init` copies from the installed package."""
    snippets = {path.relative_to(ROOT).as_posix() for path in (ROOT / "domain_snippets").rglob("*.yml")}
    assert snippets
    assert {f"rasa_kustomer/{snippet}" for snippet in snippets} <= set(names)


def test_nothing_else_is_in_the_wheel(names: list[str]) -> None:
    """A wheel that brings `tests`, `actions` or `sandbox` would shadow those of the bot."""
    tops = {name.split("/")[0] for name in names}
    assert {"rasa_kustomer", "kustomer_sandbox"} == {top for top in tops if not top.endswith(".dist-info")}
