"""A bot's YAML files, with line numbers, and the reasons why some cannot be read."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.reader import ReaderError

ENDINGS = (".yml", ".yaml")  # Rasa reads both, in small letters only
MAX_MERGED = 100_000  # keys in one mapping
# Not part of a bot: environments, caches, models, hidden folders, and test conversations.
NOT_THE_BOT = {"models", "results", "node_modules", "site-packages", "venv", "env", "__pycache__", "build", "dist"}
TESTS = {"test", "tests", "e2e_tests"}


@dataclass(frozen=True)
class Problem:
    """What is wrong with a file, and what to do about it."""

    file: Path
    line: int | None
    what: str

    def at(self, folder: Path) -> str:
        """For people, with the file as seen from a folder."""
        return f"{place(self.file, self.line, folder)}: {self.what}"


def place(file: Path, line: int | None, folder: Path) -> str:
    """A file and line as seen from a folder, if it is in there."""
    name = printable(file.relative_to(folder) if file.is_relative_to(folder) else file)
    return name if line is None else f"{name}:{line}"


def printable(name: object) -> str:
    """A name from a bot for a terminal: on one line, without control characters."""
    return " ".join("".join(one if one.isprintable() else " " for one in str(name)).split())


class Block(dict[Any, Any]):
    """A mapping of a YAML file that knows the line of each key."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: dict[Any, int] = {}


class Items(list[Any]):
    """A list of a YAML file that knows the line of each item."""

    def __init__(self, lines: Iterable[int] = ()) -> None:
        super().__init__()
        self.lines = list(lines)


class _Constructor(SafeConstructor):  # type: ignore[misc]  # ruamel ships no types that mypy is shown
    line: int | None = None

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        self.line = node.start_mark.line + 1
        return super().construct_object(node, deep=deep)

    def flatten_mapping(self, node: Any) -> Any:
        """Merge `<<`; a few lines that merge each other can make billions."""
        flat = super().flatten_mapping(node)
        if len(node.value) > MAX_MERGED:
            raise RecursionError
        return flat


def _block(constructor: _Constructor, node: Any) -> Iterator[Block]:
    block = Block()
    yield block
    block.update(constructor.construct_mapping(node))
    keys = ((constructor.construct_object(found), found.start_mark.line + 1) for found, _ in node.value)
    block.lines.update((key, line) for key, line in keys if key in block)


def _items(constructor: _Constructor, node: Any) -> Iterator[Items]:
    items = Items(found.start_mark.line + 1 for found in node.value)
    yield items
    items.extend(constructor.construct_sequence(node))


_Constructor.add_constructor("tag:yaml.org,2002:map", _block)
_Constructor.add_constructor("tag:yaml.org,2002:seq", _items)


@dataclass
class Reader:
    """Reads files, and keeps why some could not be read."""

    problems: list[Problem] = field(default_factory=list)

    def failed(self, file: Path) -> bool:
        """Whether something in the file could not be read."""
        return any(problem.file == file for problem in self.problems)

    def read(self, file: Path) -> Any:
        """The content of a YAML file; None when it is empty or cannot be read."""
        text = self.text(file)
        if text is None:
            return None
        yaml = YAML(typ="safe", pure=True)
        yaml.Constructor = _Constructor
        try:
            return yaml.load(text)
        except Exception as error:  # noqa: BLE001 - values raise whatever Python raises for them
            self.problems.append(Problem(file, *_why(error, text, yaml.constructor.line)))
            return None

    def mapping(self, file: Path, *, ignored: bool = False) -> Block:
        """The content of a YAML file that should be a mapping; empty when it is not, which Rasa may ignore."""
        content = self.read(file)
        if isinstance(content, Block):
            return content
        if content is not None and not ignored:
            line = content.lines[0] if isinstance(content, Items) and content else 1
            self.problems.append(
                Problem(file, line, f"this is {_kind(content)}, where Rasa expects sections such as `slots:`")
            )
        return Block()

    def section(self, file: Path, content: Block, name: str, kind: type[Block] | type[Items]) -> Any:
        """A section of a file; an empty one when it is missing or Rasa does not accept its shape."""
        if name not in content:
            return kind()
        if isinstance(content[name], kind):
            return content[name]
        self.shape(file, content.lines.get(name), f"`{name}`", content[name], kind)
        return kind()

    def shape(self, file: Path, line: int | None, what: str, found: object, wanted: type) -> None:
        """Note that something does not have the shape that Rasa accepts."""
        self.problems.append(Problem(file, line, f"{what} is {_kind(found)}, but must be {_KINDS[wanted]}: fix it"))

    def text(self, file: Path) -> str | None:
        """A file's text; None when there is none to read."""
        try:
            if not file.is_file():  # a pipe would be waited for
                self.problems.append(Problem(file, None, "this file cannot be read: remove it or fix the link"))
                return None
            raw = file.read_bytes()
            return raw.decode("utf-8")
        except OSError as error:
            self.problems.append(Problem(file, None, f"it cannot be opened ({error.strerror}): fix its permissions"))
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            self.problems.append(Problem(file, line, "it is not in UTF-8: save it as UTF-8"))
        return None


_KINDS: dict[type, str] = {
    Block: "a mapping (`name: ...`)",
    Items: "a list (`- ...`)",
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "empty",
}


def _kind(value: object) -> str:
    return _KINDS.get(type(value), f"a {type(value).__name__}")


def _why(error: Exception, text: str, line: int | None) -> tuple[int | None, str]:
    """Line and sentence for what the YAML reader raised; no value of the file is in it."""
    if isinstance(error, ReaderError):
        return text.count("\n", 0, error.position) + 1, "a character is not allowed in YAML: save it as UTF-8"
    if isinstance(error, RecursionError):
        return line, "it is nested too deeply: fix its brackets and indentation"
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        at = line if mark is None else mark.line + 1
        if isinstance(error, DuplicateKeyError):  # whose words have the values in them
            return at, "a key occurs twice: keep one"
        return at, f"this is not YAML that Rasa reads ({' '.join(str(error.problem).split())}): fix it there"
    return line, "a value cannot be read as the date, number or switch that it looks like: put it into quotes"


def yaml_files(folder: Path) -> list[Path]:
    """All YAML files in a folder as Rasa finds them, or the file itself; a link that leads back is followed once."""
    if not folder.is_dir():
        return [folder] if os.path.lexists(folder) else []
    return sorted(file for file in _walk(folder, lambda _: True) if file.suffix in ENDINGS)


def is_bot(folder: Path) -> bool:
    """Whether Rasa would train what is in the folder."""
    return bool(either(folder, "config") and (either(folder, "domain") or (folder / "domain").is_dir()))


def bot_files(folder: Path, *endings: str) -> list[Path]:
    """A bot's files with one of the endings; without environments, models, tests, hidden folders and other bots."""
    tests = {folder / name for name in TESTS}

    def wanted(path: Path) -> bool:
        hidden = path.name.startswith(".") or path.name in NOT_THE_BOT or (path / "pyvenv.cfg").exists()
        return not (hidden or path in tests or is_bot(path))

    return sorted(file for file in _walk(folder, wanted) if file.suffix in endings)


def _walk(folder: Path, wanted: Callable[[Path], bool]) -> Iterator[Path]:
    seen = {str(parent) for parent in folder.resolve().parents}  # a link to one of these leads to everything else
    for root, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(root)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if wanted(Path(root, name)))
        yield from (Path(root, name) for name in files)


def either(folder: Path, stem: str) -> list[Path]:
    """`stem.yml` and `stem.yaml` in a folder, as far as they are there; Rasa's own choice first."""
    return [file for ending in ENDINGS if os.path.lexists(file := folder / f"{stem}{ending}")]
