"""Fixtures that more than one area needs."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.searching import choose_profile
from tests.servers import REQUIRED, Postgres, ServerMissingError, postgres

from kustomer_sandbox import Sandbox

choose_profile()


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
