"""A deployment of the plugin against a served Kustomer."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from kustomer_sandbox import Sandbox
from rasa_kustomer import runtime


@pytest.fixture
def configure(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set settings by their field names: `configure(enable_sync="false")`."""

    def set_all(**values: str) -> None:
        for name, value in values.items():
            monkeypatch.setenv(f"KUSTOMER_{name.upper()}", value)

    return set_all


@pytest_asyncio.fixture(autouse=True)
async def deployment(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, configure: Callable[..., None]
) -> AsyncIterator[None]:
    """Settings that are ready, in a folder of their own; stopped after the test."""
    monkeypatch.chdir(tmp_path)
    configure(api_key=sandbox.api_key, base_url=sandbox.url, default_team_id="Support", rate_share="1")
    configure(handoff_wait_seconds="10", session_wait_seconds="10")  # nothing hangs here, but a machine may be slow
    yield
    await runtime.shut_down()


@pytest.fixture(autouse=True)
def _nothing_is_swallowed(caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest) -> object:
    """What the boundary of the actions swallows in production, a test must see, unless it asks for it."""
    yield
    if "swallows" not in request.keywords:
        assert [one.getMessage() for one in caplog.records if " failed: " in one.getMessage()] == []
