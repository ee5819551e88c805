"""`rasa-kustomer sandbox` as a process."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

RUN = "import typer; from kustomer_sandbox.command import sandbox; typer.run(sandbox)"


@contextmanager
def running(*options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    command = [sys.executable, "-c", RUN, "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = list(iter(process.stdout.readline, "Stop with Ctrl-C.\n"))
        try:
            yield process, dict(line.strip().split("=", 1) for line in lines if "=" in line)
        finally:
            process.kill()


def test_its_printed_settings_reach_it_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    data = str(tmp_path / "sandbox.db")
    with running("--seed", "--data", data, "--rate-limit", "7") as (process, settings):
        headers = {"authorization": f"Bearer {settings['KUSTOMER_API_KEY']}"}
        answer = httpx.get(f"{settings['KUSTOMER_BASE_URL']}/v1/customers/externalId=cust-1042", headers=headers)
        assert (answer.headers["x-ratelimit-limit"], answer.status_code) == ("7", 200)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    with running("--data", data) as (_, settings):
        answer = httpx.get(f"{settings['KUSTOMER_BASE_URL']}/v1/customers/externalId=cust-1042", headers=headers)
        assert answer.json()["data"]["attributes"]["name"] == "Hannah Lindqvist"


def test_a_taken_port_is_one_readable_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-c", RUN, "--port", port]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert f"Cannot listen on 127.0.0.1:{port}" in ended.stderr


def test_a_data_file_that_cannot_be_used_is_one_readable_line(tmp_path: Path) -> None:
    broken = tmp_path / "sandbox.db"
    broken.write_bytes(b"this is no database, whatever its name says" * 100)
    command = [sys.executable, "-c", RUN, "--port", "0", "--data", str(broken)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert f"Cannot use {broken}" in ended.stderr
