"""What Kustomer holds, read within its request limit."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from cachetools import LRUCache

from rasa_kustomer.kustomer.client import MAX_ITEMS, KustomerClient
from rasa_kustomer.kustomer.errors import KeyRefused, NotAllowed, NotFound, RateLimited
from rasa_kustomer.kustomer.models import Conversation, Message, Note

T = TypeVar("T")
REMEMBERED_CUSTOMERS = 100
MAX_WAITS = 10  # for the request limit, per list


class Listing:
    """Lists conversations, messages and notes.

    Args:
        client: Kustomer's API.
        sleep: How to wait when the request limit is spent.
    """

    def __init__(self, client: KustomerClient, *, sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep) -> None:
        self._client, self._sleep = client, sleep
        self._customers: LRUCache[str, list[Conversation] | None] = LRUCache(REMEMBERED_CUSTOMERS)

    async def conversation(self, external_id: str) -> Conversation | None:
        """The conversation that Kustomer gives for an externalId."""
        return await self._read(self._client.find_conversation, external_id)

    async def conversations_of(self, customer_id: str) -> list[Conversation] | None:
        """All of a customer's conversations; None when they cannot be had, or not all."""
        if customer_id not in self._customers:
            try:
                listed = await self._read(self._client.customer_conversations, customer_id)
                self._customers[customer_id] = listed if len(listed) < MAX_ITEMS else None
            except NotFound:  # merged or deleted
                self._customers[customer_id] = None
        return self._customers[customer_id]

    async def messages(self, conversation_ids: Sequence[str]) -> list[Message]:
        """The conversations' messages."""
        return await self._all(self._client.messages_of, conversation_ids)

    async def notes(self, conversation_ids: Sequence[str]) -> list[Note] | None:
        """The conversations' notes; None when the key may not read notes, which it need not."""
        try:
            return await self._all(self._client.notes_of, conversation_ids)
        except KeyRefused:
            raise
        except NotAllowed:
            return None

    async def _all(self, call: Callable[[str], Awaitable[list[T]]], ids: Sequence[str]) -> list[T]:
        return [item for one in ids for item in await self._read(call, one)]

    async def _read(self, call: Callable[[str], Awaitable[T]], name: str) -> T:
        """Send a request, waiting while the request limit is spent."""
        for _ in range(MAX_WAITS):
            try:
                return await call(name)
            except RateLimited as error:
                await self._sleep(error.wait_seconds)
        return await call(name)
