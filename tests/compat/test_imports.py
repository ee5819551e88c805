"""Importing does nothing: rasa-sdk imports every submodule in the server's parent process and in each worker."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Imports every submodule under an audit hook and prints what they did beyond that.
WATCH = r"""
import importlib, os, pkgutil, sys, threading

seen = []
FORBIDDEN = ("socket.connect", "socket.bind", "sqlite3.connect", "subprocess.Popen", "os.mkdir", "os.remove")


def audit(event, arguments):
    if not watching:
        return
    if event in FORBIDDEN:
        seen.append(f"{event} {arguments}")
    if event == "open" and (any(flag in str(arguments[1]) for flag in "wax+") or str(arguments[0]).endswith(".env")):
        seen.append(f"open {arguments}")


class Watched(dict):
    def __getitem__(self, name):
        if watching and name.startswith(b"KUSTOMER_"):
            seen.append(f"environment {name}")
        return super().__getitem__(name)


watching = False
sys.addaudithook(audit)
os.environ._data = Watched(os.environ._data)
watching = True  # from here on, since walking imports the packages
import kustomer_sandbox, rasa_kustomer

names = [
    found.name
    for package in (rasa_kustomer, kustomer_sandbox)
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
watching = False
if threading.active_count() != 1:
    seen.append(f"threads {threading.enumerate()}")
print(len(names), "modules")
print("\n".join(seen))
"""

# Registers our actions as rasa-sdk does for `--actions NAME`, for each name given.
REGISTER = r"""
import sys
from rasa_sdk.executor import ActionExecutor

executor = ActionExecutor()
for name in sys.argv[1:]:
    executor.register_package(name)
copies = {getattr(module, "__file__", None): 0 for module in sys.modules.values()}
for name, module in list(sys.modules.items()):
    copies[getattr(module, "__file__", None)] += "rasa_kustomer" in name
print([name for name in sys.modules if name.startswith("actions.")])
print([file for file, count in copies.items() if count > 1 and file])
print(sorted({type(action.__self__).__module__.split(".")[0] for name, action in executor.actions.items()
              if "kustomer" in name}))
"""


def fresh(code: str, *arguments: str) -> list[str]:
    """Run code in a new interpreter in the repository root and return the lines it printed."""
    environment = {**os.environ, "KUSTOMER_API_KEY": "never-read", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if line]


def test_importing_has_no_side_effects() -> None:
    """No submodule reads a setting, starts a thread, opens a connection or writes a file."""
    count, *did = fresh(WATCH)
    assert int(count.split()[0]) > 10
    assert did == []


def test_both_names_serve_one_copy() -> None:
    """Whatever `--actions` names, and even both in one process, each module exists once."""
    assert fresh(REGISTER, "actions", "rasa_kustomer.actions") == ["[]", "[]", "['rasa_kustomer']"]
    assert fresh(REGISTER, "rasa_kustomer.actions", "actions") == ["[]", "[]", "['rasa_kustomer']"]


def test_any_part_can_be_imported_first() -> None:
    """No import cycle hides behind a lucky order."""
    assert fresh(EACH_FIRST) == []


# Forgets the packages before each import: third-party modules stay, which keeps this quick.
EACH_FIRST = r"""
import importlib, pkgutil, sys
import kustomer_sandbox, rasa_kustomer

ours = (rasa_kustomer, kustomer_sandbox)
for name in [found.name for one in ours for found in pkgutil.iter_modules(one.__path__, f"{one.__name__}.")]:
    for loaded in [loaded for loaded in sys.modules if loaded.split(".")[0] in {one.__name__ for one in ours}]:
        del sys.modules[loaded]
    try:
        importlib.import_module(name)
    except ImportError as error:
        print(name, error)
"""
