"""Fixtures that more than one area needs."""

import os
import ssl
from collections.abc import AsyncIterator, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import certifi
import pytest
import pytest_asyncio
from tests.helpers import without_settings
from tests.searching import choose_profile
from tests.servers import REQUIRED, Postgres, ServerMissingError, postgres

from kustomer_sandbox import Sandbox
from rasa_kustomer.outbox import outbox

choose_profile()


def pytest_xdist_auto_num_workers() -> int:
    """What `-n auto` means here: more than processors, since many tests wait for servers."""
    return (os.cpu_count() or 1) * 3 // 2


@pytest.fixture(scope="session", autouse=True)
def _no_settings() -> Iterator[None]:
    """Nothing of this machine's own account."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ.keys() - without_settings().keys():
            patch.delenv(name)
        yield


@pytest.fixture(scope="session", autouse=True)
def _authorities_are_read_once() -> Iterator[None]:
    """Mozilla's list takes 20 ms, longer than most tests, and each client reads it; what is configured is read anew."""
    made, ours = ssl.create_default_context, certifi.where()
    read_once = cache(lambda: made(cafile=ours))

    def create(*arguments: Any, **options: Any) -> ssl.SSLContext:
        plain = (
            not arguments and options == {"cafile": ours} and not {"SSLKEYLOGFILE", "OPENSSL_CONF"} & set(os.environ)
        )
        return read_once() if plain else made(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", create)
        yield


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn waits a second for its outbox at the most, which is short where others use the machine as well."""
    monkeypatch.setattr(outbox, "PATIENCE_SECONDS", 5.0)


@pytest_asyncio.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A pretend Kustomer, served in the test's own loop on a free port."""
    async with Sandbox().serve() as served:
        yield served


@pytest.fixture
def threaded_sandbox() -> Iterator[Sandbox]:
    """The same, served from a thread: for tests that block, such as those that wait for a subprocess."""
    with Sandbox().serve_in_thread() as served:
        yield served


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A PostgreSQL server for all tests of the session; each takes a database of its own with `fresh()`."""
    try:
        with postgres() as server:
            yield server
    except ServerMissingError as missing:
        if os.environ.get(REQUIRED) == "1":
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture(params=["sqlite", "postgresql"])
def outbox_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind that the outbox can be kept in."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/folder/outbox.db"
    server: Postgres = request.getfixturevalue("postgres_server")
    return server.fresh()
