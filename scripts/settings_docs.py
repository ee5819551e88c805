"""Write `.env.template` and the tables of docs/admins.md from the code, or compare: `python scripts/settings_docs.py [--check]`.

In the template a line without a value means "not set"; a setting that has a default is commented out and shows it. So a
plain copy to `.env` changes nothing, and filling in the first lines is enough to start. On the page a table is between
`<!-- name -->` and `<!-- /name -->`; what is between the two is replaced.
"""  # noqa: E501 - the first line is a command to copy

import os
import sys
import textwrap
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

from rasa_kustomer.checklist import ROLES
from rasa_kustomer.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE, PAGE = ROOT / ".env.template", ROOT / "docs" / "admins.md"
WIDTH = 100
HEADER = """\
Settings of rasa-kustomer. Copy this file to .env and fill in the lines that end with "=".
The environment wins over .env. Never commit .env: it holds the API key.
Made by scripts/settings_docs.py from actions/rasa_kustomer/settings/fields.py: do not edit."""


class Setting(NamedTuple):
    """A setting as the documents show it; `default` is None when it has none."""

    variable: str
    description: str
    example: str
    default: str | None


def settings_by_group() -> dict[str, list[Setting]]:
    """All settings, in their groups and order."""
    groups = defaultdict[str, list[Setting]](list)
    for name, field in Settings.model_fields.items():
        extra: Any = field.json_schema_extra
        example = str((field.examples or [""])[0])
        default = None if field.default is None or field.default == () else _default(name, field.default, example)
        setting = Setting(f"{PREFIX}{name}".upper(), field.description or "", example, default)
        groups[str(extra["group"])].append(setting)
    return groups


def _default(name: str, default: Any, example: str) -> str:
    """The default as an admin would write it: as the example when that means the same ("medium" for 3)."""
    values: dict[str, Any] = {name: example}
    if getattr(Settings(**values), name) == default:
        return example
    return str(default).lower() if isinstance(default, bool) else f"{default}"


def template() -> str:
    """The text of `.env.template`."""
    parts = [_comment(HEADER)]
    for group, settings in settings_by_group().items():
        parts.append(f"# --- {group} ---\n\n" + "\n\n".join(map(_entry, settings)))
    return "\n\n".join(parts) + "\n"


def _entry(setting: Setting) -> str:
    if setting.default is None:
        shown = f"{setting.description}\nExample: {setting.example}" if setting.example else setting.description
        return f"{_comment(shown)}\n{setting.variable}="
    return f"{_comment(setting.description)}\n# {setting.variable}={setting.default}"


def _comment(text: str) -> str:
    return "\n".join(f"# {part}" for line in text.splitlines() for part in textwrap.wrap(line, WIDTH))


def page(text: str) -> str:
    """The page's text with current tables.

    Raises:
        ValueError: A table's markers are missing.
    """
    roles = [
        f"| `{role.name}` | {role.purpose}{' (can be left out)' if role.optional else ''} | `{role.legacy}` |"
        for role in ROLES
    ]
    settings = []
    for group, listed in settings_by_group().items():
        settings.append(f"| **{group}** | | |")
        for setting in listed:
            default = "-" if setting.default is None else f"`{setting.default}`"
            settings.append(f"| `{setting.variable}` | {default} | {setting.description} |")
    tables = {
        "roles": ["| Role | Why | Old role that grants it too |", "| --- | --- | --- |", *roles],
        "settings": ["| Setting | Default | Meaning |", "| --- | --- | --- |", *settings],
    }
    for name, rows in tables.items():
        before, start, rest = text.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- /{name} -->")
        if not (start and end):
            raise ValueError(f"{PAGE.name} lacks the markers of the table {name}")
        text = "".join([before, start, "\n", "\n".join(rows), "\n\n", end, after])
    return text


def main() -> int:
    """Run the command line; `--check` answers with exit code 1 when a file is out of date."""
    for variable in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[variable]  # this machine's settings are not the defaults
    made = {TEMPLATE: template(), PAGE: page(PAGE.read_text(encoding="utf-8"))}
    stale = [file for file, text in made.items() if not file.is_file() or file.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv[1:]:
        for file in stale:
            print(f"{file.name} is out of date: run python scripts/settings_docs.py", file=sys.stderr)
        return 1 if stale else 0
    for file in stale:
        file.write_text(made[file], encoding="utf-8")
        print(f"Wrote {file.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
