"""Where Python is missing or unsuitable, `make` says in one sentence what to install."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PYTHONS = {
    "missing": (None, "python3 was not found or does not start: install Python 3.10 to 3.13"),
    "broken shim": ("exit 127", "python3 was not found or does not start: install Python 3.10 to 3.13"),
    "too old": ('case "$2" in *%d*) echo 3.9;; *) exit 1;; esac', "python3 is Python 3.9, which is not supported"),
    "too new": ('case "$2" in *%d*) echo 3.14;; *) exit 1;; esac', "python3 is Python 3.14, which is not supported"),
    "without venv": ('case "$2" in *%d*) echo 3.12;; *) exit 1;; esac', "python3 has no venv module: install it"),
    "without pip": (
        'case "$2" in *ensurepip|*pip) exit 1;; *) exit 0;; esac',
        "python3 has neither ensurepip nor pip: install one",
    ),
}


@pytest.mark.parametrize(("script", "sentence"), PYTHONS.values(), ids=PYTHONS.keys())
def test_one_sentence_says_what_to_install(script: str | None, sentence: str, tmp_path: Path) -> None:
    """No traceback and no walls of text: the sentence, and a failing exit code."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/setup.sh", tmp_path / "scripts")
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("sh", "dirname", "rm"):
        (tools / tool).symlink_to(shutil.which(tool) or tool)
    if script is not None:
        python = tools / "python3"
        python.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        python.chmod(0o755)
    done = subprocess.run(
        [tools / "sh", "scripts/setup.sh", "runtime"],
        cwd=tmp_path,
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"rasa-kustomer: {sentence}")
    assert len(done.stderr.splitlines()) == 1
