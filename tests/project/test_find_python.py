"""scripts/find_python.py finds interpreters that really run."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/find_python.py"
MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"


def find(version: str, home: Path, path: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the script with this HOME and PATH only."""
    environment = {"HOME": str(home), "PATH": path, **variables}
    command = [sys.executable, "-S", str(SCRIPT), version]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def executable(path: Path, text: str) -> Path:
    """Write an executable file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


def pretend_python(path: Path, version: str) -> Path:
    """An interpreter of a version that nobody has, as far as the script can tell."""
    return executable(path, f"#!/bin/sh\nprintf '%s\\n' {version} '{path}'\n")


def test_the_running_interpreter_is_found_without_path(tmp_path: Path) -> None:
    """No PATH and an empty home are no obstacle."""
    done = find(MINOR, tmp_path)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).exists()


def test_a_broken_shim_is_passed_over(tmp_path: Path) -> None:
    """A version manager's shim that does not run must not hide the interpreter behind it."""
    shim = executable(tmp_path / f"bin/python{MINOR}", "#!/bin/sh\nexit 127\n")
    done = find(MINOR, tmp_path, path=str(shim.parent))
    assert done.returncode == 0
    assert done.stdout.strip() != str(shim)


def test_pyenv_is_found_through_its_command(tmp_path: Path) -> None:
    """With another HOME, `pyenv` on PATH still tells where its versions are; the newest patch wins."""
    pyenv = executable(tmp_path / "pyenv/libexec/pyenv", "#!/bin/sh\n")
    link = tmp_path / "pyenv/bin/pyenv"
    link.parent.mkdir()
    link.symlink_to(pyenv)
    for patch in ("3.88.9", "3.88.10"):
        pretend_python(tmp_path / f"pyenv/versions/{patch}/bin/python3.88", "3.88")
    done = find("3.88", tmp_path, path=str(link.parent))
    assert f"{tmp_path}/pyenv/versions/3.88.10/bin/python3.88" == done.stdout.strip()


def test_named_folders_are_searched(tmp_path: Path) -> None:
    """PYENV_ROOT and uv's folder count, and so do their defaults in the home folder."""
    places = {
        "3.81": ("a/versions/3.81.0/bin/python3.81", {"PYENV_ROOT": str(tmp_path / "a")}),
        "3.82": ("b/cpython-3.82.1-linux/bin/python3.82", {"UV_PYTHON_INSTALL_DIR": str(tmp_path / "b")}),
        "3.83": (".pyenv/versions/3.83.2/bin/python3.83", {}),
        "3.84": (".local/share/uv/python/cpython-3.84.1-linux/bin/python3.84", {}),
    }
    for version, (place, variables) in places.items():
        made = pretend_python(tmp_path / place, version)
        assert str(made) == find(version, tmp_path, **variables).stdout.strip()


def test_a_missing_version_says_what_to_install(tmp_path: Path) -> None:
    """One sentence on the error output, exit code 1."""
    done = find("3.99", tmp_path, path=os.defpath)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Python 3.99 was not found: install it" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_wrong_argument_shows_the_usage(tmp_path: Path) -> None:
    """Only a minor version makes sense."""
    assert find("3", tmp_path).returncode == 2
