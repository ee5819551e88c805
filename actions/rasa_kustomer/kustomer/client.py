"""Kustomer's REST API, as far as the plugin needs it.

Safe calls are repeated a few times; a POST that creates something is sent exactly once, since Kustomer has no
idempotency key: when the outcome is unknown the caller looks the record up by its externalId (Kustomer API reference,
Idempotency).
"""

import logging
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, TypeVar

from rasa_kustomer.kustomer.bulk import BulkResource, BulkResult, job_status, read_results
from rasa_kustomer.kustomer.errors import BrokenAnswer, KustomerError, NotFound
from rasa_kustomer.kustomer.models import Conversation, Customer, Message, Note, Resource, Team, Token, User
from rasa_kustomer.kustomer.transport import Transport, call_name
from rasa_kustomer.log import Once

R = TypeVar("R", bound=Resource)
IdentityField = Literal["externalId", "email", "phone"]

# The 2026 documentation and the 2024 listing spell the look-up of messages differently, and which one the server wants
# is unknown (Kustomer API reference, Messages).
MESSAGE_LOOKUPS = ("externalId", "externalid")
PAGE_SIZE = 100
MAX_PAGES = 20
MAX_ITEMS = PAGE_SIZE * MAX_PAGES  # a list that has so many entries may have more that were not asked for


class KustomerClient(Transport):
    """One organisation's records. Every method raises `KustomerError`; the arguments are those of `Transport`."""

    @cached_property
    def _warn_once(self) -> Once:
        return Once(logging.getLogger(__name__))

    async def find_customer(self, field: IdentityField, value: str) -> Customer | None:
        """The customer with this external id, e-mail address or phone number (E.164)."""
        return await self._find(Customer, f"/v1/customers/{field}={{}}", value, role="customer.read")

    async def create_customer(self, body: Mapping[str, Any]) -> Customer:
        """Make a customer; sent once."""
        return await self._record("POST", Customer, "/v1/customers", role="customer.create", body=body)

    async def update_customer(self, customer_id: str, body: Mapping[str, Any]) -> Customer:
        """Change some fields of a customer."""
        return await self._record("PATCH", Customer, "/v1/customers/{}", customer_id, role="customer.update", body=body)

    async def customer_conversations(self, customer_id: str) -> list[Conversation]:
        """All conversations of a customer."""
        path = "/v1/customers/{}/conversations"
        return await self._list(Conversation, path, customer_id, role="conversation.read")

    async def get_conversation(self, conversation_id: str) -> Conversation:
        """A conversation by id."""
        path = "/v1/conversations/{}"
        return await self._record("GET", Conversation, path, conversation_id, role="conversation.read")

    async def find_conversation(self, external_id: str) -> Conversation | None:
        """The conversation with this external id."""
        path = "/v1/conversations/externalId={}"
        return await self._find(Conversation, path, external_id, role="conversation.read")

    async def create_conversation(self, body: Mapping[str, Any]) -> Conversation:
        """Make a conversation; sent once."""
        return await self._record("POST", Conversation, "/v1/conversations", role="conversation.create", body=body)

    async def update_conversation(self, conversation_id: str, body: Mapping[str, Any]) -> Conversation:
        """Change some fields of a conversation to absolute values."""
        path, role = "/v1/conversations/{}", "conversation.update"
        return await self._record("PATCH", Conversation, path, conversation_id, role=role, body=body)

    async def tag_conversation(self, conversation_id: str, tags: list[str]) -> None:
        """Add tags by name; those it has stay (Kustomer API reference, Tags: a bare JSON array)."""
        path, role = "/v1/conversations/{}/tags", "conversation.update"
        await self._send("POST", path, conversation_id, role=role, body=tags, repeat=True)

    async def create_message(self, conversation_id: str, body: Mapping[str, Any]) -> Message:
        """Put a message on the timeline; sent once. It delivers nothing to the customer."""
        path, role = "/v1/conversations/{}/messages", "message.create"
        return await self._record("POST", Message, path, conversation_id, role=role, body=body)

    async def find_message(self, external_id: str, conversation_id: str) -> Message | None:
        """The message with this external id, searched for in every possible way.

        Only needed after an ambiguous failure, where certainty is worth some requests.
        """
        for spelling in MESSAGE_LOOKUPS:
            try:
                found = await self._find(Message, f"/v1/messages/{spelling}={{}}", external_id, role="message.read")
            except KustomerError as error:
                if error.status not in {400, 422}:  # this spelling may be taken for a malformed id
                    raise
                continue
            if found is not None and found.external_id in {None, external_id}:
                return found
        listed = await self.messages_of(conversation_id)
        return next((message for message in listed if message.external_id == external_id), None)

    async def messages_of(self, conversation_id: str) -> list[Message]:
        """The messages of a conversation, `MAX_ITEMS` at the most."""
        return await self._list(Message, "/v1/conversations/{}/messages", conversation_id, role="message.read")

    async def create_note(self, conversation_id: str, body: Mapping[str, Any]) -> Note:
        """Write an internal note; sent once."""
        path = "/v1/conversations/{}/notes"
        return await self._record("POST", Note, path, conversation_id, role="note.create", body=body)

    async def find_note(self, external_id: str, conversation_id: str) -> Note | None:
        """The note with this external id among those of a conversation; there is no look-up for notes."""
        listed = await self.notes_of(conversation_id)
        return next((note for note in listed if note.external_id == external_id), None)

    async def notes_of(self, conversation_id: str) -> list[Note]:
        """The notes of a conversation, `MAX_ITEMS` at the most."""
        return await self._list(Note, "/v1/conversations/{}/notes", conversation_id, role="note.read")

    async def create_bulk(self, resource: BulkResource, items: Sequence[Mapping[str, Any]]) -> str:
        """Start a job that makes up to 100 records, each with its `_clientRef`; sent once. Returns the job's id."""
        role = f"{resource.removesuffix('s')}.create"
        return (await self._record("POST", Resource, f"/v1/{resource}/bulk", role=role, body=list(items))).id

    async def change_bulk(self, resource: BulkResource, items: Sequence[Mapping[str, Any]]) -> str:
        """Start a job that changes up to 100 records, each with its `id` and `_clientRef`. Returns the job's id."""
        role = f"{resource.removesuffix('s')}.update"
        return (await self._record("PUT", Resource, f"/v1/{resource}/bulk", role=role, body=list(items))).id

    async def bulk_complete(self, job_id: str) -> bool:
        """Whether a job has finished all its items, with success or not."""
        answer = await self._send("GET", "/v1/bulk/{}", job_id, role="bulk.read", repeat=True)
        return job_status(answer.get("data") if isinstance(answer, Mapping) else None) == "complete"

    async def bulk_results(self, job_id: str) -> list[BulkResult]:
        """The results of a job's items, as far as they can be read."""
        return read_results(await self._items("/v1/bulk/{}/batches", job_id, role="bulk.read"))

    async def teams(self) -> list[Team]:
        """All teams."""
        return await self._list(Team, "/v1/teams", role="team.read")

    async def current_token(self) -> Token:
        """The key's own record, with its roles."""
        return await self._record("GET", Token, "/v1/auth/tokens/current", role=None)

    async def current_user(self) -> User:
        """The machine user of the key."""
        return await self._record("GET", User, "/v1/users/current", role=None)

    async def _record(
        self, method: str, model: type[R], path: str, *values: str, role: str | None, body: object = None
    ) -> R:
        """The record in an answer. Reads, and changes to absolute values, are repeated; creates are not."""
        answer = await self._send(method, path, *values, role=role, body=body, repeat=method in {"GET", "PATCH"})
        return _read(model, answer, call_name(method, path), write=method != "GET")

    async def _find(self, model: type[R], path: str, value: str, *, role: str) -> R | None:
        try:
            return await self._record("GET", model, path, value, role=role)
        except NotFound:
            return None

    async def _list(self, model: type[R], path: str, *values: str, role: str) -> list[R]:
        items = await self._items(path, *values, role=role)
        return [_read(model, {"data": item}, call_name("GET", path), write=False) for item in items]

    async def _items(self, path: str, *values: str, role: str) -> list[Any]:
        """A list page by page (Kustomer API reference, Pagination), `MAX_ITEMS` at the most."""
        name, first, following = call_name("GET", path), f"{path}?page=1&pageSize={PAGE_SIZE}", None
        found: list[Any] = []
        for _ in range(MAX_PAGES):
            answer = await self._send("GET", first, *values, url=following, role=role, repeat=True)
            items = answer.get("data") if isinstance(answer, Mapping) else None
            if not isinstance(items, list):
                raise BrokenAnswer(f"{name}: the answer is not a list.", ambiguous=False)
            found += items
            links = answer.get("links")
            following = links.get("next") if isinstance(links, Mapping) else None
            if not isinstance(following, str) or not following.startswith("/") or following.startswith("//"):
                return found
        self._warn_once(f"{name}: only the first {len(found)} of a longer list are read.", about=name)
        return found


def _read(model: type[R], answer: Any, call: str, *, write: bool) -> R:
    data = answer.get("data") if isinstance(answer, Mapping) else None
    if isinstance(data, Mapping):
        try:
            return model.read(data)
        except ValueError:
            pass  # said below, without quoting the answer
    raise BrokenAnswer(f"{call}: the answer holds no readable record.", ambiguous=write)
