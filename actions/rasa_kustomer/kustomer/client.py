"""Kustomer's REST API, as far as the plugin needs it.

Safe calls are repeated within a total time; a POST that makes something is sent exactly once, since Kustomer has no
idempotency key: after a doubt the caller looks the record up by its externalId (Kustomer API reference, Idempotency).
"""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import version
from typing import Any, Literal, TypeVar
from urllib.parse import quote

import httpx
from typing_extensions import Self

from rasa_kustomer.kustomer.answers import error_of, read_json
from rasa_kustomer.kustomer.errors import BrokenAnswer, KustomerError, NotFound, Unreachable
from rasa_kustomer.kustomer.models import Conversation, Customer, Message, Note, Resource, Team, Token, User
from rasa_kustomer.kustomer.retry import Retry

R = TypeVar("R", bound=Resource)
IdentityField = Literal["externalId", "email", "phone"]

# The 2026 documentation and the 2024 listing spell the look-up of messages differently, and which one the server wants
# is unknown (Kustomer API reference, Messages).
MESSAGE_LOOKUPS = ("externalId", "externalid")
PAGE_SIZE = 100
MOST_PAGES = 20


class KustomerClient:
    """One pooled connection to one organisation.

    Every method raises `KustomerError`.

    Args:
        base_url: Address of the organisation's API.
        api_key: Secret; sent as bearer token, never shown.
        timeout_seconds: Longest wait for an answer; connecting may take half of it.
        event_hooks: httpx hooks that see every request and answer, repeated ones too.
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
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
        now: Callable[[], float] = time.time,
    ) -> None:
        for name in ("httpx", "httpcore"):  # their INFO lines quote URLs, and ours hold e-mail addresses
            logging.getLogger(name).setLevel(logging.WARNING)
        self._now = now
        self._retry = Retry(total_seconds=2 * timeout_seconds, sleep=sleep, jitter=jitter)
        self._http = httpx.AsyncClient(
            base_url=base_url,
            headers={
                "Authorization": f"Bearer {api_key}",
                "Accept": "application/json",
                "User-Agent": f"rasa-kustomer/{version('rasa-kustomer')}",
            },
            timeout=httpx.Timeout(
                connect=timeout_seconds / 2, read=timeout_seconds, write=timeout_seconds, pool=timeout_seconds
            ),
            limits=httpx.Limits(max_connections=20, max_keepalive_connections=10, keepalive_expiry=30.0),
            event_hooks=event_hooks,
            transport=transport,
            follow_redirects=False,
        )

    async def __aenter__(self) -> Self:
        """The client itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def find_customer(self, field: IdentityField, value: str) -> Customer | None:
        """The customer with this external id, e-mail address or phone number (E.164)."""
        return await self._find(Customer, f"/v1/customers/{field}=", value, "org.permission.customer.read")

    async def get_customer(self, customer_id: str) -> Customer:
        """A customer by id."""
        return await self._get(Customer, "/v1/customers/{}", customer_id, role="org.permission.customer.read")

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
        await self._send("POST", "/v1/conversations/{}/tags", conversation_id, body=tags, role=role, repeat=True)

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
        listed = await self._list(Message, "/v1/conversations/{}/messages", conversation_id, role=role)
        return next((one for one in listed if one.external_id == external_id), None)

    async def create_note(self, conversation_id: str, body: Mapping[str, Any]) -> Note:
        """Write an internal note; sent once."""
        return await self._make(
            Note, "/v1/conversations/{}/notes", body, conversation_id, role="org.permission.note.create"
        )

    async def find_note(self, external_id: str, conversation_id: str) -> Note | None:
        """The note with this external id among those of a conversation; there is no look-up for notes."""
        role = "org.permission.note.read"
        listed = await self._list(Note, "/v1/conversations/{}/notes", conversation_id, role=role)
        return next((one for one in listed if one.external_id == external_id), None)

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
        return _one(model, await self._send("GET", path, *values, role=role, repeat=True), f"GET {path}", write=False)

    async def _make(self, model: type[R], path: str, body: Mapping[str, Any], *values: str, role: str) -> R:
        answer = await self._send("POST", path, *values, body=body, role=role, repeat=False)
        return _one(model, answer, f"POST {path}", write=True)

    async def _change(self, model: type[R], path: str, body: Mapping[str, Any], *values: str, role: str) -> R:
        answer = await self._send("PATCH", path, *values, body=body, role=role, repeat=True)
        return _one(model, answer, f"PATCH {path}", write=True)

    async def _list(self, model: type[R], path: str, *values: str, role: str) -> list[R]:
        found: list[R] = []
        following: str | None = f"{_filled(path, values)}?page=1&pageSize={PAGE_SIZE}"
        for _ in range(MOST_PAGES):
            answer = await self._send("GET", path, url=following, role=role, repeat=True)
            items = answer.get("data") if isinstance(answer, Mapping) else None
            if not isinstance(items, list):
                raise BrokenAnswer(f"GET {path}: the answer is not a list.", ambiguous=False)
            found += [_one(model, {"data": item}, f"GET {path}", write=False) for item in items]
            links = answer.get("links")
            following = links.get("next") if isinstance(links, Mapping) else None
            if not isinstance(following, str) or not following.startswith("/") or following.startswith("//"):
                break
        return found

    async def _send(
        self,
        method: str,
        path: str,
        *values: str,
        role: str | None,
        repeat: bool,
        body: object = None,
        url: str | None = None,
    ) -> Any:
        call = f"{method} {path.replace('{}', '{id}')}"
        address = url or _filled(path, values)

        async def attempt() -> Any:
            return await self._attempt(method, address, body, call, role)

        return await (self._retry.run(attempt) if repeat else attempt())

    async def _attempt(self, method: str, address: str, body: object, call: str, role: str | None) -> Any:
        write = method != "GET"
        try:
            response = await self._http.request(method, address, json=body)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
            raise Unreachable(f"{call}: no connection ({type(error).__name__}).", ambiguous=False) from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise Unreachable(f"{call}: no answer ({type(error).__name__}).", ambiguous=write) from None
        if not response.is_success:
            raise error_of(response, call, role, self._now(), write=write)
        return None if response.status_code == 204 else read_json(response, call, write=write)


def _filled(path: str, values: tuple[str, ...]) -> str:
    return path.format(*(quote(value, safe="") for value in values))


def _one(model: type[R], answer: Any, call: str, *, write: bool) -> R:
    data = answer.get("data") if isinstance(answer, Mapping) else None
    if isinstance(data, Mapping):
        try:
            return model.read(data)
        except ValueError:
            pass  # said below, without quoting the answer
    raise BrokenAnswer(f"{call}: the answer holds no readable record.", ambiguous=write)
