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


Requests = list[tuple[list[bytes], bytes]]
"""Each request, with those that are sent before it and not timed."""


def one_by_one(port: int, requests: Requests) -> list[float]:
    """Answer times in seconds of requests sent one after the other."""
    return in_turn({"": port}, {"": requests})[""]


def in_turn(ports: dict[str, int], requests: dict[str, Requests]) -> dict[str, list[float]]:
    """Answer times in seconds of several servers that get their requests alternately, so that nobody's are together."""
    connections = {name: Connection(port) for name, port in ports.items()}
    taken: dict[str, list[float]] = {name: [] for name in ports}
    names = list(ports)
    for number in range(len(requests[names[0]])):
        order = names[number % len(names) :] + names[: number % len(names)]
        for name in order:
            for before in requests[name][number][0]:
                connections[name].send(before)
        for name in order:
            taken[name].append(connections[name].send(requests[name][number][1]))
    for connection in connections.values():
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
