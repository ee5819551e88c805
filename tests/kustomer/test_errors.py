"""Every way in which a request can fail becomes an error that somebody can act on."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
from tests.helpers import no_sleep

from rasa_kustomer.kustomer import errors
from rasa_kustomer.kustomer.client import KustomerClient
from rasa_kustomer.kustomer.errors import (
    BrokenAnswer,
    KeyRefused,
    KustomerError,
    NotAllowed,
    NotFound,
    RateLimited,
    Rejected,
    Unreachable,
)

SECRET, EMAIL = "key-that-must-stay-secret", "ann.lee@example.com"
Answer = Callable[[httpx.Request], httpx.Response]


class Wire:
    """A transport that counts requests and answers as told."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.answer: Answer = lambda _request: httpx.Response(500)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.answer(request)


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
async def client(wire: Wire) -> AsyncIterator[KustomerClient]:
    transport = httpx.MockTransport(wire)
    async with KustomerClient(
        "https://acme.api.kustomerapp.com", SECRET, transport=transport, sleep=no_sleep
    ) as client:
        yield client


def answering(status: int, body: Any = None, text: str | None = None, headers: dict[str, str] | None = None) -> Answer:
    if text is not None:
        return lambda _request: httpx.Response(status, text=text, headers=headers)
    return lambda _request: httpx.Response(status, json=body, headers=headers)


def one_error(**fields: Any) -> dict[str, Any]:
    return {"errors": [fields]}


HTML = "<html><body>The request could not be satisfied</body></html>"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (answering(400, one_error(code="bad_request", message="Invalid")), Rejected),
        (answering(400, one_error(status="400", code="badparam", source={"parameter": "x"})), Rejected),
        (answering(422, {}), Rejected),
        (answering(413, text="too large"), Rejected),
        (answering(409, None), Rejected),
        (answering(401, one_error(code="unauthorized", title="Unauthorized")), KeyRefused),
        (answering(401, text=""), KeyRefused),
        (answering(401, {"error": "Expired token"}), KeyRefused),
        (answering(403, text="Auth token associated with pod prod2 but request is being handled by prod1"), KeyRefused),
        (answering(400, ["neither shape"]), Rejected),
        (answering(400, {"errors": ["text"]}), Rejected),
        (answering(400, {"errors": {}}), Rejected),
        (answering(400, one_error(message="Auth token associated with pod prod2 but handled by prod1")), KeyRefused),
        (answering(402, {}), NotAllowed),
        (answering(403, one_error(code="forbidden")), NotAllowed),
        (answering(403, text=HTML), NotAllowed),
        (answering(404, one_error(status=404, code="notfound")), NotFound),
        (answering(404, text=""), NotFound),
        (answering(404, text=HTML), Unreachable),
        (answering(408, text=""), Unreachable),
        (answering(429, {}), RateLimited),
        (answering(500, {}), Unreachable),
        (answering(502, text=HTML), Unreachable),
        (answering(302, text=""), Unreachable),
        (answering(200, text=HTML), BrokenAnswer),
        (answering(200, text='{"data": {"id'), BrokenAnswer),
        (answering(200, {"data": {"attributes": {}}}), BrokenAnswer),
        (answering(200, ["list"]), BrokenAnswer),
        (answering(200, text=""), BrokenAnswer),
        (answering(204, text=""), BrokenAnswer),
        (answering(200, text="[" * 200_000), BrokenAnswer),
        (answering(200, {"data": {"id": {"odd": 1}}}), BrokenAnswer),
        (answering(201, None), BrokenAnswer),
    ],
)
async def test_every_answer_has_its_error(wire: Wire, client: KustomerClient, answer: Answer, kind: type) -> None:
    wire.answer = answer

    with pytest.raises(KustomerError) as raised:
        await client.create_customer({"name": "Ann"})

    assert type(raised.value) is kind
    assert len(wire.requests) == 1, "what makes something is sent exactly once"


def _httpx_errors() -> list[type[Exception]]:
    found, waiting = [], [httpx.HTTPError, httpx.InvalidURL, httpx.StreamError]
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting += one.__subclasses__()
    return found


@pytest.mark.parametrize("kind", _httpx_errors(), ids=lambda kind: kind.__name__)
async def test_every_error_of_httpx_is_translated(wire: Wire, client: KustomerClient, kind: type[Exception]) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        if issubclass(kind, httpx.HTTPStatusError):
            raise kind("x", request=request, response=httpx.Response(500))
        raise (
            kind()
            if kind in {httpx.StreamConsumed, httpx.ResponseNotRead, httpx.RequestNotRead, httpx.StreamClosed}
            else kind("x")
        )

    wire.answer = fail

    with pytest.raises(Unreachable):
        await client.create_customer({"name": "Ann"})


@pytest.mark.parametrize(
    ("kind", "ambiguous"),
    [
        (httpx.ConnectError, False),
        (httpx.ConnectTimeout, False),
        (httpx.PoolTimeout, False),
        (httpx.ProxyError, False),
        (httpx.LocalProtocolError, False),
        (httpx.ReadTimeout, True),
        (httpx.ReadError, True),
        (httpx.WriteError, True),
        (httpx.RemoteProtocolError, True),
    ],
)
async def test_a_write_that_may_have_been_carried_out_is_ambiguous(
    wire: Wire, client: KustomerClient, kind: type[Exception], ambiguous: bool
) -> None:
    def fail(_request: httpx.Request) -> httpx.Response:
        raise kind("x")

    wire.answer = fail

    with pytest.raises(Unreachable) as raised:
        await client.create_conversation({"customer": "c"})
    assert raised.value.ambiguous is ambiguous


@pytest.mark.parametrize(
    ("status", "error", "duplicate", "field"),
    [
        (409, {}, True, None),
        (400, {"source": {"parameter": "externalId"}, "code": "badparam"}, True, "externalId"),
        (422, {"source": {"pointer": "/data/attributes/emails/0/email"}}, True, "emails/0/email"),
        (400, {"title": "duplicate detected"}, True, None),
        (400, {"source": {"parameter": "sharedEmails"}}, False, "sharedEmails"),
        (400, {"source": {"parameter": "ann lee <ann@example.com>"}}, False, None),
        (400, {"source": {"parameter": 7}}, False, None),
        (413, {"source": {"parameter": "emails"}}, False, "emails"),
        (400, {"detail": "/properties/phones"}, True, "phones"),
        (400, {"source": {"parameter": "name"}}, False, "name"),
        (400, {"message": "Invalid request body or parameters."}, False, None),
    ],
)
async def test_duplicates_are_told_from_other_refusals(  # noqa: PLR0917 - a table with many columns
    wire: Wire, client: KustomerClient, status: int, error: dict[str, Any], duplicate: bool, field: str | None
) -> None:
    wire.answer = answering(status, one_error(**error))

    with pytest.raises(Rejected) as raised:
        await client.create_customer({})

    assert (raised.value.duplicate, raised.value.field) == (duplicate, field)


async def test_a_missing_role_is_named(wire: Wire, client: KustomerClient) -> None:
    wire.answer = answering(403, {})

    with pytest.raises(NotAllowed, match=r"org\.permission\.note\.create") as raised:
        await client.create_note("n", {"body": "x"})

    assert raised.value.role == "org.permission.note.create"


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("Expired token", "KUSTOMER_API_KEY"),
        ("jwt malformed", "KUSTOMER_API_KEY"),
        ("Auth token associated with pod prod2 but request is being handled by prod1", "KUSTOMER_SUBDOMAIN"),
    ],
)
async def test_a_refused_key_names_the_setting(wire: Wire, client: KustomerClient, text: str, setting: str) -> None:
    wire.answer = answering(401, one_error(message=text))

    with pytest.raises(KeyRefused, match=setting):
        await client.current_token()


async def test_a_safe_call_is_repeated_and_recovers(wire: Wire, client: KustomerClient) -> None:
    answers = iter(
        [httpx.Response(503), httpx.Response(502, text=HTML), httpx.Response(200, json={"data": {"id": "u1"}})]
    )
    wire.answer = lambda _request: next(answers)

    assert (await client.current_user()).id == "u1"
    assert len(wire.requests) == 3


async def test_a_safe_call_is_not_repeated_for_ever_nor_for_a_refusal(wire: Wire, client: KustomerClient) -> None:
    with pytest.raises(Unreachable):
        await client.current_user()
    assert len(wire.requests) == 3

    wire.requests.clear()
    wire.answer = answering(403, {})
    with pytest.raises(NotAllowed):
        await client.teams()
    assert len(wire.requests) == 1


@pytest.mark.parametrize(("wait", "requests"), [("2", 2), ("50", 1)])
async def test_a_rate_limit_is_waited_for_only_when_the_wait_fits(wait: str, requests: int) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    wire = Wire()
    answers = iter(
        [httpx.Response(429, headers={"retry-after": wait}), httpx.Response(200, json={"data": {"id": "u1"}})]
    )
    wire.answer = lambda _request: next(answers)
    transport = httpx.MockTransport(wire)
    async with KustomerClient("https://x.example", SECRET, transport=transport, sleep=sleep) as client:
        if requests == 1:
            with pytest.raises(RateLimited) as raised:
                await client.current_user()
            assert raised.value.wait_seconds == 50
        else:
            await client.current_user()
            assert slept == [2.0]
    assert len(wire.requests) == requests


@pytest.mark.parametrize(
    ("following", "requests"),
    [
        ("https://evil.example/v1/teams", 1),
        ("//evil.example/v1/teams", 1),
        (7, 1),
        (None, 1),
        ("/\\evil.example/v1/teams", 2),
        ("/@evil.example/v1/teams", 2),
        ("/v1/{0}{x}", 2),
        ("/v1/teams/?page=2", 2),
    ],
)
async def test_pages_are_followed_within_kustomer_only(
    wire: Wire, client: KustomerClient, following: Any, requests: int
) -> None:
    def pages(_request: httpx.Request) -> httpx.Response:
        more = following if len(wire.requests) == 1 else None
        return httpx.Response(200, json={"data": [{"id": "t1"}], "links": {"next": more}})

    wire.answer = pages

    assert {team.id for team in await client.teams()} == {"t1"}
    assert [request.url.host for request in wire.requests] == ["acme.api.kustomerapp.com"] * requests


async def test_all_pages_are_read(wire: Wire, client: KustomerClient) -> None:
    def pages(request: httpx.Request) -> httpx.Response:
        page = int(request.url.params["page"])
        following = f"/v1/teams?page={page + 1}&pageSize=100" if page < 3 else None
        return httpx.Response(200, json={"data": [{"id": f"t{page}"}], "links": {"next": following}})

    wire.answer = pages

    assert [team.id for team in await client.teams()] == ["t1", "t2", "t3"]


async def test_looked_up_values_are_one_path_segment(wire: Wire, client: KustomerClient) -> None:
    wire.answer = answering(404, {})

    assert await client.find_customer("email", "a/b+c@x.com") is None
    assert wire.requests[0].url.raw_path == b"/v1/customers/email=a%2Fb%2Bc%40x.com"


async def test_neither_key_nor_person_appears_in_any_log_or_error(
    wire: Wire, client: KustomerClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor in the chain of an error: httpx's own errors hold the request, with key and address."""

    def failing(kind: type[httpx.TransportError]) -> Answer:
        def fail(request: httpx.Request) -> httpx.Response:
            raise kind(f"Illegal header value {request.headers['authorization']}", request=request)

        return fail

    caplog.set_level(logging.DEBUG)
    shown = [repr(client), str(client), repr(vars(client))]
    for answer in (
        answering(401, one_error(message=f"no {SECRET}")),
        answering(404, {}),
        answering(400, one_error(detail=EMAIL, code=EMAIL, source={"parameter": EMAIL})),
        answering(503, text=EMAIL),
        answering(200, text=EMAIL),
        answering(200, {"data": {"id": {"email": EMAIL}}}),
        failing(httpx.LocalProtocolError),
        failing(httpx.ReadError),
    ):
        wire.answer = answer
        try:
            await client.find_customer("email", EMAIL)
        except KustomerError as error:
            shown += [repr(one) + str(one) + repr(vars(one)) for one in _chain(error)]
    shown += [f"{record.getMessage()} {record.exc_text}" for record in caplog.records]

    assert not [text for text in shown if SECRET in text or EMAIL in text]


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


async def test_content_that_no_request_can_carry_is_refused_and_not_raised_as_something_else(
    wire: Wire, client: KustomerClient
) -> None:
    wire.answer = answering(404, {})

    for body in ({"name": "\ud83d"}, {"number": float("nan")}, {"object": object()}):
        with pytest.raises(Rejected):
            await client.create_customer(body)
    with pytest.raises(Rejected):
        await client.find_customer("externalId", "\ud83d")
    assert wire.requests == []


@pytest.mark.parametrize("key", ["ключ", "two words", "line\nbreak"])
async def test_an_impossible_key_is_no_crash(key: str) -> None:
    async with KustomerClient("http://127.0.0.1:9", key, sleep=no_sleep) as client:
        with pytest.raises(Unreachable):
            await client.current_user()


async def test_a_closed_client_says_so_and_leaves_no_doubt(wire: Wire, client: KustomerClient) -> None:
    await client.aclose()

    with pytest.raises(Unreachable, match="closed") as raised:
        await client.create_customer({})
    assert raised.value.ambiguous is False


async def test_an_empty_answer_is_enough_where_nothing_is_to_be_read(wire: Wire, client: KustomerClient) -> None:
    wire.answer = answering(200, text="")
    await client.tag_conversation("c", ["vip"])
    assert len(wire.requests) == 1

    wire.answer = answering(200, text=HTML)
    with pytest.raises(BrokenAnswer):
        await client.tag_conversation("c", ["vip"])


async def test_a_message_that_merely_stands_where_it_was_looked_for_is_not_it(
    wire: Wire, client: KustomerClient
) -> None:
    wire.answer = lambda request: httpx.Response(
        200,
        json={"data": [] if request.url.path.endswith("/messages") else {"id": "x", "attributes": {"externalId": "o"}}},
    )

    assert await client.find_message("m-1", "c") is None


async def test_cancelling_a_call_is_not_turned_into_an_error(client: KustomerClient, wire: Wire) -> None:
    def cancel(_request: httpx.Request) -> httpx.Response:
        raise asyncio.CancelledError

    wire.answer = cancel
    with pytest.raises(asyncio.CancelledError):
        await client.current_user()


def test_the_drawing_of_the_errors_is_the_tree_of_the_classes() -> None:
    drawn = re.findall(r"^ +([│├└─ ]*)([A-Z]\w+)", errors.__doc__ or "", flags=re.MULTILINE)
    classes = {one.__name__: one for one in vars(errors).values() if isinstance(one, type)}

    assert [name for _, name in drawn] == list(dict.fromkeys(name for _, name in drawn))
    assert {name for _, name in drawn} == set(classes)
    parents: list[str] = []
    for branch, name in drawn:
        depth = len(branch) // 4
        parents[depth:] = [name]
        if depth:
            assert classes[name].__bases__ == (classes[parents[depth - 1]],)
