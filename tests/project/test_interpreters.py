"""The tests' other Pythons are found by uv, also behind a version manager that has another one selected."""

import sys
from pathlib import Path

import pytest
from tests.interpreters import find_python, what_to_install

MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
BASE = Path(getattr(sys, "_base_executable", sys.executable)).resolve()


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("PYENV_ROOT", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv("UV_PYTHON_INSTALL_DIR", raising=False)


def installed(folder: Path) -> Path:
    """An interpreter that really starts, in a folder of a version manager."""
    folder.mkdir(parents=True)
    python = folder / f"python{MINOR}"
    python.symlink_to(BASE)
    return python


def test_the_running_interpreter_is_found_with_an_empty_path_and_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    found = find_python(MINOR)
    assert found is not None
    assert found.resolve().samefile(BASE)


def test_the_interpreter_behind_a_shim_that_does_not_start_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim = tmp_path / f"pyenv/shims/python{MINOR}"
    shim.parent.mkdir(parents=True)
    shim.write_text("#!/bin/sh\nexit 127\n", encoding="utf-8")
    shim.chmod(0o755)
    installed(tmp_path / f"pyenv/versions/{MINOR}.9/bin")
    newest = installed(tmp_path / f"pyenv/versions/{MINOR}.10/bin")
    monkeypatch.setenv("PATH", str(shim.parent))
    assert find_python(MINOR) == newest


@pytest.mark.parametrize("place", ["pyenv/versions/{0}.1/bin", "asdf/installs/python/{0}.1/bin"])
def test_a_version_manager_on_the_path_tells_where_its_interpreters_are(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = installed(tmp_path / place.format(MINOR))
    tools = tmp_path / place.split("/", 1)[0] / "bin"
    tools.mkdir()
    monkeypatch.setenv("PATH", str(tools))
    assert find_python(MINOR) == python


def test_a_version_that_is_missing_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert find_python("3.99") is None
    assert what_to_install("3.99").startswith("Python 3.99 was not found: install it")
