"""Fixtures of the delivery tests."""

import contextlib
from collections.abc import AsyncIterator

import pytest
from tests.delivery.office import Office

from kustomer_sandbox import Sandbox


@pytest.fixture
async def office(sandbox: Sandbox, outbox_url: str) -> AsyncIterator[Office]:
    office = Office(sandbox, outbox_url)
    yield office
    with contextlib.suppress(RuntimeError):
        await office.close()
