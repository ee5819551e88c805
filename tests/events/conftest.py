"""A process on an outbox of its own, and a broker."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.events.rasa import Process, process
from tests.servers import REQUIRED, Rabbitmq, ServerMissingError, rabbitmq


@pytest_asyncio.fixture
async def running(tmp_path: Path) -> AsyncIterator[Process]:
    """Records and delivers nothing."""
    async with process(tmp_path) as made:
        yield made


@pytest.fixture(scope="session")
def broker() -> Iterator[Rabbitmq]:
    """A real RabbitMQ for all tests of the session; each uses a queue of its own."""
    try:
        with rabbitmq() as server:
            yield server
    except ServerMissingError as missing:
        if os.environ.get(REQUIRED) == "1":
            pytest.fail(str(missing))
        pytest.skip(str(missing))
