"""Fixtures that more than one area needs."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from rasa_kustomer.sandbox import Sandbox


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
