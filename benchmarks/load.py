"""Sends prepared requests over plain sockets, so that the sender costs little beside what is measured."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass


class Connection:
    """One keep-alive connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, request: bytes) -> float:
        """Seconds until the whole answer was there.

        Raises:
            RuntimeError: The answer is not a 200.
        """
        started = time.perf_counter()
        self._socket.sendall(request)
        answer = self._socket.recv(65_536)
        while b"\r\n\r\n" not in answer:
            answer += self._socket.recv(65_536)
        head, _, body = answer.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        while len(body) < length:
            body += self._socket.recv(65_536)
        took = time.perf_counter() - started
        if b" 200 " not in head.split(b"\r\n")[0]:
            raise RuntimeError(head.decode(errors="replace") + body[:300].decode(errors="replace"))
        return took

    def close(self) -> None:
        self._socket.close()


@dataclass(frozen=True)
class Timing:
    """Answer times of one series, in milliseconds."""

    median: float
    p99: float

    @classmethod
    def of(cls, seconds: list[float]) -> "Timing":
        ordered = sorted(seconds)
        return cls(ordered[len(ordered) // 2] * 1000, ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] * 1000)


def one_by_one(port: int, requests: list[tuple[bytes | None, bytes]]) -> list[float]:
    """Answer times in seconds of requests sent one after the other; each may be preceded by an untimed one."""
    connection = Connection(port)
    taken = []
    for before, request in requests:
        if before:
            connection.send(before)
        taken.append(connection.send(request))
    connection.close()
    return taken


def in_parallel(port: int, conversations: list[list[bytes]]) -> float:
    """Requests per second when every conversation sends its requests at its own pace, all at once."""

    def play(requests: list[bytes]) -> None:
        connection = Connection(port)
        for request in requests:
            connection.send(request)
        connection.close()

    started = time.perf_counter()
    with ThreadPoolExecutor(len(conversations)) as pool:
        list(pool.map(play, conversations))
    return sum(map(len, conversations)) / (time.perf_counter() - started)
