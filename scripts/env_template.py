"""Write `.env.template` from the settings, or compare the two: `python scripts/env_template.py [--check]`.

A line without a value means "not set"; a setting that has a default is commented out and shows it. So a plain
copy of the template to `.env` changes nothing, and filling in the first lines is enough to start.
"""

import os
import sys
import textwrap
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from rasa_kustomer.settings import PREFIX, Settings

TEMPLATE = Path(__file__).resolve().parent.parent / ".env.template"
WIDTH = 100
HEADER = """\
Settings of rasa-kustomer. Copy this file to .env and fill in the lines that end with "=".
The environment wins over .env. Never commit .env: it holds the API key.
Made by scripts/env_template.py from actions/rasa_kustomer/settings/fields.py: do not edit."""


def render() -> str:
    """Return the template's text."""
    groups: dict[str, list[str]] = {}
    for name, field in Settings.model_fields.items():
        groups.setdefault(_group(field), []).append(_entry(name, field))
    parts = [_comment(HEADER)]
    parts += [f"# --- {group} ---\n\n" + "\n\n".join(entries) for group, entries in groups.items()]
    return "\n\n".join(parts) + "\n"


def _group(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    return str(extra["group"]) if isinstance(extra, dict) and "group" in extra else "Other"


def _entry(name: str, field: FieldInfo) -> str:
    variable = f"{PREFIX}{name}".upper()
    example = str((field.examples or [""])[0])
    description = field.description or ""
    if field.default is None or field.default == ():
        shown = f"{description}\nExample: {example}" if example else description
        return f"{_comment(shown)}\n{variable}="
    return f"{_comment(description)}\n# {variable}={_default(name, field.default, example)}"


def _default(name: str, default: Any, example: str) -> str:
    """Write the default as an admin would: as the example when that means the same ("medium" for 3)."""
    values: dict[str, Any] = {"_env_file": None, name: example}
    if getattr(Settings(**values), name) == default:
        return example
    return str(default).lower() if isinstance(default, bool) else f"{default}"


def _comment(text: str) -> str:
    lines = [part for line in text.splitlines() for part in textwrap.wrap(line, WIDTH)]
    return "\n".join(f"# {line}" for line in lines)


def main() -> int:
    """Run the command line; `--check` answers with exit code 1 when the file is out of date."""
    for variable in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[variable]  # this machine's settings are not the defaults
    text = render()
    if "--check" in sys.argv[1:]:
        if TEMPLATE.is_file() and TEMPLATE.read_text(encoding="utf-8") == text:
            return 0
        print(f"{TEMPLATE.name} is out of date: run python scripts/env_template.py", file=sys.stderr)
        return 1
    TEMPLATE.write_text(text, encoding="utf-8")
    print(f"Wrote {TEMPLATE.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
