"""Kustomer's REST API, as far as the plugin needs it.

Safe calls are repeated a few times; a POST that makes something is sent exactly once, since Kustomer has no
idempotency key: after a doubt the caller looks the record up by its externalId (Kustomer API reference, Idempotency).
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

import httpx
from typing_extensions import Self

from rasa_kustomer.kustomer.bulk import BulkResource, BulkResult, job_status, read_results
from rasa_kustomer.kustomer.errors import BrokenAnswer, KustomerError, NotFound
from rasa_kustomer.kustomer.exchange import Exchange, call_name
from rasa_kustomer.kustomer.lists import Lists
from rasa_kustomer.kustomer.models import Conversation, Customer, Message, Note, Resource, Team, Token, User
from rasa_kustomer.kustomer.network import Network
from rasa_kustomer.kustomer.retry import Retry

R = TypeVar("R", bound=Resource)
IdentityField = Literal["externalId", "email", "phone"]

# The 2026 documentation and the 2024 listing spell the look-up of messages differently, and which one the server wants
# is unknown (Kustomer API reference, Messages).
MESSAGE_LOOKUPS = ("externalId", "externalid")


class KustomerClient:
    """One pooled connection to one organisation.

    Every method raises `KustomerError`.

    Args:
        base_url: Address of the organisation's API.
        api_key: Secret; sent as bearer token, never shown.
        timeout_seconds: Longest silence of Kustomer; connecting may take half of it. One attempt takes three times it
            at the most, and no repetition begins later than twice it after the first attempt.
        event_hooks: As httpx's: they see every request and answer, repeated ones too.
        network: How Kustomer is reached; None reads it from the machine's variables with the first request.
        transport: httpx transport, for tests.
        sleep: How to wait before a repetition.
        jitter: Source of randomness in [0, 1).
        now: Clock in epoch seconds.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        timeout_seconds: float = 10.0,
        event_hooks: Mapping[str, list[Callable[..., Any]]] | None = None,
        network: Network | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._exchange = Exchange(
            base_url,
            api_key,
            timeout_seconds=timeout_seconds,
            event_hooks=event_hooks,
            network=network,
            transport=transport,
            retry=Retry(total_seconds=2 * timeout_seconds, sleep=sleep, jitter=jitter),
            now=now,
        )
        self._lists = Lists(self._exchange)

    async def __aenter__(self) -> Self:
        """The client itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._exchange.aclose()

    async def find_customer(self, field: IdentityField, value: str) -> Customer | None:
        """The customer with this external id, e-mail address or phone number (E.164)."""
        return await self._find(Customer, f"/v1/customers/{field}=", value, "org.permission.customer.read")

    async def create_customer(self, body: Mapping[str, Any]) -> Customer:
        """Make a customer; sent once."""
        return await self._make(Customer, "/v1/customers", body, role="org.permission.customer.create")

    async def update_customer(self, customer_id: str, body: Mapping[str, Any]) -> Customer:
        """Change some fields of a customer."""
        return await self._change(
            Customer, "/v1/customers/{}", body, customer_id, role="org.permission.customer.update"
        )

    async def customer_conversations(self, customer_id: str) -> list[Conversation]:
        """All conversations of a customer."""
        return await self._list(
            Conversation, "/v1/customers/{}/conversations", customer_id, role="org.permission.conversation.read"
        )

    async def get_conversation(self, conversation_id: str) -> Conversation:
        """A conversation by id."""
        return await self._get(
            Conversation, "/v1/conversations/{}", conversation_id, role="org.permission.conversation.read"
        )

    async def find_conversation(self, external_id: str) -> Conversation | None:
        """The conversation with this external id."""
        role = "org.permission.conversation.read"
        return await self._find(Conversation, "/v1/conversations/externalId=", external_id, role)

    async def create_conversation(self, body: Mapping[str, Any]) -> Conversation:
        """Make a conversation; sent once."""
        return await self._make(Conversation, "/v1/conversations", body, role="org.permission.conversation.create")

    async def update_conversation(self, conversation_id: str, body: Mapping[str, Any]) -> Conversation:
        """Change some fields of a conversation to absolute values."""
        return await self._change(
            Conversation, "/v1/conversations/{}", body, conversation_id, role="org.permission.conversation.update"
        )

    async def tag_conversation(self, conversation_id: str, tags: list[str]) -> None:
        """Add tags by name; those it has stay (Kustomer API reference, Tags: a bare JSON array)."""
        role = "org.permission.conversation.update"
        await self._exchange.send(
            "POST", "/v1/conversations/{}/tags", conversation_id, body=tags, role=role, repeat=True
        )

    async def create_message(self, conversation_id: str, body: Mapping[str, Any]) -> Message:
        """Put a message on the timeline; sent once. It delivers nothing to the customer."""
        return await self._make(
            Message, "/v1/conversations/{}/messages", body, conversation_id, role="org.permission.message.create"
        )

    async def find_message(self, external_id: str, conversation_id: str) -> Message | None:
        """The message with this external id, looked for in every way there is.

        Only needed after an ambiguous failure, where certainty is worth some requests.
        """
        role = "org.permission.message.read"
        for spelling in MESSAGE_LOOKUPS:
            try:
                found = await self._find(Message, f"/v1/messages/{spelling}=", external_id, role)
            except KustomerError as error:
                if error.status not in {400, 422}:  # this spelling may be taken for a malformed id
                    raise
                continue
            if found is not None and found.external_id in {None, external_id}:
                return found
        listed = await self.messages_of(conversation_id)
        return next((one for one in listed if one.external_id == external_id), None)

    async def messages_of(self, conversation_id: str) -> list[Message]:
        """The messages of a conversation, `LONGEST_LIST` at the most."""
        role = "org.permission.message.read"
        return await self._list(Message, "/v1/conversations/{}/messages", conversation_id, role=role)

    async def create_note(self, conversation_id: str, body: Mapping[str, Any]) -> Note:
        """Write an internal note; sent once."""
        return await self._make(
            Note, "/v1/conversations/{}/notes", body, conversation_id, role="org.permission.note.create"
        )

    async def find_note(self, external_id: str, conversation_id: str) -> Note | None:
        """The note with this external id among those of a conversation; there is no look-up for notes."""
        listed = await self.notes_of(conversation_id)
        return next((one for one in listed if one.external_id == external_id), None)

    async def notes_of(self, conversation_id: str) -> list[Note]:
        """The notes of a conversation, `LONGEST_LIST` at the most."""
        role = "org.permission.note.read"
        return await self._list(Note, "/v1/conversations/{}/notes", conversation_id, role=role)

    async def create_bulk(self, resource: BulkResource, items: Sequence[Mapping[str, Any]]) -> str:
        """Start a job that makes up to 100 records, each with its `_clientRef`; sent once. Returns the job's id."""
        path = f"/v1/{resource}/bulk"
        role = f"org.permission.{resource.removesuffix('s')}.create"
        answer = await self._exchange.send("POST", path, body=list(items), role=role, repeat=False)
        return _one(Resource, answer, call_name("POST", path), write=True).id

    async def change_bulk(self, resource: BulkResource, items: Sequence[Mapping[str, Any]]) -> str:
        """Start a job that changes up to 100 records, each with its `id` and `_clientRef`. Returns the job's id."""
        path = f"/v1/{resource}/bulk"
        role = f"org.permission.{resource.removesuffix('s')}.update"
        answer = await self._exchange.send("PUT", path, body=list(items), role=role, repeat=False)
        return _one(Resource, answer, call_name("PUT", path), write=True).id

    async def bulk_complete(self, job_id: str) -> bool:
        """Whether a job has dealt with all its items, well or badly."""
        role = "org.permission.bulk.read"
        answer = await self._exchange.send("GET", "/v1/bulk/{}", job_id, role=role, repeat=True)
        return job_status(answer.get("data") if isinstance(answer, Mapping) else None) == "complete"

    async def bulk_results(self, job_id: str) -> list[BulkResult]:
        """What became of a job's items, as far as it can be read."""
        return read_results(await self._lists.items("/v1/bulk/{}/batches", job_id, role="org.permission.bulk.read"))

    async def teams(self) -> list[Team]:
        """All teams."""
        return await self._list(Team, "/v1/teams", role="org.permission.team.read")

    async def current_token(self) -> Token:
        """The key's own record, with its roles."""
        return await self._get(Token, "/v1/auth/tokens/current", role=None)

    async def current_user(self) -> User:
        """The machine user of the key."""
        return await self._get(User, "/v1/users/current", role=None)

    async def _find(self, model: type[R], prefix: str, value: str, role: str) -> R | None:
        try:
            return await self._get(model, f"{prefix}{{}}", value, role=role)
        except NotFound:
            return None

    async def _get(self, model: type[R], path: str, *values: str, role: str | None) -> R:
        return _one(
            model,
            await self._exchange.send("GET", path, *values, role=role, repeat=True),
            call_name("GET", path),
            write=False,
        )

    async def _make(self, model: type[R], path: str, body: Mapping[str, Any], *values: str, role: str) -> R:
        answer = await self._exchange.send("POST", path, *values, body=body, role=role, repeat=False)
        return _one(model, answer, call_name("POST", path), write=True)

    async def _change(self, model: type[R], path: str, body: Mapping[str, Any], *values: str, role: str) -> R:
        answer = await self._exchange.send("PATCH", path, *values, body=body, role=role, repeat=True)
        return _one(model, answer, call_name("PATCH", path), write=True)

    async def _list(self, model: type[R], path: str, *values: str, role: str) -> list[R]:
        items = await self._lists.items(path, *values, role=role)
        return [_one(model, {"data": item}, call_name("GET", path), write=False) for item in items]


def _one(model: type[R], answer: Any, call: str, *, write: bool) -> R:
    data = answer.get("data") if isinstance(answer, Mapping) else None
    if isinstance(data, Mapping):
        try:
            return model.read(data)
        except ValueError:
            pass  # said below, without quoting the answer
    raise BrokenAnswer(f"{call}: the answer holds no readable record.", ambiguous=write)
