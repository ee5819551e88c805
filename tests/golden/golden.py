"""Golden files: one line for each request, so that a diff shows what changed."""

import json
from collections.abc import Sequence
from difflib import unified_diff
from pathlib import Path
from typing import Any

HOW = "Is that meant? Then: pytest tests/golden --regolden (CONTRIBUTING.md)"


def written(entries: Sequence[Any]) -> str:
    """A JSON list with one entry a line."""
    lines = ",\n".join(json.dumps(one, ensure_ascii=False) for one in entries)
    return f"[\n{lines}\n]\n"


def compare(file: Path, text: str, *, regolden: bool) -> None:
    """The text is what the file holds, byte for byte; or becomes it."""
    if regolden:
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(text.encode())
    known = file.read_bytes().decode() if file.exists() else ""
    if known != text:
        diff = unified_diff(known.splitlines(), text.splitlines(), f"golden {file.name}", "now", lineterm="", n=2)
        raise AssertionError("\n".join([HOW, *diff]))
