"""Print how big the house is; tests/project/test_house.py holds the budgets, and docs/adr/0013 gives the reasons.

`python scripts/measure_house.py [FOLDER]`: of this repository, or of another checkout to compare with.
"""

import ast
import io
import sys
import tokenize
from collections import defaultdict
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from itertools import chain
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = ("events/", "reconcile/", "delivery/reconcile.py", "bot/", "cli/reconcile.py", "cli/init.py", "cli/steps.py")
"""What the action server does not need: the event stream, `reconcile`, `init` and reading a bot's files."""
NO_CODE = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Module(NamedTuple):
    """One file of Python."""

    name: str  # from its package's root, as `delivery/plan.py`
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        """All of them, blank ones too."""
        return self.text.count("\n")

    @property
    def code(self) -> int:
        """Lines that hold code: no blank line, comment, docstring or import."""
        silent = set(chain.from_iterable(_lines(node) for node in ast.walk(self.tree) if _is_silent(node)))
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        held = {line for one in tokens if one.type not in NO_CODE for line in range(one.start[0], one.end[0] + 1)}
        return len(held - silent)

    @property
    def package(self) -> str:
        """The folder that it stands in, seen from its package's root."""
        folder, _, _ = self.name.partition("/")
        return folder if "/" in self.name else "top level"

    def functions(self) -> Iterator[tuple[str, int]]:
        """Each function's name and length in lines, its decorators and docstring apart."""
        for node in ast.walk(self.tree):
            if isinstance(node, Function):
                docstring = len(_lines(node.body[0])) if _is_docstring(node.body[0]) else 0
                yield f"{self.name}:{node.name}", len(_lines(node)) - docstring

    def classes(self) -> Iterator[ast.ClassDef]:
        """Its classes."""
        return (node for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef))


class House(NamedTuple):
    """The repository's packages, part by part."""

    core: list[Module]
    extras: list[Module]
    sandbox: list[Module]
    page_lines: int  # of the sandbox's desk page: HTML, CSS and JavaScript

    @classmethod
    def of(cls, root: Path = ROOT) -> "House":
        """The house in a checkout."""
        product, sandbox = root / "actions" / "rasa_kustomer", root / "sandbox" / "kustomer_sandbox"
        plugin = _modules(product)
        pages = (file for file in sandbox.rglob("*") if file.suffix in {".html", ".css", ".js", ".svg"})
        return cls(
            core=[one for one in plugin if not one.name.startswith(EXTRAS)],
            extras=[one for one in plugin if one.name.startswith(EXTRAS)],
            sandbox=_modules(sandbox),
            page_lines=sum(file.read_text(encoding="utf-8").count("\n") for file in pages),
        )


def shared_names(within: Iterable[Module]) -> dict[str, list[str]]:
    """Public method names, and the classes that define them and inherit them from no class of ours; most first."""
    classes = {one.name: one for module in within for one in module.classes()}
    owners = defaultdict(list)
    for one in classes.values():
        for name in _methods(one) - set(chain.from_iterable(map(_methods, _bases(one, classes)))):
            owners[name].append(one.name)
    return dict(sorted(owners.items(), key=lambda item: (-len(item[1]), item[0])))


def import_circle(package: str, within: Iterable[Module]) -> list[str]:
    """Modules that import each other in a circle; empty when there is none."""
    named = {f"{package}.{one.name[:-3].replace('/', '.')}".removesuffix(".__init__"): one for one in within}
    graph = {name: set(_imports(module.tree, set(named))) for name, module in named.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def _modules(package: Path) -> list[Module]:
    return [
        Module(file.relative_to(package).as_posix(), text := file.read_text(encoding="utf-8"), ast.parse(text))
        for file in sorted(package.rglob("*.py"))
    ]


def _methods(one: ast.ClassDef) -> set[str]:
    return {node.name for node in one.body if isinstance(node, Function) and not node.name.startswith("_")}


def _bases(one: ast.ClassDef, classes: dict[str, ast.ClassDef]) -> Iterator[ast.ClassDef]:
    for base in one.bases:
        if isinstance(base, ast.Name) and base.id in classes:
            yield classes[base.id]
            yield from _bases(classes[base.id], classes)


def _imports(tree: ast.Module, known: set[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from known.intersection(one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module in known:
            inside = {f"{node.module}.{one.name}" for one in node.names}
            yield from known & inside
            if not inside <= known:  # something of the package itself
                yield node.module


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _is_silent(node: ast.AST) -> bool:
    return isinstance(node, ast.Import | ast.ImportFrom) or _is_docstring(node)


def _lines(node: ast.AST) -> range:
    return range(getattr(node, "lineno", 0), getattr(node, "end_lineno", 0) + 1)


def main() -> None:
    """Print the figures."""
    house = House.of(Path(sys.argv[1]) if sys.argv[1:] else ROOT)
    print(f"{'':28} files   lines    code  longest module")
    for title, part in (("core", house.core), ("extras", house.extras), ("sandbox and demo", house.sandbox)):
        _print(title, part)
        packages = sorted({one.package for one in part}) if part is not house.sandbox else []
        for package in packages:
            _print(f"  {package}", [one for one in part if one.package == package])
    print(f"{'the page of the desk':28}       {house.page_lines:7}")
    name, length = max((one for module in house.core for one in module.functions()), key=lambda one: one[1])
    print(f"longest function of the core: {name} ({length} lines)")
    for name, owners in list(shared_names(house.core).items())[:5]:
        print(f"the method name {name} is defined in {len(owners)} classes of the core: {', '.join(owners)}")


def _print(title: str, part: list[Module]) -> None:
    longest = max(part, key=lambda one: one.lines)
    figures = f"{len(part):5} {sum(one.lines for one in part):7} {sum(one.code for one in part):7}"
    print(f"{title:28} {figures}  {longest.name} ({longest.lines})")


if __name__ == "__main__":
    main()
