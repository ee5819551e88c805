"""The house stays small and in order; scripts/measure_house.py prints the figures, docs/adr/0013 has the reasons."""

import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from scripts.measure_house import ROOT, House, Module, import_circle, shared_names
from tests.golden.plant import Plant, play

HOUSE = House.of()
PRODUCT = ROOT / "actions" / "rasa_kustomer"
MAX_MODULE_LINES = 240
MAX_FUNCTION_LINES = 40  # its docstring apart
MAX_CLASSES_PER_NAME = 3
COMMON_NAMES = {
    "close": "files, connections, pools and tasks: Python's own word, and one meaning everywhere",
    "start": "what runs in the background: the word of threads and servers",
    "stop": "as start",
}
MAX_LINES = {"core": 14_450, "extras": 2_300, "sandbox": 2_780, "page": 720}
MAX_FILES_OF_A_HANDOFF = 58
PARTS = {"core": HOUSE.core, "extras": HOUSE.extras, "sandbox": HOUSE.sandbox}
EVERYWHERE = pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)


@EVERYWHERE
def test_no_module_is_longer_than_a_reader_keeps_in_mind(part: list[Module]) -> None:
    assert [f"{one.name}: {one.lines}" for one in part if one.lines > MAX_MODULE_LINES] == []


@EVERYWHERE
def test_no_function_is_longer_than_a_page(part: list[Module]) -> None:
    found = (one for module in part for one in module.functions())
    assert [f"{name}: {lines}" for name, lines in found if lines > MAX_FUNCTION_LINES] == []


def test_no_method_name_has_more_than_three_meanings() -> None:
    """What a class inherits or overrides is one meaning."""
    many = {name: owners for name, owners in shared_names(HOUSE.core).items() if len(owners) > MAX_CLASSES_PER_NAME}
    assert {name: owners for name, owners in many.items() if name not in COMMON_NAMES} == {}
    assert COMMON_NAMES.keys() <= many.keys(), "an exception that nothing needs any more"


@pytest.mark.parametrize(
    ("package", "modules"),
    [("rasa_kustomer", HOUSE.core + HOUSE.extras), ("kustomer_sandbox", HOUSE.sandbox)],
    ids=["plugin", "sandbox"],
)
def test_no_modules_import_each_other_in_a_circle(package: str, modules: list[Module]) -> None:
    assert import_circle(package, modules) == []


@pytest.mark.parametrize("part", MAX_LINES)
def test_the_house_grows_by_a_decision_only(part: str) -> None:
    """Whoever needs more changes the figure here, and says why in the commit."""
    lines = HOUSE.page_lines if part == "page" else sum(one.lines for one in PARTS[part])
    assert lines <= MAX_LINES[part]


def test_a_handoff_is_followed_through_few_files(tmp_path: Path, tracer: "Tracer") -> None:
    """From the action that is called until the user hears that the ticket was created, the worker's part included."""

    async def scenario(plant: Plant) -> None:
        plant.configure(idle_close_minutes="0", retention_days="0")  # what is done by the clock is no part of it
        await plant.start()
        chat = plant.chat()
        await chat.starts()
        await chat.says("hello")
        await plant.delivered()
        with tracer:
            await chat.wants_a_human()
        await plant.delivered()

    heard = [entry["hears"] for entry in play(scenario, tmp_path) if "hears" in entry]

    assert "passed this on" in heard[-1]
    assert len(tracer.files) <= MAX_FILES_OF_A_HANDOFF, sorted(tracer.files)


class Tracer:
    """Notes which of the plugin's files are entered while it is on, in all threads."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self._on = False

    def __enter__(self) -> None:
        self._on = True

    def __exit__(self, *_: object) -> None:
        self._on = False

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        file = frame.f_code.co_filename
        if self._on and event == "call" and file.startswith(str(PRODUCT)):
            self.files.add(str(Path(file).relative_to(PRODUCT)))


@pytest.fixture
def tracer() -> Any:
    tracer, before = Tracer(), sys.getprofile()
    threading.setprofile(tracer)
    sys.setprofile(tracer)
    yield tracer
    sys.setprofile(before)
    threading.setprofile(None)
