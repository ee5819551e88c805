"""Action classes of a bot that use a name of ours, found without running any of the bot's code.

rasa-sdk keeps one action per name, and silently replaces the one before. First come all classes that derive
from `Action` itself, then those below them, base by base in the order of imports. Ours derive from a base of ours.
"""

import ast
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rasa_kustomer.bot.domain import ACTIONS
from rasa_kustomer.bot.files import Problem, place

OUR_PACKAGE = "rasa_kustomer"
SDK_BASES = {"Action", "ValidationAction", "FormValidationAction"}
MAX_DEPTH = 9  # of names that refer to names, perhaps in a circle
NO_ACTIONS = {"object", "ABC", "Protocol", "Enum", "Exception"}


@dataclass(frozen=True)
class Namesake:
    """A class of the bot with the name of an action of ours.

    Attributes:
        direct: It derives from rasa-sdk's classes without an action class of somebody else in between; so ours runs.
    """

    action: str
    name: str
    file: Path
    line: int
    direct: bool

    def said(self, folder: Path) -> str:
        """For people: which class it is, which of the two runs, and what to do."""
        runs = "ours runs and yours does not" if self.direct else "the one runs whose base class is imported last"
        return (
            f"{place(self.file, self.line, folder)}: your class {self.name} has the name {self.action}, like an action"
            f" of ours. In one action server {runs}. To keep what yours does, derive it from ours (docs/designers.md,"
            " Keep an action of your own)"
        )


@dataclass
class _Module:
    file: Path
    constants: dict[str, ast.expr] = field(default_factory=dict)
    from_us: set[str] = field(default_factory=set)


@dataclass
class _Class:
    node: ast.ClassDef
    module: _Module
    attributes: dict[str, ast.expr]
    bases: list[str]


def namesakes(files: Iterable[Path]) -> tuple[list[Namesake], list[Problem]]:
    """The classes that take a name of ours, and the files that are no Python."""
    problems: list[Problem] = []
    known = _Known()
    for file in files:
        try:
            known.add(file)
        except SyntaxError as error:
            problems.append(Problem(file, error.lineno, "this is not Python, so it was not searched for actions"))
        except (OSError, ValueError, RecursionError, MemoryError):
            problems.append(Problem(file, None, "this Python file cannot be read, so it was not searched for actions"))
    return list(known.namesakes()), problems


class _Known:
    """The classes and constants of all files, by their plain names."""

    def __init__(self) -> None:
        self._classes: dict[str, list[_Class]] = {}
        self._constants: dict[str, list[tuple[ast.expr, _Module]]] = {}

    def add(self, file: Path) -> None:
        """Read a file."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the bot's own strings
            tree = ast.parse(file.read_bytes())
        module = _Module(file)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == OUR_PACKAGE:
                module.from_us |= {alias.asname or alias.name for alias in node.names}
            elif isinstance(node, ast.Import):
                ours = (alias for alias in node.names if alias.name.split(".")[0] == OUR_PACKAGE)
                module.from_us |= {alias.asname or OUR_PACKAGE for alias in ours}
            elif isinstance(node, ast.ClassDef):
                bases = [name for base in node.bases if (name := _plain(base))]
                self._classes.setdefault(node.name, []).append(_Class(node, module, _attributes(node), bases))
        module.constants = _assigned(tree.body)
        for name, value in module.constants.items():
            self._constants.setdefault(name, []).append((value, module))

    def namesakes(self) -> Iterator[Namesake]:
        """All classes that are actions with a name of ours, but not made from the action of ours itself."""
        for one in (one for listed in self._classes.values() for one in listed):
            above = list(self._above(one, set()))
            if any(self._is_ours(each) for each in (one, *above)) or not self._may_act([one, *above]):
                continue
            direct = self._unknown([one]) <= SDK_BASES and not self._may_act(above)
            for action in sorted(self._names(one, above) & set(ACTIONS)):
                yield Namesake(action, one.node.name, one.module.file, one.node.lineno, direct)

    def _above(self, one: _Class, seen: set[str]) -> Iterator[_Class]:
        """The bot's own classes that this one derives from."""
        for base in one.bases:
            if base in seen or base in one.module.from_us:
                continue
            seen.add(base)
            for parent in self._classes.get(base, []):
                yield parent
                yield from self._above(parent, seen)

    def _is_ours(self, one: _Class) -> bool:
        """Whether it derives from a class of ours, which it then stands in for on purpose."""
        roots = {ast.unparse(base).split(".")[0] for base in one.node.bases}
        starred = (
            {base for base in one.bases if base not in self._classes} - SDK_BASES
            if "*" in one.module.from_us
            else set()
        )
        return bool(roots & one.module.from_us or any(name.startswith("Action") for name in starred))

    def _unknown(self, classes: Iterable[_Class]) -> set[str]:
        """Bases that are not the bot's own and may be actions."""
        return {base for each in classes for base in each.bases if base not in self._classes} - NO_ACTIONS

    def _may_act(self, classes: Iterable[_Class]) -> bool:
        return bool(self._unknown(classes))

    def _names(self, one: _Class, above: list[_Class]) -> set[str]:
        """What `name()` may return; the nearest definition counts."""
        scopes = [one, *above]
        for scope in scopes:
            for node in scope.node.body:
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == "name":
                    returned = (each.value for each in ast.walk(node) if isinstance(each, ast.Return) and each.value)
                    return {text for value in returned for text in self._texts(value, scope.module, scopes)}
            if found := scope.attributes.get("name"):
                body = found.body if isinstance(found, ast.Lambda) else found
                return self._texts(body, scope.module, scopes)
        return set()

    def _texts(self, value: ast.expr, module: _Module, scopes: list[_Class], depth: int = 0) -> set[str]:
        """The strings that an expression may be; none where that would take running it."""
        if isinstance(value, ast.Constant):
            return {value.value} if isinstance(value.value, str) else set()
        if depth > MAX_DEPTH:
            return set()
        if isinstance(value, ast.Name | ast.Attribute | ast.IfExp):
            may_be = self._meanings(value, module, scopes)
            return {text for one, where in may_be for text in self._texts(one, where, scopes, depth + 1)}
        return _joined([self._texts(part, module, scopes, depth + 1) for part in _parts(value)])

    def _meanings(self, value: ast.expr, module: _Module, scopes: list[_Class]) -> list[tuple[ast.expr, _Module]]:
        """What a name or a choice may stand for, the nearest first if there is one near."""
        if isinstance(value, ast.IfExp):
            return [(value.body, module), (value.orelse, module)]
        if isinstance(value, ast.Name):
            near = [(module.constants[value.id], module)] if value.id in module.constants else []
            return near or self._constants.get(value.id, [])
        if not isinstance(value, ast.Attribute):
            return []
        name = value.attr  # self.NAME, a class's, or a module's
        held = [(scope.attributes[name], scope.module) for scope in scopes if name in scope.attributes]
        everywhere = (one for listed in self._classes.values() for one in listed if name in one.attributes)
        return held[:1] or [*self._constants.get(name, []), *((one.attributes[name], one.module) for one in everywhere)]


def _parts(value: ast.expr) -> list[ast.expr]:
    """What a string is put together from."""
    if isinstance(value, ast.FormattedValue):
        return [value.value]
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):
        return [value.left, value.right]
    return value.values if isinstance(value, ast.JoinedStr) else []


def _joined(parts: list[set[str]]) -> set[str]:
    whole = {""} if parts else set()
    for part in parts:
        whole = {before + after for before in whole for after in part}
    return whole


def _plain(base: ast.expr) -> str | None:
    """The last part of a base's name: `Action` of `rasa_sdk.Action` and of `Base[Action]`'s `Base`."""
    if isinstance(base, ast.Subscript):
        return _plain(base.value)
    return base.id if isinstance(base, ast.Name) else base.attr if isinstance(base, ast.Attribute) else None


def _attributes(node: ast.ClassDef) -> dict[str, ast.expr]:
    """What is assigned in the class, and to `self` in its methods."""
    assigned = (each for each in ast.walk(node) if isinstance(each, ast.Assign))
    pairs = ((target, each.value) for each in assigned for target in each.targets)
    on_self = {target.attr: value for target, value in pairs if isinstance(target, ast.Attribute)}
    return on_self | _assigned(node.body)


def _assigned(body: list[ast.stmt]) -> dict[str, ast.expr]:
    found: dict[str, ast.expr] = {}
    for node in body:
        if isinstance(node, ast.Assign):
            found |= {target.id: node.value for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            found[node.target.id] = node.value
    return found
