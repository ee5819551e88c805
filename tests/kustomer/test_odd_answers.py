"""Answers and ids that no server should send and no caller should have: errors that somebody can act on, too."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from tests.helpers import no_sleep

from rasa_kustomer.kustomer.client import MAX_ITEMS, MAX_PAGES, KustomerClient
from rasa_kustomer.kustomer.errors import KustomerError, NotFound, Rejected, Unreachable

URL = "https://acme.api.kustomerapp.com"
QUICK = 0.01  # seconds; an attempt is given up after three times that


def client_of(transport: httpx.AsyncBaseTransport, **options: Any) -> KustomerClient:
    return KustomerClient(URL, "key", transport=transport, sleep=no_sleep, **options)


def answering(*answers: httpx.Response) -> tuple[KustomerClient, list[httpx.Request]]:
    """A client that gets these answers, the last one again and again, and its requests."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answers[min(len(seen), len(answers)) - 1]

    return client_of(httpx.MockTransport(answer)), seen


@pytest.mark.parametrize("charset", ["idna", "punycode", "undefined", "rot13", "no-such-codec", "a\x00b"])
@pytest.mark.parametrize("status", [200, 302, 400, 401, 404, 409, 500])
async def test_a_page_in_whatever_charset_is_an_error_of_ours(status: int, charset: str) -> None:
    headers = {"content-type": f"text/html; charset={charset}", "location": "http://[::1"}
    client, _ = answering(httpx.Response(status, content=b"<html>\xff..\xe9</html>", headers=headers))

    async with client:
        for call in (client.teams(), client.create_customer({})):
            with pytest.raises(KustomerError):
                await call


@pytest.mark.parametrize("odd", ["..", ".", ""])
async def test_an_id_that_would_name_another_endpoint_is_refused_before_it_is_sent(odd: str) -> None:
    client, requests = answering(httpx.Response(200, json={"data": {"id": "x"}}))

    async with client:
        for call in (client.create_message(odd, {}), client.update_conversation(odd, {}), client.bulk_complete(odd)):
            with pytest.raises(Rejected):
                await call
    assert requests == []


async def test_dots_are_common_characters_where_they_lead_nowhere() -> None:
    client, requests = answering(httpx.Response(404, json={}))

    async with client:
        assert await client.find_customer("externalId", "..") is None
        assert await client.find_conversation("rasa:..:1") is None
        with pytest.raises(NotFound):
            await client.get_conversation("...")
        with pytest.raises(Rejected):
            await client.find_customer("externalId", "")
    assert [request.url.raw_path for request in requests] == [
        b"/v1/customers/externalId=..",
        b"/v1/conversations/externalId=rasa%3A..%3A1",
        b"/v1/conversations/...",
    ]


class Drip(httpx.AsyncBaseTransport, httpx.AsyncByteStream):
    """A server that always sends a little more, in its headers or its body."""

    def __init__(self, *, headers: bool) -> None:
        self.headers, self.closed = headers, 0

    async def handle_async_request(self, _request: httpx.Request) -> httpx.Response:
        while self.headers:  # noqa: ASYNC110 - there is nothing to wait for, that is the point
            await asyncio.sleep(0)
        return httpx.Response(200, stream=self)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0)

    async def aclose(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("headers", [True, False], ids=["headers", "body"])
async def test_an_answer_that_drips_is_given_up_and_a_write_is_in_doubt(*, headers: bool) -> None:
    transport = Drip(headers=headers)
    async with client_of(transport, timeout_seconds=QUICK) as client:
        with pytest.raises(Unreachable, match="too long") as write:
            await client.create_customer({})
        with pytest.raises(Unreachable, match="too long") as read:
            await client.current_user()

    assert (write.value.ambiguous, read.value.ambiguous) == (True, False)
    assert headers or transport.closed >= 2, "a connection in the middle of an answer is of no use to others"


async def test_waiting_for_our_own_budget_is_no_fault_of_kustomers() -> None:
    """The budget waits in a hook, for a whole window of a minute if need be."""
    seen: list[int] = []

    async def wait(_request: httpx.Request) -> None:
        passed = asyncio.Event()
        asyncio.get_running_loop().call_later(10 * QUICK, passed.set)
        await passed.wait()

    async def observe(response: httpx.Response) -> None:
        seen.append(response.status_code)

    transport = httpx.MockTransport(lambda _request: httpx.Response(200, json={"data": {"id": "u"}}))
    hooks: dict[str, list[Callable[..., Awaitable[None]]]] = {"request": [wait], "response": [observe]}
    async with client_of(transport, timeout_seconds=QUICK, event_hooks=hooks) as client:
        assert (await client.current_user()).id == "u"
    assert seen == [200]


async def test_a_list_without_end_is_cut_and_said_once_for_each_call(caplog: pytest.LogCaptureFixture) -> None:
    page = {"data": [{"id": f"i{number}"} for number in range(100)], "links": {"next": "/v1/more"}}
    client, requests = answering(httpx.Response(200, json=page))
    caplog.set_level(logging.WARNING)

    async with client:
        assert len(await client.teams()) == MAX_ITEMS
        assert len(requests) == MAX_PAGES
        await client.teams()
        await client.notes_of("one")
        await client.notes_of("another")

    said = [record.getMessage() for record in caplog.records]
    assert [text.split(":")[0] for text in said] == ["GET /v1/teams", "GET /v1/conversations/{id}/notes"]
    assert all(str(MAX_ITEMS) in text for text in said)


def conflict(**error: Any) -> httpx.Response:
    return httpx.Response(409, json={"errors": [error]} if error else {})


@pytest.mark.parametrize("error", [{}, {"code": "conflict", "title": "was already modified"}, {"detail": "stale rev"}])
async def test_a_change_that_met_another_is_tried_again_and_then_left_for_later(error: dict[str, Any]) -> None:
    done = httpx.Response(200, json={"data": {"id": "c"}})
    client, requests = answering(conflict(**error), done)
    async with client:
        assert (await client.update_conversation("c", {"priority": 4})).id == "c"
    assert len(requests) == 2

    client, _ = answering(conflict(**error))
    async with client:
        with pytest.raises(Unreachable) as raised:
            await client.update_conversation("c", {"priority": 4})
    assert (raised.value.status, raised.value.ambiguous) == (409, False)


async def test_a_change_to_a_value_that_another_record_has_is_refused() -> None:
    client, requests = answering(conflict(code="conflict", source={"parameter": "externalIds"}))

    async with client:
        with pytest.raises(Rejected) as raised:
            await client.update_customer("c", {"externalId": "x"})
    assert raised.value.duplicate
    assert len(requests) == 1
