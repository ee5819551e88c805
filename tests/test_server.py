"""The action server with the plugin, as a real process."""

import gc
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from sanic import Sanic
from tests.helpers import free_port, without_settings

from kustomer_sandbox import Sandbox
from rasa_kustomer.server import GC_THRESHOLDS, ServerExtension

CAPTURE = Path(__file__).parent / "fixtures" / "rasa" / "02-action_listen.json"
START_SECONDS = 180
SETTLE_SECONDS = 2.0
SENDERS = 12
POLL_SECONDS = 0.02
Start = Callable[..., tuple[subprocess.Popen[bytes], str]]


def environment(**settings: str) -> dict[str, str]:
    """Settings by their fields; names in capitals are variables of the machine."""
    clean = without_settings()
    named = {name if name.isupper() else f"KUSTOMER_{name.upper()}": value for name, value in settings.items()}
    return clean | {"SANIC_HOST": "127.0.0.1"} | named


def command(port: int) -> list[str]:
    return [sys.executable, "-W", "ignore", "-m", "rasa_sdk", "--actions", "rasa_kustomer.actions", "--port", str(port)]


def eventually(done: Callable[[], Any], seconds: float = START_SECONDS) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if found := done():
                return found
        except httpx.HTTPError:
            pass
        assert time.monotonic() < deadline, "it did not come to that in time"
        time.sleep(POLL_SECONDS)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start an action server in a folder of its own; its log is `server.log` there."""
    running: list[subprocess.Popen[bytes]] = []

    def start_one(**settings: str) -> tuple[subprocess.Popen[bytes], str]:
        port = free_port()
        with (tmp_path / "server.log").open("ab") as log:
            process = subprocess.Popen(
                command(port), cwd=tmp_path, env=environment(**settings), stdout=log, stderr=log, start_new_session=True
            )
        running.append(process)
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: httpx.get(f"{url}/kustomer/health").status_code == 200)
        # Sanic's main process may not see a SIGTERM before it has noted that its worker is up, and nothing shows when
        # it has; the bare SDK then hangs as well.
        settled = time.monotonic() + SETTLE_SECONDS
        eventually(lambda: time.monotonic() > settled)
        return process, url

    yield start_one
    for process in running:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_a_malformed_setting_stops_the_start_with_one_line_per_problem(tmp_path: Path) -> None:
    (tmp_path / "kustomer_routing.yml").write_text("ruls: []\n")
    done = subprocess.run(
        command(free_port()),
        cwd=tmp_path,
        env=environment(api_key="key", parking="garage", rate_share="9"),
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    assert done.returncode == 1
    assert "KUSTOMER_PARKING: must be assign-bot" in done.stderr
    assert "KUSTOMER_RATE_SHARE: must be between" in done.stderr
    assert "Traceback" not in done.stderr

    routing = subprocess.run(
        command(free_port()),
        cwd=tmp_path,
        env=environment(api_key="key"),
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    assert routing.returncode == 1
    assert "kustomer_routing.yml:1: unknown key ruls" in routing.stderr


def test_without_a_key_it_says_so_once_and_does_nothing(start: Start, tmp_path: Path) -> None:
    process, url = start()
    answer = httpx.post(f"{url}/webhook", json=json.loads(CAPTURE.read_text())).json()
    health = httpx.get(f"{url}/kustomer/health").json()
    process.terminate()

    assert process.wait(timeout=60) == 0
    assert answer == {"events": [], "responses": []}
    assert (health["status"], health["enabled"]) == ("off", False)
    log = (tmp_path / "server.log").read_text()
    assert len(re.findall("rasa-kustomer does nothing: KUSTOMER_API_KEY", log)) == 1


@pytest.mark.parametrize(
    "variables",
    [
        {"ALL_PROXY": "socks5://bot:hunter2@127.0.0.1:7890"},
        {"SSL_CERT_FILE": "/no/such/file"},
        {"NO_PROXY": "localhost,fd07::/64,[x"},
        {"enabled": "false", "parking": "garage", "HTTPS_PROXY": "http://bot:hunter2@x:port"},
        {"parking": "garage", "SSL_CERT_FILE": "/no/such/file"},
    ],
)
def test_while_it_is_off_nothing_of_the_machine_is_read_and_nothing_stops_the_server(
    start: Start, tmp_path: Path, variables: dict[str, str]
) -> None:
    (tmp_path / "kustomer_routing.yml").write_text("ruls: []\n" if "SSL_CERT_FILE" in variables else "rules: []\n")
    process, url = start(**variables)
    answer = httpx.post(f"{url}/webhook", json=json.loads(CAPTURE.read_text())).json()
    health = httpx.get(f"{url}/kustomer/health").json()
    process.terminate()

    assert process.wait(timeout=60) == 0
    assert (answer, health["status"]) == ({"events": [], "responses": []}, "off")
    log = (tmp_path / "server.log").read_text()
    assert "PROXY" not in log
    assert "SSL_CERT" not in log
    assert log.count("KUSTOMER_PARKING: must be") == ("parking" in variables)
    off = "KUSTOMER_ENABLED is false" if "enabled" in variables else "KUSTOMER_API_KEY"
    assert len(re.findall(f"rasa-kustomer does nothing: {off}", log)) == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [("ALL_PROXY", "socks5://bot:hunter2@127.0.0.1:7890"), ("SSL_CERT_FILE", "/no/such/file")],
)
def test_a_variable_of_the_machine_that_cannot_be_used_costs_the_plugin_and_nobody_else(
    start: Start, threaded_sandbox: Sandbox, tmp_path: Path, name: str, value: str
) -> None:
    process, url = start(api_key=threaded_sandbox.api_key, base_url=threaded_sandbox.url, **{name: value})
    call = json.loads(CAPTURE.read_text())
    assert httpx.post(f"{url}/webhook", json=call).json() == {"events": [], "responses": []}
    handoff = httpx.post(f"{url}/webhook", json=call | {"next_action": "action_kustomer_handoff"}).json()
    health = httpx.get(f"{url}/kustomer/health").json()
    process.terminate()

    assert process.wait(timeout=60) == 0
    assert {one["name"]: one["value"] for one in handoff["events"]}["kustomer_handoff_status"] == "unavailable"
    assert "I cannot reach our support team" in handoff["responses"][0]["text"]
    assert (health["status"], health["enabled"]) == ("degraded", False)
    assert health["reason"].startswith(f"{name}: ")
    log = (tmp_path / "server.log").read_text()
    assert log.count(f"until this is fixed: {name}: ") == 1
    assert "Traceback" not in log
    assert "hunter2" not in log + json.dumps(health)
    assert threaded_sandbox.requests == []


def test_turns_are_delivered_by_the_server_itself_and_survive_a_kill(
    start: Start, threaded_sandbox: Sandbox, tmp_path: Path
) -> None:
    settings = {"api_key": threaded_sandbox.api_key, "base_url": threaded_sandbox.url}
    threaded_sandbox.fail("*", "hang", times=None)
    first, url = start(**settings)
    httpx.post(f"{url}/webhook", json=json.loads(CAPTURE.read_text())).raise_for_status()
    eventually(lambda: threaded_sandbox.requests)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()

    threaded_sandbox.heal()
    second, url = start(**settings)  # nothing is called: the worker starts with the server
    eventually(lambda: len(threaded_sandbox.state.messages) == 2)
    outbox = eventually(
        lambda: (found := httpx.get(f"{url}/kustomer/health").json()["outbox"])["pending"] == 0 and found
    )

    assert [row["preview"] for row in threaded_sandbox.state.messages.values()] == ["hello", "Hello! How can I help?"]
    assert (outbox["accepted"], outbox["delivered"], outbox["dead"]) == (2, 2, 0)
    second.terminate()
    assert second.wait(timeout=60) == 0


def test_it_stops_long_before_a_request_gives_up_that_hangs(start: Start, threaded_sandbox: Sandbox) -> None:
    process, url = start(api_key=threaded_sandbox.api_key, base_url=threaded_sandbox.url, timeout_seconds="120")
    threaded_sandbox.fail("*", "hang", times=None)
    httpx.post(f"{url}/webhook", json=json.loads(CAPTURE.read_text())).raise_for_status()
    eventually(lambda: threaded_sandbox.requests)

    process.terminate()

    assert process.wait(timeout=60) == 0


def test_the_key_appears_nowhere(start: Start, threaded_sandbox: Sandbox, tmp_path: Path) -> None:
    """Not after failures, not at DEBUG: no log, health answer, database or command line holds it."""
    key = "eyJ-the-secret-of-this-test"
    threaded_sandbox.roles.clear()
    process, url = start(api_key=key, base_url=threaded_sandbox.url, debug="true")
    httpx.post(f"{url}/webhook", json=json.loads(CAPTURE.read_text())).raise_for_status()
    eventually(lambda: httpx.get(f"{url}/kustomer/health").json()["breaker"]["state"] == "open")
    health = httpx.get(f"{url}/kustomer/health").text
    cmdline = Path(f"/proc/{process.pid}/cmdline")
    titles = cmdline.read_text() if cmdline.exists() else ""
    process.terminate()
    process.wait(timeout=60)
    with sqlite3.connect(tmp_path / ".kustomer" / "outbox.db") as connection:
        database = "\n".join(connection.iterdump())
    connection.close()

    log = (tmp_path / "server.log").read_text()
    assert "Kustomer does not accept the key" in log
    assert not [text for text in (log, health, titles, database) if key in text]


def test_several_workers_on_one_outbox_deliver_every_turn_once(
    start: Start, threaded_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, outbox_url: str
) -> None:
    """Four processes record and deliver, and each tracker is sent twice at the same time."""
    monkeypatch.setenv("ACTION_SERVER_SANIC_WORKERS", "4")
    process, url = start(api_key=threaded_sandbox.api_key, base_url=threaded_sandbox.url, outbox_url=outbox_url)
    calls = [call_of(number) for number in range(SENDERS)]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda call: httpx.post(f"{url}/webhook", json=call, timeout=120), calls + calls))
    assert {answer.status_code for answer in answers} == {200}
    eventually(lambda: httpx.get(f"{url}/kustomer/health").json()["outbox"]["pending"] == 0)

    state = threaded_sandbox.state
    texts = Counter((row["conversation"], row["preview"]) for row in state.messages.values())
    assert len(state.conversations) == SENDERS
    assert texts == {(one, text): 1 for one in state.conversations for text in ("hello", "Hello! How can I help?")}
    process.terminate()
    process.wait(timeout=60)  # its exit code is Sanic's, whose processes stumble over each other at a stop now and then


def test_an_action_server_that_only_records_leaves_delivery_to_the_worker(
    start: Start, threaded_sandbox: Sandbox, tmp_path: Path, outbox_url: str
) -> None:
    """KUSTOMER_COURIER=external: two processes share one outbox."""
    settings = {"api_key": threaded_sandbox.api_key, "base_url": threaded_sandbox.url, "outbox_url": outbox_url}
    server, url = start(**settings, courier="external")
    httpx.post(f"{url}/webhook", json=json.loads(CAPTURE.read_text())).raise_for_status()
    health = httpx.get(f"{url}/kustomer/health").json()
    assert (health["courier"], health["outbox"]["pending"]) == ("external", 2)
    assert [one.path for one in threaded_sandbox.requests if one.method == "POST"] == []
    assert "rasa-kustomer worker" in (tmp_path / "server.log").read_text()

    with (tmp_path / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-c", "from rasa_kustomer.cli import app; app()", "worker"],
            cwd=tmp_path, env=environment(**settings, courier="external"), stdout=log, stderr=log,
        )  # fmt: skip
    try:
        eventually(lambda: httpx.get(f"{url}/kustomer/health").json()["outbox"]["pending"] == 0)
        worker.terminate()
        assert worker.wait(timeout=60) == 0
    finally:
        if worker.poll() is None:
            worker.kill()
            worker.wait()
    assert [row["preview"] for row in threaded_sandbox.state.messages.values()] == ["hello", "Hello! How can I help?"]
    server.terminate()
    assert server.wait(timeout=60) == 0


async def test_the_garbage_collector_is_rarer_while_the_server_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It belongs to the whole process: what is changed at the start is undone at the stop."""
    monkeypatch.chdir(tmp_path)
    app, before = Sanic("gc"), gc.get_threshold()
    listeners: dict[str, Any] = {}
    monkeypatch.setattr(Sanic, "register_listener", lambda _, listener, event: listeners.update({event: listener}))
    ServerExtension().attach_sanic_app_extensions(app)
    await listeners["before_server_start"](app)
    during = gc.get_threshold(), gc.get_freeze_count()
    await listeners["before_server_stop"](app)

    assert during[0] == GC_THRESHOLDS
    assert during[1] > 0
    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, 0)


def call_of(number: int) -> Any:
    """The captured call, as another sender's."""
    text = CAPTURE.read_text()
    (message_id,) = set(re.findall(r'"message_id": "(\w+)"', text))
    return json.loads(text.replace('"u1"', f'"u{number + 1}"').replace(message_id, f"{number:032x}"))
