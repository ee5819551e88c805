"""Golden files: one line for each request, so that a diff shows what changed."""

import json
import re
from collections.abc import Sequence
from difflib import unified_diff
from pathlib import Path
from typing import Any

HOW = "Is that meant? Then: pytest tests/golden --regolden (CONTRIBUTING.md)"

SAME = "Each conversation is what it was; only the order between them differs, which nothing promises."
_SUBJECT = re.compile(
    r'"request": "[A-Z]+ [^"]*?(?:<conversation ([a-z0-9-]+)|externalId=rasa%3A([a-z0-9-]+))'
    r'|"externalId": "rasa:([a-z0-9-]+)'
)


def written(entries: Sequence[Any]) -> str:
    """A JSON list with one entry a line."""
    lines = ",\n".join(json.dumps(one, ensure_ascii=False) for one in entries)
    return f"[\n{lines}\n]\n"


def by_conversation(text: str) -> dict[str, list[str]]:
    """The lines of each conversation in order; what is of none or of many has a place of its own.

    Between conversations nothing promises an order.
    """
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        subject = _SUBJECT.search(line)
        found.setdefault(next(filter(None, subject.groups())) if subject else "", []).append(line.rstrip(","))
    return {name: sorted(lines) if not name else lines for name, lines in found.items()}


def compare(file: Path, text: str, *, regolden: bool) -> None:
    """The text is what the file holds, byte for byte; or becomes it."""
    if regolden:
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(text.encode())
    known = file.read_bytes().decode() if file.exists() else ""
    if known != text:
        diff = unified_diff(known.splitlines(), text.splitlines(), f"golden {file.name}", "now", lineterm="", n=2)
        same = SAME if by_conversation(known) == by_conversation(text) else ""
        raise AssertionError("\n".join([HOW, same, *diff]))
