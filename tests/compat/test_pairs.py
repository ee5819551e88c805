"""The built wheel serves our actions on every supported pair of Python and rasa-sdk."""

import asyncio
import json
import shutil
import subprocess
import zlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from kustomer_sandbox import Sandbox

if TYPE_CHECKING:
    from tests.compat.conftest import ActionServer, Environment, StartServer

ROOT = Path(__file__).resolve().parents[2]
CAPTURE = Path(__file__).with_name("action_listen.json").read_bytes()
ACTIONS = (
    "action_session_start",
    "action_listen",
    "action_kustomer_mirror",
    "action_kustomer_identify",
    "action_kustomer_handoff",
    "action_kustomer_resolve",
    "action_kustomer_ticket_status",
)
WAYS = ("rasa_kustomer.actions", "actions")
MIRRORED_SECONDS = 120


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What `--actions actions` finds in the repository root, without the developer's `.env`."""
    folder = tmp_path / "checkout"
    shutil.copytree(ROOT / "actions", folder / "actions", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def folder_for(way: str, checkout: Path, tmp_path: Path) -> Path:
    """An installed package is named from anywhere, the shim from the repository root only."""
    return checkout if way == "actions" else tmp_path


def output_of(python: Path, code: str, cwd: Path) -> str:
    """Run code in a new interpreter and return what it printed."""
    done = subprocess.run([python, "-c", code], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def post(server: "ActionServer", *, compressed: bool) -> httpx.Response:
    """Send the capture as Rasa does, compressed as with COMPRESS_ACTION_SERVER_REQUEST=true."""
    headers = {"Content-Type": "application/json"}
    if compressed:
        headers["Content-Encoding"] = "deflate"
    async with httpx.AsyncClient(base_url=server.url) as client:
        return await client.post("/webhook", content=zlib.compress(CAPTURE) if compressed else CAPTURE, headers=headers)


def test_the_pair_is_what_it_says(environment: "Environment", tmp_path: Path) -> None:
    """The environment holds the pair's rasa-sdk, the wheel, and nothing of the source tree."""
    code = (
        "import sys, rasa_kustomer; from importlib.metadata import version; "
        "print('%d.%d' % sys.version_info[:2], version('rasa-sdk'), rasa_kustomer.__file__)"
    )
    python, sdk, file = output_of(environment.python, code, tmp_path).split()
    assert (python, sdk) == (environment.pair.python, environment.pair.sdk)
    assert environment.python.parent.parent in Path(file).parents


@pytest.mark.parametrize("way", WAYS)
async def test_without_a_key_the_actions_are_served_and_do_nothing(
    way: str, environment: "Environment", checkout: Path, tmp_path: Path, start_server: "StartServer"
) -> None:
    """Each action is listed once, both kinds of request are answered, SIGTERM ends it cleanly."""
    async with start_server(environment.python, way, folder_for(way, checkout, tmp_path)) as server:
        async with httpx.AsyncClient(base_url=server.url) as client:
            listed = Counter(entry["name"] for entry in (await client.get("/actions")).json())
        answers = [await post(server, compressed=compressed) for compressed in (False, True)]
        code = await server.stop()
    assert dict.fromkeys(ACTIONS, 1) == {name: listed[name] for name in ACTIONS}
    assert [(one.status_code, one.json()) for one in answers] == [(200, {"events": [], "responses": []})] * 2
    assert server.stumbled or (code == 0 and "Traceback" not in server.output), server.output
    assert "Re-registered" not in server.output


@pytest.mark.parametrize("way", WAYS)
async def test_a_turn_arrives_in_kustomer(
    way: str, environment: "Environment", checkout: Path, tmp_path: Path, start_server: "StartServer"
) -> None:
    """What the user said in the capture stands in the sandbox once, though it was posted twice."""
    async with Sandbox().serve() as sandbox:
        settings = {
            "KUSTOMER_API_KEY": "sandbox-key",
            "KUSTOMER_BASE_URL": sandbox.url,
            "KUSTOMER_OUTBOX_URL": f"sqlite:///{tmp_path}/outbox.db",
        }
        async with start_server(environment.python, way, folder_for(way, checkout, tmp_path), settings) as server:
            for compressed in (False, True):
                assert (await post(server, compressed=compressed)).status_code == 200
            texts = await mirrored_texts(sandbox, at_least=1)
            code = await server.stop()
    assert texts.count(json.loads(CAPTURE)["tracker"]["latest_message"]["text"]) == 1
    assert server.stumbled or (code == 0 and "Traceback" not in server.output), server.output


async def mirrored_texts(sandbox: Sandbox, *, at_least: int) -> list[str]:
    """Wait until the sandbox holds so many messages and return their texts."""
    deadline = asyncio.get_running_loop().time() + MIRRORED_SECONDS
    while (  # noqa: ASYNC110  # the sender is another process: there is no event to wait for
        len(sandbox.state.messages) < at_least and asyncio.get_running_loop().time() < deadline
    ):
        await asyncio.sleep(0.05)
    return [message["preview"] for message in sandbox.state.messages.values()]


def test_an_uninstalled_checkout_serves_its_own_package(environment: "Environment", checkout: Path) -> None:
    """From the repository root the shim finds the package beside it, once, when nobody installed it."""
    code = (
        "import sys, actions, rasa_kustomer; print(rasa_kustomer.__file__); "
        "print([name for name in sys.modules if name.startswith('actions.')])"
    )
    shown = output_of(environment.bare, code, checkout)
    assert [str(checkout / "actions/rasa_kustomer/__init__.py"), "[]"] == shown.splitlines()
