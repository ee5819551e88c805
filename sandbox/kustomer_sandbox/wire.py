"""A small HTTP/1.1 server on asyncio streams and h11: keep-alive, and connections that can be cut in mid-air.

Not Sanic, because Sanic rewrites its own classes when an app starts ("touch-up") and cannot do so twice in one process
with every supported version: the sandbox must run beside the action server's Sanic, and be started once per test.
"""

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import h11

READ_SIZE = 65_536
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
JSON_TYPE = {"content-type": "application/json; charset=utf-8"}


@dataclass(frozen=True)
class HttpRequest:
    """One request as it arrived; `target` is still percent-encoded, header names are lower-case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def from_own_page(self) -> bool:
        """Whether it comes from no page, or from one that this server served."""
        origin = self.headers.get("origin")
        return origin is None or urlsplit(origin).netloc == self.headers.get("host")


@dataclass(frozen=True)
class HttpReply:
    """One answer; `content-length` is added when it is written."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def encoded(body: Any) -> bytes:
    """As JSON; a lone surrogate, as in the name of a refused field, is no UTF-8 but a fine JSON escape."""
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "backslashreplace")


def json_reply(status: int, body: Any) -> HttpReply:
    """A JSON answer that is never cached."""
    return HttpReply(status, encoded(body), {**JSON_TYPE, "cache-control": "no-store"})


Application = Callable[[HttpRequest], Awaitable[HttpReply | None]]
"""Answers a request; None cuts the connection with a TCP reset instead."""


@asynccontextmanager
async def listening(application: Application, host: str, port: int) -> AsyncIterator[int]:
    """Serves `application` and yields the port (useful with port 0); open connections are cut at the end.

    Raises:
        OSError: The address cannot be bound.
    """
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine always runs in a task
        tasks.add(task)
        try:
            await _serve_connection(application, reader, writer)
        except (ConnectionError, h11.RemoteProtocolError, asyncio.CancelledError):
            pass  # the client went away, spoke no HTTP, or the server is stopping: nobody is left to tell
        finally:
            tasks.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(serve, host, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


async def _serve_connection(
    application: Application, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    connection = h11.Connection(h11.SERVER)
    while request := await _read_request(connection, reader, writer):
        reply = await application(request)
        if reply is None:
            return _reset(writer)
        writer.write(_written(connection, request, reply))
        await writer.drain()
        if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
            return None
        connection.start_next_cycle()
    return None


async def _read_request(
    connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> HttpRequest | None:
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            if connection.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                writer.write(connection.send(go_on) or b"")
            connection.receive_data(await reader.read(READ_SIZE))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
            return HttpRequest(head.method.decode(), head.target.decode("latin-1"), headers, bytes(body))
        else:
            return None


def _written(connection: h11.Connection, request: HttpRequest, reply: HttpReply) -> bytes:
    length = {} if reply.status == HTTPStatus.NO_CONTENT else {"content-length": str(len(reply.body))}
    reason = HTTPStatus(reply.status).phrase.encode() if reply.status in HTTPStatus._value2member_map_ else b""
    headers = list({**reply.headers, **length}.items())
    sent = [connection.send(h11.Response(status_code=reply.status, headers=headers, reason=reason))]
    if reply.body and request.method != "HEAD":
        sent.append(connection.send(h11.Data(data=reply.body)))
    return b"".join(part or b"" for part in (*sent, connection.send(h11.EndOfMessage())))


def _reset(writer: asyncio.StreamWriter) -> None:
    """Makes the kernel send RST, as a crashed peer or an impatient firewall would, instead of an orderly FIN."""
    connection = writer.get_extra_info("socket")
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
    writer.transport.abort()
