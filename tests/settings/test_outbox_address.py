"""Addresses of the outbox: used as they were meant, or refused with what to write instead."""

from pathlib import Path

import pytest
from tests.servers import PASSWORD, Postgres

from rasa_kustomer.configuration import read_configuration
from rasa_kustomer.machine_checks import check_environment
from rasa_kustomer.outbox import Outbox, OutboxUnavailableError
from rasa_kustomer.settings import SettingsError, load_settings

SERVER = "postgresql://bot:hunter2@127.0.0.1/kustomer"


@pytest.fixture(autouse=True)
def _folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def problem(monkeypatch: pytest.MonkeyPatch, url: str) -> str:
    monkeypatch.setenv("KUSTOMER_OUTBOX_URL", url)
    with pytest.raises(SettingsError) as raised:
        load_settings()
    (line,) = raised.value.problems
    assert line.startswith("KUSTOMER_OUTBOX_URL: ")
    assert "hunter2" not in line
    return line


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://",
        "sqlite:///",
        "sqlite:////",
        "sqlite:///:memory:",
        "sqlite:///file::memory:",
        "sqlite:///file:x?mode=memory&uri=true",
        "sqlite:///folder/",
        "sqlite:///.",
        "sqlite:///..",
        "sqlite+aiosqlite:///:memory:",
        "sqlite://outbox.db",
        "sqlite:///~/outbox.db",
        "sqlite:///$HOME/outbox.db",
        "sqlite:///%TEMP%/outbox.db",
        "sqlite:///C:\\bot\\outbox.db",
        "sqlite:///C:/bot/outbox.db",
        "sqlite:////dev/null",
        "sqlite:////dev/shm/outbox.db",
        "sqlite:///outbox.db?timeout=5",
        "postgres://bot:hunter2@127.0.0.1/kustomer",
        "postgresql+psycopg2://bot:hunter2@127.0.0.1/kustomer",
        "postgresql://bot:hunter2@127.0.0.1:99999/kustomer",
        "postgresql+asyncpg://bot:hunter2@127.0.0.1:0/kustomer",
        "postgresql+asyncpg://bot:hunter2@db..example/kustomer",
        "postgresql://bot:hunter2@127.0.0.1/kust omer",
        f"{SERVER}?ssl=true",
        f"{SERVER}?sslmode=no-verify",
        f"{SERVER}?sslmode=require&ssl=require",
        f"{SERVER}?ssl=require&ssl=disable",
        f"{SERVER}?pgbouncer=true",
        f"{SERVER}?search_path=bot",
        f"{SERVER}?command_timeout=soon",
        f"{SERVER}?statement_cache_size=-1",
        f"{SERVER}?port=abc",
        f"{SERVER}?loop=x",
        f"{SERVER}?connection_class=x",
        f"{SERVER}?target_session_attrs=master",
    ],
)
def test_an_address_that_cannot_be_used_or_keeps_nothing_is_refused_in_one_line(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    problem(monkeypatch, url)


@pytest.mark.parametrize(
    ("query", "cure"),
    [
        ("sslmode=true", "?sslmode=require"),
        ("pgbouncer=true", "statement_cache_size=0"),
        ("keepalives=1", "leave it out"),
    ],
)
def test_the_line_says_what_to_write_instead(monkeypatch: pytest.MonkeyPatch, query: str, cure: str) -> None:
    assert cure in problem(monkeypatch, f"{SERVER}?{query}")


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?sslmode=disable",
        "?sslmode=prefer&connect_timeout=3&application_name=bot",
        "?ssl=prefer&command_timeout=5&timeout=2",
        "?statement_cache_size=0&prepared_statement_cache_size=0",
        "?options=-c%20statement_timeout%3D5s",
        "?channel_binding=prefer&gssencmode=disable&target_session_attrs=any",
        "?max_cached_statement_lifetime=10&max_cacheable_statement_size=1000",
    ],
)
async def test_what_is_accepted_behind_the_question_mark_works(
    monkeypatch: pytest.MonkeyPatch, postgres_server: Postgres, query: str
) -> None:
    monkeypatch.setenv("KUSTOMER_OUTBOX_URL", postgres_server.fresh() + query)
    outbox = Outbox(load_settings().outbox_url)

    assert (await outbox.counts()).accepted == 0
    assert PASSWORD not in outbox.place
    await outbox.close()


async def test_an_address_of_an_earlier_release_goes_on_working_and_says_once_what_to_write(
    monkeypatch: pytest.MonkeyPatch, postgres_server: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    former = postgres_server.fresh().replace("postgresql://", "postgresql+asyncpg://")
    monkeypatch.setenv("KUSTOMER_OUTBOX_URL", f"{former}?ssl=prefer")
    for _ in range(2):
        outbox = Outbox(load_settings().outbox_url)
        assert (await outbox.counts()).accepted == 0
        await outbox.close()

    [line] = [one.getMessage() for one in caplog.records]
    assert "write postgresql://" in line
    assert PASSWORD not in line
    assert [one.message for one in check_environment(load_settings()) if one.item == "outbox"] == [line]


async def test_whatever_keeps_a_connection_from_being_made_is_an_outbox_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, postgres_server: Postgres
) -> None:
    url = postgres_server.fresh()
    outbox = Outbox(url.replace(f":{postgres_server.port}", ""))
    monkeypatch.setenv("PGPORT", "no-number")
    with pytest.raises(OutboxUnavailableError):
        await outbox.counts()
    await outbox.close()

    monkeypatch.setenv("PGPORT", str(postgres_server.port))
    outbox = Outbox(url)
    assert (await outbox.counts()).accepted == 0
    await outbox.close()


def test_a_folder_where_the_file_should_be_stops_the_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "outbox.db").mkdir()
    monkeypatch.setenv("KUSTOMER_OUTBOX_URL", "sqlite:///outbox.db")
    monkeypatch.setenv("KUSTOMER_API_KEY", "key")
    monkeypatch.setenv("KUSTOMER_SUBDOMAIN", "acme")
    with pytest.raises(SettingsError, match="KUSTOMER_OUTBOX_URL: names something that is not a file"):
        read_configuration()

    (tmp_path / "outbox.db").rmdir()
    read_configuration()
