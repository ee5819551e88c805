"""Write the tables of docs/admins.md from the code, or compare: `python scripts/docs_tables.py [--check]`.

A table stands between `<!-- name -->` and `<!-- /name -->`; what is between the two is replaced.
"""

import os
import re
import sys
from pathlib import Path
from typing import Any

from rasa_kustomer.checklist import ROLES
from rasa_kustomer.settings import PREFIX, Settings

PAGE = Path(__file__).resolve().parent.parent / "docs" / "admins.md"


def render(text: str) -> str:
    """The page's text with current tables.

    Raises:
        ValueError: A table's markers are missing.
    """
    for name, table in (("roles", roles()), ("settings", settings())):
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        parts = pattern.search(text)
        if parts is None:
            raise ValueError(f"{PAGE.name} lacks the markers of the table {name}")
        text = text[: parts.start()] + parts[1] + "\n" + table + "\n\n" + parts[2] + text[parts.end() :]
    return text


def roles() -> str:
    """One row per role of the API key."""
    rows = [
        f"| `{role.name}` | {role.purpose}{' (can be left out)' if role.optional else ''} | `{role.legacy}` |"
        for role in ROLES
    ]
    return "\n".join(["| Role | Why | Old role that grants it too |", "| --- | --- | --- |", *rows])


def settings() -> str:
    """One row per setting, in the order of the groups in `.env.template`."""
    groups: dict[str, list[str]] = {}
    for name, field in Settings.model_fields.items():
        extra = field.json_schema_extra
        group = str(extra["group"]) if isinstance(extra, dict) else "Other"
        example = str((field.examples or [""])[0])
        row = f"| `{PREFIX}{name.upper()}` | {_default(name, field.default, example)} | {field.description} |"
        groups.setdefault(group, []).append(row)
    rows = [row for group, lines in groups.items() for row in (f"| **{group}** | | |", *lines)]
    return "\n".join(["| Setting | Default | Meaning |", "| --- | --- | --- |", *rows])


def _default(name: str, default: Any, example: str) -> str:
    """The default as an admin would write it: as the example when that means the same ("medium" for 3)."""
    if default is None or default == ():
        return "-"
    values: dict[str, Any] = {"_env_file": None, name: example}
    if getattr(Settings(**values), name) == default:
        return f"`{example}`"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def main() -> int:
    """Run the command line; `--check` answers with exit code 1 when the page is out of date."""
    for variable in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[variable]  # this machine's settings are not the defaults
    before = PAGE.read_text(encoding="utf-8")
    after = render(before)
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(after, encoding="utf-8")
        print(f"Wrote the tables of {PAGE.name}")
    elif before != after:
        print(f"{PAGE.name} is out of date: run python scripts/docs_tables.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
