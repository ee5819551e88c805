"""One request and its answer: connection pool, timeouts and repetitions."""

import asyncio
import random
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import SecretStr
from typing_extensions import Self

from rasa_kustomer.kustomer.answers import Call, error_of, no_answer, read_json
from rasa_kustomer.kustomer.errors import BrokenAnswer, KustomerError, RateLimited, Rejected, Unreachable
from rasa_kustomer.kustomer.network import (
    Network,
    NetworkSettingError,
    keep_our_requests_out,
    our_request,
    read_network,
)
from rasa_kustomer.kustomer.priority import Priority, PrioritySemaphore

T = TypeVar("T")
PAUSES_SECONDS = (0.25, 0.5)  # before a repetition of a safe call
ATTEMPTS = 1 + len(PAUSES_SECONDS)
ROLE_PREFIX = "org.permission."
MAX_ATTEMPT_TIMEOUTS = 3  # one attempt from first to last byte, in timeouts
REQUESTS_AT_ONCE = dict(zip(Priority, (24, 20, 18, 12, 8), strict=True))


@dataclass
class Retry:
    """How safe calls are repeated: few attempts, with doubling pauses, and a time after which none begins.

    Attributes:
        total_seconds: No attempt starts later than this after the first; the last may take its own time beyond.
        sleep: How to wait.
        jitter: Source of randomness in [0, 1).
        clock: Monotonic clock in seconds.
    """

    total_seconds: float
    sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep
    jitter: Callable[[], float] = random.random
    clock: Callable[[], float] = time.monotonic

    async def run(self, attempt: Callable[[], Awaitable[T]], waited: Callable[[], float] = lambda: 0.0) -> T:
        """The first success, or the last failure; seconds that were `waited` for a slot on our side do not count."""
        latest_start = self.clock() + self.total_seconds
        for pause in PAUSES_SECONDS:
            try:
                return await attempt()
            except (Unreachable, RateLimited, BrokenAnswer) as error:
                wait = pause * (0.5 + self.jitter() / 2)
                if isinstance(error, RateLimited):
                    wait = max(wait, error.wait_seconds)
                if self.clock() + wait > latest_start + waited():
                    raise
            await self.sleep(wait)
        return await attempt()


@dataclass
class _Exchange:
    call: Call
    request: httpx.Request
    waited_seconds: float = 0.0  # for its turn on our side


class Transport:
    """A pool of connections to one address, opened with the first request.

    Args:
        base_url: Address of the organisation's API.
        api_key: Secret; sent as bearer token, never shown.
        timeout_seconds: Longest wait for each piece of an answer and for sending; half of it for connecting. An attempt
            is given up after `MAX_ATTEMPT_TIMEOUTS` times as long, whatever it is doing. It begins when the request has
            its slot: waiting for that says nothing about Kustomer. No repetition begins later than twice it after the
            first attempt.
        event_hooks: As httpx's: they see every request (`request`) and answer (`response`), repeated ones too. Time in
            them is not limited. Those for `sending` see a request once more when it has its slot.
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
        keep_our_requests_out()
        self._base_url, self._key, self._timeout = base_url, SecretStr(api_key), timeout_seconds
        self._hooks, self._network, self._transport = event_hooks or {}, network, transport
        self._retry, self._now = Retry(2 * timeout_seconds, sleep, jitter), now
        self._slots = PrioritySemaphore(REQUESTS_AT_ONCE)
        self._closed = False

    async def __aenter__(self) -> Self:
        """The client itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        self._closed = True
        if "_http" in self.__dict__:
            await self._http.aclose()

    @cached_property
    def _http(self) -> httpx.AsyncClient:
        network = None if self._transport else self._network or read_network(self._base_url)
        return httpx.AsyncClient(
            base_url=self._base_url,
            headers={
                b"Authorization": f"Bearer {self._key.get_secret_value()}".encode(),
                b"Accept": b"application/json",
                b"User-Agent": _user_agent().encode(),
            },  # bytes: Kustomer, not ASCII, judges odd letters of the key
            timeout=httpx.Timeout(self._timeout, connect=self._timeout / 2, pool=None),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=10, keepalive_expiry=30.0),
            verify=network.certificates if network else True,
            proxy=network.proxy if network else None,
            trust_env=False,  # `network` has read it
            transport=self._transport,
            follow_redirects=False,
        )

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
        """The answer's JSON; None for an empty answer.

        Args:
            method: HTTP method.
            path: Template with `{}` for each value.
            values: Ids and look-up values; each becomes part of one path segment, whatever it holds.
            role: Role that the call needs, without `ROLE_PREFIX`, for the error when the key lacks it.
            repeat: Whether the call may be repeated after a failure.
            body: JSON body.
            url: Address to ask instead of the template's, from a list's `links.next`.
        """
        call = Call(call_name(method, path), role and ROLE_PREFIX + role, write=method != "GET")
        try:
            _ = self._http
        except (NetworkSettingError, httpx.InvalidURL) as error:
            raise Unreachable(f"{call.name}: {error}", ambiguous=False) from None
        request = self._build(method, url or path, () if url else values, body)
        if request is None:
            raise Rejected(f"{call.name}: this cannot be sent.", status=400)
        exchange = _Exchange(call, request)
        if not repeat:
            return await self._attempt(exchange)
        return await self._retry.run(lambda: self._attempt(exchange), lambda: exchange.waited_seconds)

    def _build(self, method: str, path: str, values: tuple[str, ...], body: object) -> httpx.Request | None:
        """The request; None for what an address or JSON cannot hold, such as broken surrogates."""
        try:
            address = path.format(*(quote(value, safe="") for value in values)) if values else path
            if values and (not all(values) or _leads_elsewhere(address)):
                return None
            return self._http.build_request(method, address, json=body)
        except (ValueError, TypeError, RecursionError, httpx.InvalidURL):
            return None

    async def _attempt(self, exchange: _Exchange) -> Any:
        answer = await self._answer(exchange)
        if isinstance(answer, KustomerError):
            raise answer
        if not answer.is_success:
            raise error_of(answer, exchange.call, self._now())
        return read_json(answer, exchange.call)

    async def _answer(self, exchange: _Exchange) -> httpx.Response | Unreachable:
        """The answer or the failure: not raised here, so that httpx's error, which holds the key, is not chained."""
        call, request = exchange.call, exchange.request
        if self._closed:
            return Unreachable(f"{call.name}: the client is closed.", ambiguous=False)
        began = time.monotonic()
        try:
            await self._run_hooks("request", request)  # not httpx's own: the rate limiter's may wait for a whole window
            async with self._slots.slot():
                exchange.waited_seconds += time.monotonic() - began
                await self._run_hooks("sending", request)
                # httpx limits each read only, so an answer whose headers or body drip would never end.
                with our_request():
                    response = await asyncio.wait_for(self._http.send(request), MAX_ATTEMPT_TIMEOUTS * self._timeout)
            await self._run_hooks("response", response)
        except asyncio.TimeoutError:
            return Unreachable(f"{call.name}: the answer takes too long.", ambiguous=call.write)
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, ssl.SSLError) as error:  # httpx lets alerts out
            return no_answer(error, call)
        return response

    async def _run_hooks(self, moment: str, about: httpx.Request | httpx.Response) -> None:
        for hook in self._hooks.get(moment, ()):
            await hook(about)


def call_name(method: str, path: str) -> str:
    """A call as messages name it: with the template instead of ids and addresses."""
    return f"{method} {path.partition('?')[0].replace('{}', '{id}')}"


def _leads_elsewhere(address: str) -> bool:
    """Whether an id led out of its segment of the path: `/conversations/../messages` is `/messages`."""
    return not {"", ".", ".."}.isdisjoint(address.partition("?")[0].split("/")[1:])


def _user_agent() -> str:
    try:
        return f"rasa-kustomer/{version('rasa-kustomer')}"
    except PackageNotFoundError:  # a checkout that was not installed
        return "rasa-kustomer"
