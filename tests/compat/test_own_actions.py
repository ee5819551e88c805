"""A bot's own actions with a name of ours: which one rasa-sdk runs, and the guide's way to keep one's own."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.helpers import without_settings

from rasa_kustomer.bot.classes import namesakes

GUIDE = Path(__file__).parents[2] / "docs/designers.md"
SECTION = re.search(r"## Keep an action of your own\n(.*?)\n## ", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
OWN = """
from rasa_sdk import Action

class {name}({base}):
    def name(self):
        return "action_session_start"

    async def run(self, dispatcher, tracker, domain):
        return []
"""
BASE = "from rasa_sdk import Action\n\nclass Base(Action):\n    def name(self):\n        return 'base'\n"
IMPORT = "from rasa_kustomer.actions import *\n"

# Registers a bot's actions as rasa-sdk does, and runs those two as rasa-sdk would.
REGISTER = r"""
import asyncio, inspect, json, sys
from rasa_sdk import Tracker
from rasa_sdk.executor import ActionExecutor, CollectingDispatcher

executor = ActionExecutor()
executor.register_package("actions")
chosen, results = {}, {}
for name in ("action_session_start", "action_listen"):
    run = executor.actions[name]
    chosen[name] = type(run.__self__).__name__
    tracker = Tracker.from_dict({"sender_id": "ann", "slots": {}, "latest_message": {}, "events": []})
    results[name] = asyncio.run(run(CollectingDispatcher(), tracker, {}))
print(json.dumps([chosen, results]))
"""


def registered(folder: Path) -> list[dict[str, object]]:
    environment = without_settings()
    done = subprocess.run(
        [sys.executable, "-c", REGISTER], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    chosen, results = json.loads(done.stdout.splitlines()[-1])
    return [chosen, results]


def bot(folder: Path, **modules: str) -> Path:
    (folder / "actions").mkdir()
    for name, text in modules.items():
        (folder / "actions" / f"{name}.py").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("modules", "winner"),
    [
        ({"__init__": IMPORT, "a": OWN.format(name="Own", base="Action")}, "ActionSessionStart"),
        ({"__init__": "", "a": OWN.format(name="Own", base="Action"), "b": IMPORT}, "ActionSessionStart"),
        ({"__init__": IMPORT, "a": BASE + OWN.format(name="Own", base="Base")}, "Own"),
        ({"__init__": "", "a": BASE + OWN.format(name="Own", base="Base"), "b": IMPORT}, "ActionSessionStart"),
    ],
    ids=["ours first", "theirs first", "with a base of its own, ours first", "with a base of its own, theirs first"],
)
def test_which_one_runs_is_what_is_said(modules: dict[str, str], winner: str, tmp_path: Path) -> None:
    chosen, _ = registered(bot(tmp_path, **modules))
    (said,), _ = namesakes((tmp_path / "actions").rglob("*.py"))
    assert chosen["action_session_start"] == winner
    assert said.direct == ("Base" not in modules["a"])  # only then can one know: ours


def test_the_guides_own_actions_run_and_add_to_ours(tmp_path: Path) -> None:
    assert SECTION is not None
    blocks = re.findall(r"```python\n(.*?)```", SECTION[1], re.DOTALL)
    files = bot(tmp_path, __init__=IMPORT, **{f"own_{number}": block for number, block in enumerate(blocks)})
    chosen, results = registered(files)
    assert chosen == {"action_session_start": "ActionStartWithProfile", "action_listen": "ActionListenAndCount"}
    assert [(one["event"], one.get("name")) for one in results["action_session_start"]] == [  # type: ignore[attr-defined]
        ("session_started", None),
        ("slot", "plan"),
        ("action", "action_listen"),
    ]
    assert results["action_listen"] == []
    assert namesakes((files / "actions").rglob("*.py")) == ([], [])
