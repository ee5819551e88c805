"""One request and its answer: connection pool, timeouts, repetitions, and httpx's errors as ours."""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import quote

import httpx

from rasa_kustomer.kustomer.answers import error_of, read_json
from rasa_kustomer.kustomer.errors import KustomerError, Rejected, Unreachable, Untrusted
from rasa_kustomer.kustomer.network import Network, NetworkSettingError, read_network
from rasa_kustomer.kustomer.places import Places
from rasa_kustomer.kustomer.quiet import keep_our_requests_out, our_request
from rasa_kustomer.kustomer.retry import Retry, Waited
from rasa_kustomer.kustomer.tls import why_untrusted
from rasa_kustomer.kustomer.urgency import Lane

NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,  # cannot come: a request has its place before it is begun
    httpx.ProxyError,
    httpx.LocalProtocolError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)
"""Failures before the first byte of a request: its effect is not in doubt."""

LONGEST_FACTOR = 3  # one attempt from first to last byte, in timeouts
REQUESTS_AT_ONCE = {Lane.HANDOFF: 24, Lane.ESCALATED: 20, Lane.LOOKUP: 18, Lane.MIRROR: 12, Lane.CLEANUP: 8}


class Exchange:
    """A pool of connections to one address, opened with the first request.

    Args:
        base_url: Address of the organisation's API.
        api_key: Secret; sent as bearer token, never shown.
        timeout_seconds: Longest wait for each piece of an answer and for sending; half of it for connecting. An attempt
            is given up after `LONGEST_FACTOR` times as long, whatever it is doing. It begins when the request has its
            place: waiting for that says nothing about Kustomer.
        event_hooks: As httpx's: they see every request (`request`) and answer (`response`), repeated ones too. Time in
            them is not limited. Those for `sending` see a request once more when it has its place.
        network: How the address is reached; None reads it from the machine's variables with the first request.
        transport: httpx transport, for tests.
        retry: How safe calls are repeated.
        now: Clock in epoch seconds.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        timeout_seconds: float,
        event_hooks: Mapping[str, list[Callable[..., Any]]] | None,
        network: Network | None,
        transport: httpx.AsyncBaseTransport | None,
        retry: Retry,
        now: Callable[[], float],
    ) -> None:
        keep_our_requests_out()
        self._retry, self._now = retry, now
        self._hooks = event_hooks or {}
        self._longest = LONGEST_FACTOR * timeout_seconds
        self._base_url, self._key, self._timeout = base_url, api_key, timeout_seconds
        self._network, self._transport = network, transport
        self._places = Places(REQUESTS_AT_ONCE)
        self._closed = False

    @cached_property
    def _http(self) -> httpx.AsyncClient:
        network = None if self._transport else self._network or read_network(self._base_url)
        timeout = self._timeout
        return httpx.AsyncClient(
            base_url=self._base_url,
            headers={
                b"Authorization": f"Bearer {self._key}".encode(),  # bytes: Kustomer, not ASCII, judges odd letters
                b"Accept": b"application/json",
                b"User-Agent": _user_agent().encode(),
            },
            timeout=httpx.Timeout(connect=timeout / 2, read=timeout, write=timeout, pool=None),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=10, keepalive_expiry=30.0),
            verify=network.certificates if network else True,
            proxy=network.proxy if network else None,
            trust_env=False,  # `network` has read it
            transport=self._transport,
            follow_redirects=False,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        self._closed = True
        if "_http" in self.__dict__:
            await self._http.aclose()

    async def send(
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
            role: Role that the call needs, for the error when the key lacks it.
            repeat: Whether the call may be repeated after a failure.
            body: JSON body.
            url: Address to ask instead of the template's, from a list's `links.next`.

        Raises:
            KustomerError: Any failure.
        """
        call = call_name(method, path)
        try:
            _ = self._http
        except (NetworkSettingError, httpx.InvalidURL) as error:
            raise Unreachable(f"{call}: {error}", ambiguous=False) from None
        request = self._request(method, url, body) if url else self._request(method, path, body, values)
        if request is None:
            raise Rejected(f"{call}: this cannot be sent.", status=400, code=None, field=None, duplicate=False)

        waited = Waited()

        async def attempt() -> Any:
            return await self._attempt(request, call, role, waited)

        return await (self._retry.run(attempt, waited) if repeat else attempt())

    def _request(self, method: str, path: str, body: object, values: tuple[str, ...] = ()) -> httpx.Request | None:
        """The request; None for what an address or JSON cannot hold, such as broken surrogates."""
        try:
            address = path.format(*(quote(value, safe="") for value in values)) if values else path
            if values and (not all(values) or _leads_elsewhere(address)):
                return None
            return self._http.build_request(method, address, json=body)
        except (ValueError, TypeError, RecursionError, httpx.InvalidURL):
            return None

    async def _attempt(self, request: httpx.Request, call: str, role: str | None, waited: Waited) -> Any:
        write = request.method != "GET"
        answer = await self._answer(request, call, waited, write=write)
        if isinstance(answer, KustomerError):
            raise answer
        if not answer.is_success:
            raise error_of(answer, call, role, self._now(), write=write)
        return read_json(answer, call, write=write)

    async def _answer(
        self, request: httpx.Request, call: str, waited: Waited, *, write: bool
    ) -> httpx.Response | Unreachable:
        """The answer or the failure, which is not raised here lest it drag httpx's error along: that holds the key."""
        if self._closed:
            return Unreachable(f"{call}: the client is closed.", ambiguous=False)
        began = time.monotonic()
        try:
            await self._call("request", request)  # not httpx's own hooks: the budget's may wait for a whole window
            async with self._places.one():
                waited.seconds += time.monotonic() - began
                await self._call("sending", request)
                # httpx limits each read only, so an answer whose headers or body drip would never end.
                with our_request():
                    response = await asyncio.wait_for(self._http.send(request), self._longest)
            await self._call("response", response)
        except asyncio.TimeoutError:
            return Unreachable(f"{call}: the answer takes too long.", ambiguous=write)
        except (
            httpx.HTTPError,
            httpx.StreamError,
            httpx.InvalidURL,
            ssl.SSLError,
        ) as error:  # httpx lets TLS alerts out
            return _failure(error, call, write=write)
        return response

    async def _call(self, hooks: str, about: httpx.Request | httpx.Response) -> None:
        for hook in self._hooks.get(hooks, ()):
            await hook(about)


def _failure(error: Exception, call: str, *, write: bool) -> Unreachable:
    sent = not isinstance(error, NEVER_SENT)
    if why := why_untrusted(error):
        return Untrusted(f"{call}: {why}.", ambiguous=write and sent)
    what = "no answer" if sent else "no connection"
    return Unreachable(f"{call}: {what} ({type(error).__name__}).", ambiguous=write and sent)


def call_name(method: str, path: str) -> str:
    """A call as messages name it: with the template instead of ids and addresses."""
    return f"{method} {path.partition('?')[0].replace('{}', '{id}')}"


def _leads_elsewhere(address: str) -> bool:
    """Whether an id made a segment that is left out or goes up: `/conversations/../messages` is `/messages`."""
    return not {"", ".", ".."}.isdisjoint(address.partition("?")[0].split("/")[1:])


def _user_agent() -> str:
    try:
        return f"rasa-kustomer/{version('rasa-kustomer')}"
    except PackageNotFoundError:  # a checkout that was not installed
        return "rasa-kustomer"
