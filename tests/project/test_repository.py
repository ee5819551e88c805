"""What the repository says about itself is true."""

import re
import subprocess
import sys
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from rasa_kustomer.settings import PREFIX, Settings, load_settings

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)", re.MULTILINE)


def pins(name: str) -> set[tuple[str, str]]:
    """The (name, version) pairs of one lock file; a package may have one version per Python."""
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    return {(canonicalize_name(package), pinned) for package, pinned in PIN.findall(text)}


def test_the_version_has_one_source() -> None:
    """pyproject.toml gives the version, the installed package has it, the changelog names it first."""
    (declared,) = re.findall(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert declared == version("rasa-kustomer"), "run make setup"
    assert newest is not None
    assert declared == newest[1]


def test_no_module_repeats_the_version() -> None:
    """Code asks importlib.metadata."""
    quoted = f'"{version("rasa-kustomer")}"'
    packages = [ROOT / "actions/rasa_kustomer", ROOT / "sandbox/kustomer_sandbox"]
    modules = [path for package in packages for path in package.rglob("*.py")]
    assert [path.name for path in modules if quoted in path.read_text(encoding="utf-8")] == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_locks_are_hashed_and_name_no_index(lock: Path) -> None:
    """A lock file works with whatever index the machine uses, and accepts nothing but the locked files."""
    text = lock.read_text(encoding="utf-8")
    assert not re.search(r"index-url|find-links|https?://|file:", text)
    entries = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)
    assert [entry.split()[0] for entry in entries if "==" in entry and "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("lock", ["runtime.txt", "rasa-sdk-3.6.txt", "dev.txt"])
def test_locks_satisfy_what_the_package_requires(lock: str) -> None:
    """A range that was changed in pyproject.toml without `make lock` is noticed."""
    locked = pins(lock)
    for requirement in map(Requirement, requires("rasa-kustomer") or []):
        if lock != "dev.txt" and requirement.marker and "extra" in str(requirement.marker):
            continue  # who wants an extra installs it; the tests want them all
        versions = [pinned for name, pinned in locked if name == canonicalize_name(requirement.name)]
        assert versions, f"{requirement.name} is not in {lock}: run make lock"
        assert all(map(requirement.specifier.contains, versions)), f"{requirement} in {lock}: run make lock"


def test_development_uses_the_locked_runtime() -> None:
    """What the tests ran with is what users install."""
    assert set() == pins("runtime.txt") - pins("dev.txt")
    assert set() == pins("build.txt") - pins("dev.txt")


def test_the_oldest_sdk_is_locked_exactly() -> None:
    """The second pair of the contract stays rasa-sdk 3.6.2."""
    assert ("rasa-sdk", "3.6.2") in pins("rasa-sdk-3.6.txt")


def test_what_is_made_from_the_settings_is_up_to_date() -> None:
    """`.env.template` and the tables of docs/admins.md are what scripts/settings_docs.py makes from the code."""
    script = ROOT / "scripts/settings_docs.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_plain_copy_of_the_template_changes_nothing() -> None:
    """`cp .env.template .env` leaves every default as it is."""
    assert load_settings(ROOT / ".env.template") == load_settings(None)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_described_with_a_valid_example(name: str, tmp_path: Path) -> None:
    """What the template and the error messages suggest is accepted."""
    field = Settings.model_fields[name]
    assert field.description
    assert field.examples
    file = tmp_path / ".env"
    file.write_text(f"{PREFIX}{name.upper()}={field.examples[0]}\n", encoding="utf-8")
    assert name in load_settings(file).model_fields_set


def test_ci_runs_the_commands_of_the_readme() -> None:
    """Green in CI means green for whoever follows the README."""
    script = ROOT / ".ci/run"
    subprocess.run(["bash", "-n", script], check=True)
    lines = script.read_text(encoding="utf-8").splitlines()
    assert [command for command in ("make test", "make demo", "make e2e") if command not in lines] == []
    assert script.stat().st_mode & 0o111
