"""A runtime on an outbox of its own, and a broker."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.servers import REQUIRED, Rabbitmq, ServerMissingError, rabbitmq

from rasa_kustomer.conversation.routing import Routing
from rasa_kustomer.runtime import Runtime
from rasa_kustomer.settings import Settings


def build(**settings: Any) -> Runtime:
    """A runtime of a channel that authenticates its users."""
    base: dict[str, Any] = {"api_key": "key", "base_url": "http://127.0.0.1:1", "trust_metadata": True}
    return Runtime.build(Settings(**(base | settings)), Routing(), None)


@pytest_asyncio.fixture
async def runtime(tmp_path: Path) -> AsyncIterator[Runtime]:
    """Records and delivers nothing."""
    made = build(outbox_url=f"sqlite:///{tmp_path}/outbox.db")
    yield made
    await made.stop()


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
