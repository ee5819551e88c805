"""Fixtures of the delivery tests."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.delivery.office import Office

from rasa_kustomer.sandbox import Sandbox


@pytest.fixture
async def office(sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[Office]:
    office = Office(sandbox, f"sqlite:///{tmp_path}/outbox.db")
    yield office
    with contextlib.suppress(RuntimeError):
        await office.close()
