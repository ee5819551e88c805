"""A client with the key, the rows that most rules need, and a clock that only moves when told."""

import ssl
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from tests.helpers import Clock

from kustomer_sandbox import Sandbox


@pytest.fixture
def clock() -> Clock:
    return Clock(1_790_000_000.0)


@pytest_asyncio.fixture
async def sandbox(clock: Clock) -> AsyncIterator[Sandbox]:
    async with Sandbox(now=clock, org="northwind").serve() as served:
        yield served


@pytest.fixture(scope="session")
def tls() -> ssl.SSLContext:
    """Made once: loading the certificates for every client would take longer than most tests."""
    return ssl.create_default_context()


@pytest_asyncio.fixture
async def api(sandbox: Sandbox, tls: ssl.SSLContext) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {sandbox.api_key}"}
    async with httpx.AsyncClient(base_url=sandbox.url, headers=headers, timeout=5, verify=tls) as client:
        yield client


async def _create(api: httpx.AsyncClient, path: str, body: Any) -> dict[str, Any]:
    answer = await api.post(path, json=body)
    assert answer.status_code == 201, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


@pytest_asyncio.fixture
async def customer(api: httpx.AsyncClient) -> dict[str, Any]:
    body = {"name": "Ada", "externalId": "ada", "emails": [{"email": "ada@example.org"}]}
    return await _create(api, "/v1/customers", body)


@pytest_asyncio.fixture
async def conversation(api: httpx.AsyncClient, customer: dict[str, Any]) -> dict[str, Any]:
    return await _create(api, "/v1/conversations", {"customer": customer["id"], "externalId": "rasa:ada:1"})
