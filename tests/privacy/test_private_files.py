"""Nobody but the bot's own user reads what the plugin writes down."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rasa_kustomer.machine_checks import check_files
from rasa_kustomer.outbox import Outbox
from rasa_kustomer.settings import Settings


@pytest.fixture(autouse=True)
def _usual_mask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


async def test_a_new_outbox_its_logs_and_its_folder_are_its_owners(tmp_path: Path) -> None:
    outbox = Outbox(f"sqlite:///{tmp_path}/.kustomer/outbox.db")
    await outbox.counts()
    files = sorted((tmp_path / ".kustomer").iterdir())

    assert [file.name for file in files] == ["outbox.db", "outbox.db-shm", "outbox.db-wal"]
    assert {mode(file) for file in files} == {0o600}
    assert mode(tmp_path / ".kustomer") == 0o700
    await outbox.close()


def test_check_names_files_that_others_can_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    outbox = tmp_path / "the outbox.db"
    outbox.touch(0o644)
    Path(".env").touch(0o640)
    settings = Settings(outbox_url=f"sqlite:///{outbox}")

    assert [finding.message for finding in check_files(settings)] == [
        ".env can be read by other users of this machine: chmod 600 .env",
        f"{outbox} can be read by other users of this machine: chmod 600 '{outbox}'",
    ]
    outbox.chmod(0o600)
    Path(".env").chmod(0o600)
    assert list(check_files(settings)) == []
