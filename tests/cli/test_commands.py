"""The command line as a whole."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rasa_kustomer.cli import COMMANDS, app

HEAVY = ("pydantic", "httpx", "psycopg", "sanic", "rasa_sdk")


def test_the_help_lists_every_command() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    assert [name for name in COMMANDS if f" {name} " not in result.output] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    result = CliRunner().invoke(app, [name, "--help"])
    assert result.exit_code == 0
    assert f" {name} [OPTIONS]" in result.output
    assert "completion" not in result.output, "it is the shell's matter, and only the whole command could offer it"


@pytest.mark.parametrize("name", ["demo", "sandbox"])
def test_a_port_that_does_not_exist_is_wrong_use(name: str) -> None:
    assert CliRunner().invoke(app, [name, "--port", "65536"]).exit_code == 2


def test_the_version_is_that_of_the_package() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"rasa-kustomer {version('rasa-kustomer')}\n")


def test_an_unknown_command_is_refused_with_the_exit_code_for_wrong_use() -> None:
    assert CliRunner().invoke(app, ["chekc"]).exit_code == 2


def test_starting_imports_nothing_heavy() -> None:
    """A command imports what it needs; asking for another one does not pay for it."""
    loaded = f"import sys, rasa_kustomer.cli; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "url",
    [
        'amqp://rasa:hun"ter2@host:port/',
        "amqp://rasa:hunter2@[::1",
        "amqp://rasa:hunter2@host:99999/",
        "http://hunter2",
    ],
)
def test_an_address_of_the_broker_that_cannot_be_used_is_one_line_without_its_password(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUSTOMER_API_KEY", "key")
    monkeypatch.setenv("KUSTOMER_SUBDOMAIN", "acme")
    monkeypatch.setenv("RASA_KUSTOMER_EVENTS", url)
    result = CliRunner().invoke(app, ["worker"])

    assert result.exit_code == 2
    assert result.stderr.startswith("--events (RASA_KUSTOMER_EVENTS) ")
    assert result.stderr.count("\n") == 1
    assert "ter2" not in result.stderr
