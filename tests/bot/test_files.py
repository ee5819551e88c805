"""Files that cannot be read are named, with the cure, by `check` and `init` alike; the others are read all the same."""

import os
from pathlib import Path

import pytest
from tests.bot.folders import CONFIG, DOMAIN, write
from typer.testing import CliRunner

from rasa_kustomer.bot.domain import check_domain
from rasa_kustomer.bot.files import Reader, yaml_files
from rasa_kustomer.cli import app

SLOTS = "slots:\n  email:\n    type: text\n    mappings: [{type: from_text}]\n"
UTF8, FIX, QUOTES = "save it as UTF-8", "fix it", "put it into quotes"
UNREADABLE: dict[str, tuple[str | bytes, int | None, str]] = {
    "UTF-16": (SLOTS.encode("utf-16"), 1, UTF8),
    "UTF-16 without a mark": (SLOTS.encode("utf-16-le"), 1, UTF8),
    "Latin-1": (f"{SLOTS}# für alle\n".encode("latin-1"), 5, UTF8),
    "no text": (b"\x89PNG\r\n\x1a\n\x00\x00", 1, UTF8),
    "a control character": ("slots: {}\n# \x01\n", 2, UTF8),
    "no YAML": ("slots:\n  email: [\n", 3, FIX),
    "a tab": ("slots:\n\temail: {}\n", 2, FIX),
    "merged by hand": ("<<<<<<< ours\nslots: {}\n=======\nactions: []\n>>>>>>> theirs\n", 2, FIX),
    "a key twice": ("slots: {}\nactions: []\nslots: {}\n", 3, "keep one"),
    "a tag of another program": ("slots:\n  email: !Ref Email\n", 2, FIX),
    "a tag that would run": ("slots:\n  email: !!python/object:os.system {}\n", 2, FIX),
    "an alias without an anchor": ("slots: *none\n", 1, FIX),
    "several documents": ("slots: {}\n---\nactions: []\n", 2, FIX),
    "another version of YAML": ("%YAML 2.0\n---\nslots: {}\n", 1, FIX),
    "no date": ("slots: {}\nsession_config:\n  since: 2025-13-45\n", 3, QUOTES),
    "no time": ("slots: {}\nsince: 2025-01-01T25:61:00Z\n", 2, QUOTES),
    "a huge number": (f"slots: {{}}\nsize: {'9' * 5000}\n", 2, QUOTES),
    "a switch that is none": ("slots: {}\non: !!bool maybe\n", 2, QUOTES),
    "nested too deeply": ("slots: {}\nx: " + "[" * 1000, None, "too deeply"),
    "anchors that merge each other": (
        "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 40)),
        None,
        "too deeply",
    ),
    "a list": ("- 1\n- 2\n", 1, "a list"),
    "a text": ("just words\n", 1, "text"),
    "a number for actions": ("slots: {}\nactions: 5\n", 2, FIX),
    "actions as a mapping": ("actions:\n  action_x: {}\n", 1, FIX),
    "a number among the actions": ("actions:\n  - action_x\n  - 5\n", 3, FIX),
    "a list among the actions": ("actions:\n  - action_x\n  - [action_y]\n", 3, FIX),
    "two names in one entry": ("actions:\n  - {a: {}, b: {}}\n", 2, FIX),
    "nothing under actions": ("slots: {}\nactions:\n", 2, FIX),
    "slots as a list": ("actions: []\nslots:\n  - email\n", 2, FIX),
    "nothing under slots": ("slots:\n", 1, FIX),
    "a slot that is text": ("slots:\n  email: text\n", 2, FIX),
    "a slot without anything": ("slots:\n  email:\n", 2, FIX),
    "a number as a slot's name": ("slots:\n  5: {type: text}\n", 2, FIX),
    "responses as a list": ("responses:\n  - utter_x\n", 1, FIX),
    "a response that is text": ("responses:\n  utter_x: Hello\n", 2, FIX),
    "true for responses": ("responses: true\n", 1, FIX),
}


@pytest.fixture
def bot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bot with a domain folder; the commands run in it."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "config.yml", CONFIG)
    write(tmp_path / "domain/a_bot.yml", DOMAIN)
    return tmp_path


def run(*arguments: str) -> str:
    """What a command prints, without the line ends that a table needs; it ends by itself."""
    result = CliRunner(env={"COLUMNS": "400"}).invoke(app, arguments)
    assert isinstance(result.exception, SystemExit | None), result.exception
    return result.output


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_rasa_cannot_read_is_named_with_line_and_cure_by_check_and_init(name: str, bot: Path) -> None:
    content, line, cure = UNREADABLE[name]
    write(bot / "domain/b_broken.yml", content)
    where = "domain/b_broken.yml" if line is None else f"domain/b_broken.yml:{line}: "
    for output in (run("check", "--domain", "domain"), run("init", "--dry-run")):
        (told, *more) = [text for text in output.splitlines() if "b_broken" in text]
        assert where in told
        assert cure in told
        assert more == []

    write(bot / "domain/b_broken.yml", SLOTS)
    assert "b_broken" not in run("check", "--domain", "domain") + run("init", "--dry-run")


@pytest.mark.parametrize("name", UNREADABLE)
def test_the_other_files_are_read_all_the_same(name: str, bot: Path) -> None:
    write(bot / "domain/b_broken.yml", UNREADABLE[name][0])
    write(bot / "domain/c_more.yml", "slots:\n  kustomer_ticket: {type: text}\n")
    (slots,) = [one.message for one in check_domain(Path("domain")) if one.item == "domain: slots"]
    assert "kustomer_customer_id" in slots
    assert "kustomer_ticket" not in slots


@pytest.mark.parametrize("name", ["UTF-16", "no YAML", "a number for actions"])
def test_a_domain_that_is_one_file_is_told_the_same(name: str, bot: Path) -> None:
    content, line, cure = UNREADABLE[name]
    write(bot / "domain.yaml", content)
    told = next(one.message for one in check_domain(Path("domain.yaml")) if one.item == "domain")
    assert told.startswith(f"domain.yaml:{line}: ")
    assert cure in told


@pytest.mark.parametrize("file", ["data/nlu.yaml", "data/deep/rules.yml", "endpoints.yml"])
def test_the_same_holds_for_data_and_endpoints(file: str, bot: Path) -> None:
    write(bot / file, "rules: [\n")
    assert f"{file}:2: " in run("check")
    assert f"Fix {file}:2: " in run("init", "--dry-run")


@pytest.mark.parametrize(
    "section", ["rules: 5", "stories: {a: 1}", "nlu: x", "rules:\n- 5", "rules:\n- rule: r\n  steps: 7"]
)
def test_sections_of_data_have_a_shape_too(section: str, bot: Path) -> None:
    write(bot / "data/all.yml", f"{section}\n")
    assert "data/all.yml:" in run("check")
    assert "Fix data/all.yml:" in run("init", "--dry-run")


def test_init_does_not_claim_what_it_could_not_see(bot: Path) -> None:
    """A slot may be declared in the file that cannot be read."""
    assert "no slot named" in run("init", "--dry-run")
    write(bot / "domain/slots.yml", SLOTS.encode("utf-16"))
    assert "no slot named" not in run("init", "--dry-run")


def test_no_value_of_a_file_is_shown(bot: Path) -> None:
    write(bot / "endpoints.yml", "token: secret-1\nother: 1\ntoken: secret-2\n")
    write(bot / "data/b.yml", "since: 2025-13-45\n")
    output = run("check") + run("init", "--dry-run")
    assert "endpoints.yml:3: " in output
    assert "secret-" not in output
    assert "2025-13" not in output


def test_a_link_that_leads_nowhere_and_a_pipe_are_no_files(bot: Path) -> None:
    (bot / "domain/gone.yml").symlink_to(bot / "nowhere.yml")
    os.mkfifo(bot / "domain/pipe.yml")
    output = run("check", "--domain", "domain")
    assert "domain/gone.yml: this file cannot be read" in output
    assert "domain/pipe.yml: this file cannot be read" in output


def test_a_folder_named_like_a_file_and_a_link_that_leads_back_are_gone_through_once(bot: Path) -> None:
    write(bot / "domain/x.yml/slots.yaml", SLOTS)
    (bot / "domain/x.yml/back").symlink_to(bot / "domain")
    assert yaml_files(bot / "domain") == [bot / "domain/a_bot.yml", bot / "domain/x.yml/slots.yaml"]
    assert "this is" not in run("check", "--domain", "domain")


def test_what_only_looks_odd_is_read(bot: Path) -> None:
    """Rasa reads these: a mark at the beginning, variables, anchors, anchors that multiply, an empty file."""
    bomb = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    write(bot / "domain/mark.yml", "\ufeff" + SLOTS)
    write(bot / "domain/variable.yml", "responses:\n  utter_x:\n    - text: ${NOT_SET}\n")
    write(bot / "domain/anchor.yml", "slots:\n  a: &a {type: text}\n  b: *a\n  c: {<<: *a}\n")
    write(bot / "domain/bomb.yml", f"a0: &a0 [x]\n{bomb}")
    write(bot / "domain/empty.yml", "# nothing yet\n")
    reader = Reader()
    assert [reader.read(file) is None for file in yaml_files(bot / "domain")].count(True) == 1
    assert reader.problems == []
    assert "fail" not in {one.level for one in check_domain(Path("domain")) if one.item == "domain"}


def test_names_are_shown_as_they_are_and_nothing_in_them_breaks_the_page(bot: Path) -> None:
    """Brackets are no markup; what is no character, and a line's end, is left out."""
    write(bot / "domain/[/red] draft.yml", "slots: 5\n")
    write(bot / "domain/f\udcfcr.yml", "slots: 5\n")
    write(bot / "data/s.yml", 'stories:\n- story: "[/b]\\e[31m\\n two"\n  steps: [{intent: human_handoff}]\n')
    for output in (run("check", "--domain", "domain"), run("init")):
        assert "domain/[/red] draft.yml:1: " in output
        assert "domain/f r.yml:1: " in output
    assert 'story "[/b] [31m two" (human_handoff)' in run("check")


def test_data_that_rasa_passes_over_is_no_problem(bot: Path) -> None:
    write(bot / "data/lookup.yml", "- 1\n- 2\n")
    assert "lookup" not in run("check") + run("init", "--dry-run")


def test_a_link_to_everything_is_not_searched(bot: Path) -> None:
    write(bot / "data/nlu.yml", "nlu: []\n")
    (bot / "data/up").symlink_to("/")
    (bot / "root").symlink_to(bot.parent)
    assert yaml_files(bot / "data") == [bot / "data/nlu.yml"]
    assert "Train the bot" in run("init", "--dry-run")


def test_a_folder_that_is_no_bot_is_not_searched(bot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`check` is run in any folder."""
    write(bot / "else/a/broken.yml", "rules: [\n")
    monkeypatch.chdir(bot / "else")
    assert "bot's files" not in run("check")
