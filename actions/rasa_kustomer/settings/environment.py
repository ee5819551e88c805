"""The plugin's variables as an admin meant them, from the environment and `.env`; the environment wins.

Invisible characters around a name or value are dropped, and so are quotes around a value: `docker --env-file` keeps
them, and editors add marks of their own. A line of `.env` that looks like a setting but cannot be read as one is a
problem, since a silently lost setting may expose what should be hidden.
"""

import os
import re
import unicodedata
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import Binding, parse_stream

PREFIX = "KUSTOMER_"
HIDDEN_SLOTS = f"{PREFIX}NOTE_HIDDEN_SLOTS"
_TEAM = f"{PREFIX}DEFAULT_TEAM_ID"  # compared without regard to what does not show, as names in Kustomer may hold it
_LOST = re.compile(r"[^#=]*?(?<![A-Za-z0-9_])KUSTOMER_")
_WRITTEN = re.compile(r"KUSTOMER_[A-Z0-9_]*")
_LINE_END = re.compile(r"\r\n|\n|\r")
# Pairs, typographic ones by their code points: “” „“ and the single ones, «».
_PAIRS = ('""', "''", "``", "\u201c\u201d", "\u201e\u201c", "\u201d\u201d", "\u2018\u2019", "\u201a\u2018",
          "\u2019\u2019", "\xab\xbb")  # fmt: skip
_QUOTES = {pair[0]: pair[1] for pair in _PAIRS}
QUOTE_CHARACTERS = frozenset(_QUOTES) | frozenset(_QUOTES.values())
_BLANK = frozenset("\u034f\u115f\u1160\u2800\u3164\uffa0")  # letters and marks that do not show either
_JOINERS = frozenset("\u200c\u200d")


@dataclass
class Variables:
    """What was found.

    Attributes:
        values: By name in capitals; never empty.
        places: Where each name was found, unknown and empty ones too.
        foreign: The same for names without our prefix.
        problems: One line for each that cannot be read.
        notes: One line for each that is read, but perhaps not as it was meant.
    """

    values: dict[str, str] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    foreign: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def put(self, name: str, raw: str, place: str) -> None:
        """Take a value; a later one goes before an earlier one, unless it is empty."""
        self.places[name] = place
        value = clean(raw)
        odd = next((c for c in value if _is_odd(c) and not (name == _TEAM and unicodedata.category(c) == "Cf")), None)
        if odd is not None:
            self.problems.append(f"{name}: contains an invisible character (U+{ord(odd):04X}); type it again")
        elif value:
            self.values[name] = value


def read_variables(env_file: Path | None) -> Variables:
    """Read `.env`, if there is one, and the environment."""
    found = Variables()
    if env_file is not None:
        _read_file(found, env_file)
    named = {raw: _name(raw) for raw in os.environ}
    found.foreign |= {name: "the environment" for name in named.values() if not name.startswith(PREFIX)}
    for raw in sorted(
        (one for one, name in named.items() if name.startswith(PREFIX)), key=lambda one: one == named[one]
    ):
        found.put(named[raw], os.environ[raw], "the environment")  # the one in capitals comes last and wins
    return found


def clean(value: str) -> str:
    """A value without what does not show around it, and without quotes around it."""
    while True:
        start, end = 0, len(value)
        while start < end and _is_invisible(value[start]):
            start += 1
        while end > start and _is_invisible(value[end - 1]):
            end -= 1
        value = value[start:end]
        inner = value[1:-1]
        if len(value) < 2 or _QUOTES.get(value[0]) != value[-1] or {value[0], value[-1]} & set(inner):
            return value
        value = inner


def _is_invisible(character: str) -> bool:
    return character.isspace() or character in _BLANK or unicodedata.category(character) in {"Cc", "Cf"}


def _is_odd(character: str) -> bool:
    """Whether a character must not be inside a value."""
    return character not in _JOINERS and (
        character in _BLANK or unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
    )


def _name(raw: str) -> str:
    return "".join(c for c in raw if not _is_invisible(c)).strip("".join(QUOTE_CHARACTERS)).upper()


def _read_file(found: Variables, path: Path) -> None:
    text = _text(found, path)
    if text is None:
        return
    resolved = dotenv_values(stream=StringIO(text))
    seen: dict[str, tuple[str, int]] = {}
    for binding in parse_stream(StringIO(text)):
        body = binding.original.string.lstrip()
        skipped = binding.original.string[: len(binding.original.string) - len(body)]
        line = binding.original.line + len(_LINE_END.findall(skipped))
        if problem := _lost(binding, body):
            named = _WRITTEN.search(_shown(body))
            name = named[0] if named else PREFIX
            found.problems.append(f"{path}:{line}: {name} {problem}. Example: {PREFIX}SUBDOMAIN=acme")
            continue
        for number, one in enumerate(body.splitlines()[1:], start=1):
            if _LOST.match(_shown(one)):
                found.problems.append(
                    f"{path}:{line + number}: is inside a value that begins on line {line}; close its quote"
                )
        name = _name(binding.key or "")
        if name.startswith(PREFIX) and binding.key is not None:
            _take(found, name, binding, resolved.get(binding.key) or "", f"{path}:{line}")
            value, (before, earlier) = binding.value or "", seen.get(name, ("", 0))
            if before and before != value:
                _repeated(found, name, f"{path}:{line}", earlier)
            seen[name] = (value, line)
        elif name:
            found.foreign[name] = f"{path}:{line}"


def _take(found: Variables, name: str, binding: Binding, value: str, place: str) -> None:
    if binding.value and not clean(value):
        found.problems.append(f"{place}: {name} refers to a variable that is not set")
        return
    found.put(name, value, place)


def _repeated(found: Variables, name: str, place: str, earlier: int) -> None:
    """A name that is set twice; of slots to be hidden, no line may be lost."""
    if name == HIDDEN_SLOTS:
        found.problems.append(f"{place}: {name} is also set on line {earlier}; write all slots on one line")
    else:
        found.notes.append(f"{place}: {name} is also set on line {earlier}; the last one counts")


def _lost(binding: Binding, body: str) -> str | None:
    """What is wrong with a line that seems to be a setting of ours; None when it is one, or somebody else's."""
    first = _shown((body.splitlines() or [""])[0])
    name = _name(binding.key or "")
    if binding.error:
        return "cannot be read as a setting (a quote that is not closed, or no =)" if _LOST.match(first) else None
    if not name.startswith(PREFIX):
        return "cannot be read as a setting" if binding.key and _LOST.match(first) else None
    if binding.value is None:
        return "is not a setting: the = is missing"
    return None if _WRITTEN.fullmatch(name) else "is not the name of a setting"


def _shown(line: str) -> str:
    return "".join(c for c in line if unicodedata.category(c) not in {"Cc", "Cf"} or c == "\t")


def _text(found: Variables, path: Path) -> str | None:
    """The file's text without a byte order mark; None when there is none to be read."""
    if path.is_dir():
        if not (path / "pyvenv.cfg").exists():  # some name their virtual environment so
            found.problems.append(
                f"{path} is a folder, not a file: remove it, or mount a file there. Example: cp .env.template {path}"
            )
        return None
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        if path.is_symlink():
            found.problems.append(f"{path} is a link to a file that does not exist: fix or remove it")
        return None
    except OSError as error:
        found.problems.append(f"{path} cannot be read: {error.strerror or type(error).__name__}")
        return None
    try:
        if b"\0" not in data:
            return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = f" (line {len(_LINE_END.findall(data[: error.start].decode('utf-8', 'replace'))) + 1})"
    else:
        place = " (it seems to be UTF-16)"
    found.problems.append(f"{path} is not UTF-8 text{place}: save it as UTF-8")
    return None
