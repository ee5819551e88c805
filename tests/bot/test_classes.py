"""Classes of a bot that take the name of an action of ours are found without running the bot's code."""

from pathlib import Path

import pytest
from tests.bot.folders import CONFIG, write
from typer.testing import CliRunner

from rasa_kustomer.bot.classes import namesakes
from rasa_kustomer.bot.domain import ACTIONS
from rasa_kustomer.bot.files import bot_files
from rasa_kustomer.cli import app

ACTION = "from rasa_sdk import Action\n\nclass Profile(Action):\n    def name(self):\n        return {}\n"


def found(folder: Path) -> list[tuple[str, str, bool]]:
    same, problems = namesakes(bot_files(folder, ".py"))
    assert problems == []
    return sorted((one.action, one.name, one.direct) for one in same)


@pytest.mark.parametrize("file", ["actions.py", "actions/actions.py", "actions/profile/deep/start.py", "bot/custom.py"])
@pytest.mark.parametrize("action", ACTIONS)
def test_each_name_of_ours_is_found_in_a_module_a_package_and_deep_inside(
    file: str, action: str, tmp_path: Path
) -> None:
    write(tmp_path / file, ACTION.format(f'"{action}"'))
    assert found(tmp_path) == [(action, "Profile", True)]


NAMES = {
    "typed, with a docstring": "    def name(self) -> Text:\n        '''Our name.'''\n        return 'action_listen'\n",
    "asynchronous": "    async def name(self):\n        return 'action_listen'\n",
    "an attribute": "    name = 'action_listen'\n",
    "a lambda": "    name = lambda self: 'action_listen'\n",
    "a constant of the module": "    def name(self):\n        return LISTEN\n",
    "an attribute of the class": "    NAME = 'action_listen'\n    def name(self):\n        return self.NAME\n",
    "an annotated attribute": "    NAME: str = 'action_listen'\n    def name(self):\n        return type(self).NAME\n",
    "set later": "    def __init__(self):\n        self.n = LISTEN\n    def name(self):\n        return self.n\n",
    "an f-string": "    def name(self):\n        return f'action_{WHAT}'\n",
    "a sum": "    def name(self):\n        return 'action_' + WHAT\n",
    "one of two": "    def name(self):\n        return LISTEN if FLAG else 'action_other'\n",
    "two returns": "    def name(self):\n        if FLAG:\n            return 'x'\n        return 'action_listen'\n",
    "a static method": "    @staticmethod\n    def name():\n        return 'action_listen'\n",
    "a constant of another module": "    def name(self):\n        return names.FROM_ELSEWHERE\n",
}


@pytest.mark.parametrize("name", NAMES)
def test_the_name_is_found_however_it_is_written(name: str, tmp_path: Path) -> None:
    write(tmp_path / "actions/names.py", "FROM_ELSEWHERE = 'action_listen'\n")
    head = "import rasa_sdk\nLISTEN = 'action_listen'\nWHAT = 'listen'\nclass Ours(rasa_sdk.Action):\n"
    write(tmp_path / "actions/listen.py", head + NAMES[name])
    assert found(tmp_path) == [("action_listen", "Ours", True)]


OTHERS = {
    "another name": ACTION.format("'action_profile'"),
    "no action": "class Name:\n    def name(self):\n        return 'action_listen'\n",
    "no action either": "from abc import ABC\nclass Name(ABC):\n    def name(self):\n        return 'action_listen'\n",
    "a name made while it runs": ACTION.format("make('action_listen')"),
    "a name that means itself": "NAME = NAME\n" + ACTION.format("NAME"),
    "only spoken of": "# class X(Action): name = 'action_listen'\nNAME = 'action_listen'\n",
    "classes that derive from each other": "class A(B):\n    pass\nclass B(A):\n    pass\n",
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_classes_are_left_alone(name: str, tmp_path: Path) -> None:
    write(tmp_path / "actions/actions.py", OTHERS[name])
    assert found(tmp_path) == []


DERIVED = {
    "by name": "from rasa_kustomer.actions import ActionListen\nclass Mine(ActionListen):\n",
    "by another name": "from rasa_kustomer.actions import ActionListen as Theirs\nclass Mine(Theirs):\n",
    "by the star": "from rasa_kustomer.actions import *\nclass Mine(ActionListen):\n",
    "by the module": "import rasa_kustomer.actions\nclass Mine(rasa_kustomer.actions.ActionListen):\n",
    "by the module's other name": "import rasa_kustomer.actions as ra\nclass Mine(ra.ActionListen):\n",
    "by the module in the package": "from rasa_kustomer import actions\nclass Mine(actions.ActionListen):\n",
}


@pytest.mark.parametrize("name", DERIVED)
def test_a_class_made_from_ours_is_meant_to_take_its_place(name: str, tmp_path: Path) -> None:
    write(tmp_path / "actions/a.py", DERIVED[name] + "    def name(self):\n        return 'action_listen'\n")
    write(tmp_path / "actions/b.py", "from actions.a import Mine\nclass Other(Mine):\n    pass\n")
    assert found(tmp_path) == []


def test_the_star_does_not_excuse_a_class_of_ones_own(tmp_path: Path) -> None:
    write(tmp_path / "actions/__init__.py", "from rasa_kustomer.actions import *\n" + ACTION.format("'action_listen'"))
    assert found(tmp_path) == [("action_listen", "Profile", True)]


def test_names_that_are_inherited_are_found(tmp_path: Path) -> None:
    write(
        tmp_path / "actions/base.py",
        "from rasa_sdk import Action\nclass Base(Action):\n    N = ''\n    def name(self):\n        return self.N\n",
    )
    write(tmp_path / "actions/x.py", "from actions.base import Base\nclass Middle(Base):\n    N = 'action_x'\n")
    write(tmp_path / "actions/z.py", "class Start(Middle):\n    N = 'action_session_start'\n")
    write(
        tmp_path / "actions/y.py",
        "class Mixin:\n    def name(self):\n        return 'action_listen'\n\nclass Ours(Mixin, Action):\n    pass\n",
    )
    assert found(tmp_path) == [("action_listen", "Ours", True), ("action_session_start", "Start", False)]


def test_files_that_are_no_python_are_passed_over_with_a_word(tmp_path: Path) -> None:
    write(tmp_path / "config.yml", CONFIG)
    write(tmp_path / "actions/a_old.py", "print 'Python 2'\n")
    write(tmp_path / "actions/b_null.py", b"x = 1\x00\n")
    write(tmp_path / "actions/c_words.py", "x = 'für'\n".encode("latin-1"))
    write(tmp_path / "actions/d_deep.py", "x = " + "(" * 5000 + ")" * 5000)
    write(tmp_path / "actions/e_cookie.py", "# -*- coding: latin-1 -*-\nx = 'für'\n".encode("latin-1"))
    write(tmp_path / "actions/z.py", ACTION.format("'action_listen'"))
    output = CliRunner().invoke(app, ["init", str(tmp_path), "--dry-run"]).output
    assert [name for name in "abcd" if f"actions/{name}_" in output] == ["a", "b", "c", "d"]
    assert "e_cookie" not in output
    assert "actions/z.py:3: your class Profile has the name action_listen" in output
    assert "ours runs and yours does not" in output


def test_check_in_the_bots_folder_says_it_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "config.yml", CONFIG)
    write(tmp_path / "actions/actions.py", ACTION.format("'action_session_start'"))
    output = CliRunner(env={"COLUMNS": "400"}).invoke(app, ["check"]).output
    assert "actions/actions.py:3: your class Profile has the name action_session_start" in output
    assert "ours runs" in output

    write(tmp_path / "actions/actions.py", DERIVED["by name"] + "    pass\n")
    assert "your class" not in CliRunner(env={"COLUMNS": "400"}).invoke(app, ["check"]).output
