"""`make mutants`: break each rule in a copy of the repository and show that a test notices.

Each module beside this one has a list `MUTANTS`. Arguments name the modules to run; without any, all are. Exit code 1
when a mutant survives, when its place in the code has moved, or when its tests fail without it.
"""

import importlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

from tests.mutants.mutant import Mutant

ROOT = Path(__file__).parents[2]
LANES = os.cpu_count() or 1
HANGS_AFTER = 30.0, 4.0  # seconds, and times what the tests take without the mutant: one that hangs is noticed too
PASSED, FAILED = 0, 1  # pytest's exit codes
NOT_MUTANTS = {"__init__", "mutant", "run"}


def main() -> None:
    """Run the mutants of the named modules."""
    names = sys.argv[1:] or sorted({file.stem for file in Path(__file__).parent.glob("*.py")} - NOT_MUTANTS)
    mutants = [one for name in names for one in importlib.import_module(f"tests.mutants.{name}").MUTANTS]
    began = time.monotonic()
    problems = _misplaced(mutants) or _all_in_lanes(mutants)
    print(f"\n{len(mutants)} mutants, {len(problems)} survivors ({time.monotonic() - began:.0f} s)")
    raise SystemExit(bool(problems) or not mutants)


def _misplaced(mutants: Iterable[Mutant]) -> list[str]:
    """Mutants whose place in the code has moved: each of them would seem to be noticed."""
    moved = [one for one in mutants if (ROOT / one.file).read_text(encoding="utf-8").count(one.old) != 1]
    for one in moved:
        print(f"MOVED     {one.rule}\n          {one.file} does not hold its text exactly once", flush=True)
    return [one.rule for one in moved]


def _all_in_lanes(mutants: list[Mutant]) -> list[str]:
    copies: SimpleQueue[Path] = SimpleQueue()
    sound: dict[str, _Ended] = {}  # several mutants share tests
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, ThreadPoolExecutor(LANES) as pool:
        for number in range(LANES):
            copies.put(_copy(Path(folder) / str(number)))

        def one(mutant: Mutant) -> str | None:
            copy = copies.get()
            try:
                return _problem(copy, mutant, sound)
            finally:
                copies.put(copy)

        return [mutant.rule for mutant, problem in zip(mutants, pool.map(one, mutants), strict=True) if problem]


def _copy(target: Path) -> Path:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


class _Ended(NamedTuple):
    code: int | None  # pytest's; None when it took too long
    seconds: float


def _problem(copy: Path, mutant: Mutant, sound: dict[str, _Ended]) -> str | None:
    """What is wrong with the mutant's tests; None when they pass without it and fail with it."""
    file, began = copy / mutant.file, time.monotonic()
    text = file.read_text(encoding="utf-8")
    if mutant.tests not in sound:
        sound[mutant.tests] = _test(copy, mutant, None)
    if (before := sound[mutant.tests]).code != PASSED:
        return _say("BROKEN", mutant, began, f"its tests end with {before.code} without it: {mutant.tests}")
    file.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    least, times = HANGS_AFTER
    try:
        after = _test(copy, mutant, least + times * before.seconds).code
    finally:
        file.write_text(text, encoding="utf-8")
    if after == PASSED:
        return _say("SURVIVED", mutant, began, f"{mutant.tests} passes in spite of it")
    if after not in {FAILED, None}:
        return _say("BROKEN", mutant, began, f"its tests end with {after} instead of failing: {mutant.tests}")
    _say("noticed", mutant, began)
    return None


def _test(copy: Path, mutant: Mutant, timeout: float | None) -> _Ended:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *mutant.tests.split()]
    # The copy's packages go before the installed ones, also in programs that a test starts; without byte code, since
    # two versions of a file within a second would share it.
    path = os.pathsep.join([str(copy / "actions"), str(copy / "sandbox"), str(copy)])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    began = time.monotonic()
    try:
        code = subprocess.run(
            command, cwd=copy, env=environment, check=False, capture_output=True, timeout=timeout
        ).returncode
    except subprocess.TimeoutExpired:
        return _Ended(None, time.monotonic() - began)
    return _Ended(code, time.monotonic() - began)


def _say(verdict: str, mutant: Mutant, began: float, more: str = "") -> str:
    seconds = time.monotonic() - began
    print(f"{verdict:<9} {mutant.rule} ({seconds:.0f} s)" + (f"\n          {more}" if more else ""), flush=True)
    return more or mutant.rule


if __name__ == "__main__":
    main()
