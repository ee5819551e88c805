"""A client with the key, and the two rows that most rules need."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest_asyncio

from rasa_kustomer.sandbox import Sandbox


@pytest_asyncio.fixture
async def api(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {sandbox.api_key}"}
    async with httpx.AsyncClient(base_url=sandbox.url, headers=headers, timeout=5) as client:
        yield client


async def create(api: httpx.AsyncClient, path: str, body: Any) -> dict[str, Any]:
    answer = await api.post(path, json=body)
    assert answer.status_code == 201, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


@pytest_asyncio.fixture
async def customer(api: httpx.AsyncClient) -> dict[str, Any]:
    return await create(
        api, "/v1/customers", {"name": "Ada", "externalId": "ada", "emails": [{"email": "ada@example.org"}]}
    )


@pytest_asyncio.fixture
async def conversation(api: httpx.AsyncClient, customer: dict[str, Any]) -> dict[str, Any]:
    return await create(api, "/v1/conversations", {"customer": customer["id"], "externalId": "rasa:ada:1"})
