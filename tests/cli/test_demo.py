"""`rasa-kustomer demo` and `worker`, as real processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.helpers import without_settings

from kustomer_sandbox import Sandbox

COMMAND = str(Path(sys.executable).with_name("rasa-kustomer"))


def test_the_demo_shows_the_main_job_and_ends_by_itself(tmp_path: Path) -> None:
    environment = {**os.environ, "COLUMNS": "140", "KUSTOMER_API_KEY": "the-users-own", "KUSTOMER_ENABLED": "false"}

    done = subprocess.run(
        [COMMAND, "demo"], check=False, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )

    assert done.returncode == 0, done.stdout + done.stderr
    for sign in (
        "The agents' desk: http://127.0.0.1:",
        "name = Ann Lee, open conversations = 1",
        "Your reference is RK-",
        "Kustomer goes down",
        "everything was delivered, in order",
        "bot-handoff",
        "note for the agent",
    ):
        assert sign in done.stdout
    assert list(tmp_path.iterdir()) == [], "nothing of the demo stays in the user's folder"


def test_a_worker_without_settings_says_why_it_does_nothing(tmp_path: Path) -> None:
    clean = without_settings()

    done = subprocess.run(
        [COMMAND, "worker"], check=False, cwd=tmp_path, env=clean, capture_output=True, text=True, timeout=120
    )

    assert (done.returncode, "KUSTOMER_API_KEY" in done.stderr) == (1, True)


def test_a_worker_delivers_what_waits_and_stops_when_told_to(threaded_sandbox: Sandbox, tmp_path: Path) -> None:
    record = (
        "import asyncio\n"
        "from rasa_kustomer.outbox import Kind, NewRecord, Outbox, SessionKey\n"
        "async def main():\n"
        "    outbox = Outbox('sqlite:///outbox.db')\n"
        "    payload = {'direction': 'in', 'text': 'hello', 'at_ms': 5, 'channel': 'chat', 'action': None}\n"
        "    who = {'external_id': None, 'email': None, 'phone': None, 'name': None, 'trusted': False}\n"
        "    await outbox.record(SessionKey('rasa:ann:5', 'ann', 5), who, [NewRecord('k', Kind.MESSAGE, payload, 5)])\n"
        "    await outbox.close()\n"
        "asyncio.run(main())\n"
    )
    subprocess.run([sys.executable, "-c", record], cwd=tmp_path, check=True)
    environment = os.environ | {
        "KUSTOMER_API_KEY": threaded_sandbox.api_key,
        "KUSTOMER_BASE_URL": threaded_sandbox.url,
        "KUSTOMER_OUTBOX_URL": "sqlite:///outbox.db",
    }

    with subprocess.Popen(
        [COMMAND, "worker"], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    ) as worker:
        deadline = time.monotonic() + 120
        while not threaded_sandbox.state.messages and time.monotonic() < deadline:
            assert worker.poll() is None
            time.sleep(0.02)  # another process: nothing else tells
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=60) == 0

    assert [row["preview"] for row in threaded_sandbox.state.messages.values()] == ["hello"]
