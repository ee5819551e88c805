"""Interpreters for the environments that tests build, found by uv; nothing is ever downloaded."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path


class UvError(Exception):
    """A uv command failed; the message is the command and what it printed."""


def uv(*arguments: str | Path, path: str | None = None) -> str:
    """Run the uv of this environment and return its output.

    Raises:
        UvError: It failed.
    """
    tool = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    assert tool is not None, "uv is missing: run make setup"
    command = [tool, "--no-progress", "--no-python-downloads", "--system-certs", *map(str, arguments)]
    environment = dict(os.environ) if path is None else os.environ | {"PATH": path}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UvError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def find_python(version: str) -> Path | None:
    """An interpreter of a minor version ("3.10") that starts; None when there is none.

    uv gives up at a version manager's shim whose Python is not selected, so the interpreters behind it stand in for it.
    """
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    roots = [folder.parent for folder in folders if folder.name in {"bin", "shims"}]
    if pyenv_root := os.environ.get("PYENV_ROOT"):
        roots.insert(0, Path(pyenv_root))
    managed = [folder for root in roots for folder in _newest_first(root)]
    started_from = Path(getattr(sys, "_base_executable", sys.executable)).parent
    searched = [*(folder for folder in folders if folder.name != "shims"), *managed, started_from]
    try:
        found = uv("python", "find", "--system", version, path=os.pathsep.join(map(str, searched)))
    except UvError:
        return None
    return Path(found.strip())


def _newest_first(root: Path) -> list[Path]:
    """What pyenv (`versions`), asdf or mise (`installs/python`) keep under their folder."""
    found = [*root.glob("versions/*/bin"), *root.glob("installs/python/*/bin")]
    return sorted(
        found, key=lambda folder: [int(part) for part in re.findall(r"\d+", folder.parent.name)], reverse=True
    )


def what_to_install(version: str) -> str:
    """The sentence that says how to get a minor version."""
    return (
        f"Python {version} was not found: install it (Debian, Ubuntu: apt-get install python{version} "
        f"python{version}-venv; macOS: brew install python@{version}; anywhere: pyenv install {version} "
        f"or uv python install {version}) and try again."
    )
