"""The bot of `bot/` with the shipped snippets, and its training."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.e2e import environments
from tests.e2e.services import environment

SOURCE = Path(__file__).resolve().parent / "bot"
IMPORT_LINE = "from rasa_kustomer.actions import *"
MIRROR_STEP = "      - action: action_kustomer_mirror\n"
OVERRIDES = ("  - action_listen\n", "  - action_session_start\n")


def prepare(folder: Path) -> None:
    """Copy the bot, run `rasa-kustomer init`, and do exactly what it says is left to do."""
    shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    command = [str(Path(sys.executable).parent / "rasa-kustomer"), "init", str(folder)]
    said = subprocess.run(command, env=environment({}), capture_output=True, text=True, check=True).stdout
    assert "mv domain.yml domain/" in said
    (folder / "domain.yml").rename(folder / "domain/domain.yml")
    assert f"Add to actions/__init__.py: {IMPORT_LINE}" in said
    (folder / "actions/__init__.py").write_text(f"{IMPORT_LINE}\n", encoding="utf-8")


def prepare_without_overrides(folder: Path) -> None:
    """The same for a designer who wants no override: as the snippets' comments say, with the story's variant."""
    prepare(folder)
    domain = folder / "domain/kustomer_domain.yml"
    text = domain.read_text(encoding="utf-8")
    for line in OVERRIDES:
        assert text.count(line) == 1
        text = text.replace(line, "")
    domain.write_text(text, encoding="utf-8")
    stories, rules = folder / "data/kustomer_stories.yml", folder / "data/rules.yml"
    stories.write_text(with_variants(stories.read_text(encoding="utf-8")), encoding="utf-8")
    text = rules.read_text(encoding="utf-8")
    for step in ("      - action: utter_greet\n", "      - action: utter_goodbye\n"):
        text = text.replace(step, step + MIRROR_STEP)
    rules.write_text(text, encoding="utf-8")


def with_variants(snippet: str) -> str:
    """A snippet with its variants taken out of the comments; they are the lines that begin with `#` and two spaces."""
    return "".join(line.removeprefix("#") if line.startswith("#  ") else line for line in snippet.splitlines(True))


def run_rasa(python: Path, folder: Path, *arguments: str) -> str:
    """Run `rasa ...` in a folder and return all that it printed; a failing one fails the test."""
    command = [str(python), "-W", "ignore", "-m", "rasa", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment({}), capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"rasa {' '.join(arguments)}\n{done.stdout}{done.stderr}", pytrace=False)
    return done.stdout + done.stderr


def train(python: Path, folder: Path, scratch: Path) -> Path:
    """The model of a bot; trained anew only when something that it learns from has changed."""
    taught = hashlib.sha256(environments.OPEN_SOURCE.requirement.encode())
    for file in [folder / "config.yml", *sorted([*(folder / "domain").iterdir(), *(folder / "data").iterdir()])]:
        taught.update(file.name.encode() + file.read_bytes())
    kept = environments.cache_folder() / "models" / f"{taught.hexdigest()[:16]}.tar.gz"
    if not kept.exists():
        run_rasa(python, folder, "train", "--domain", "domain", "--out", str(scratch), "--fixed-model-name", "bot")
        kept.parent.mkdir(parents=True, exist_ok=True)
        half = kept.with_suffix(f".{os.getpid()}")
        shutil.copy(scratch / "bot.tar.gz", half)
        half.rename(kept)
    return kept
