"""Starts action servers and a pretend Kustomer as processes of their own."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

HERE = Path(__file__).parent
KEY = "sandbox-key"
START_SECONDS = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _process(command: list[str], ready: str, folder: Path, environment: dict[str, str]) -> Iterator[int]:
    log = folder / "output.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                httpx.get(ready, timeout=2)
                break
            except httpx.HTTPError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(log.read_text()) from None
                time.sleep(0.1)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


@contextmanager
def kustomer(condition: str) -> Iterator[tuple[str, str]]:
    """A pretend Kustomer that answers at once, in 2 s, or refuses connections: its URL and a conversation's id."""
    if condition == "refused":
        yield f"http://127.0.0.1:{free_port()}", "0" * 24
        return
    with tempfile.TemporaryDirectory() as name:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        command = [str(Path(sys.executable).with_name("rasa-kustomer")), "sandbox", "--port", str(port)]
        with _process(command, url, Path(name), dict(os.environ)):
            http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {KEY}"})
            customer = http.post("/v1/customers", json={"name": "Bench"}).json()["data"]["id"]
            made = http.post("/v1/conversations", json={"customer": customer}).json()["data"]["id"]
            if condition == "2 s":
                http.post(
                    "/sandbox/faults", json={"match": "*", "fault": "latency:2", "times": None}
                ).raise_for_status()
            yield url, made


@contextmanager
def action_server(actions: str, url: str, conversation: str) -> Iterator[tuple[int, int]]:
    """An action server with these actions: its port and process id."""
    with tempfile.TemporaryDirectory() as name:
        port = free_port()
        environment = {key: value for key, value in os.environ.items() if not key.startswith("KUSTOMER_")} | {
            "KUSTOMER_API_KEY": KEY,
            "KUSTOMER_BASE_URL": url,
            "BENCH_CONVERSATION": conversation,
            "SANIC_HOST": "127.0.0.1",
            "PYTHONPATH": str(HERE / "contestants"),
        }
        command = [sys.executable, "-m", "rasa_sdk", "--actions", actions, "--port", str(port)]
        with _process(command, f"http://127.0.0.1:{port}/health", Path(name), environment) as pid:
            yield port, pid


def resident_mb(pid: int) -> float:
    """Resident memory of a process and its children, in MB (10^6 bytes)."""
    total, children = 0, [pid]
    while children:
        one = children.pop()
        try:
            status = Path(f"/proc/{one}/status").read_text()
            children += [int(child) for child in Path(f"/proc/{one}/task/{one}/children").read_text().split()]
        except FileNotFoundError:
            continue
        total += next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    return total * 1024 / 1e6
