"""One SQL text for both databases: what each of them reads for the few words that they do not share.

A statement has named parameters (`:name`); `IN :names` takes a list; `lease_clock(:now)` is the one clock that all
owners of leases share; `true` and `false` are literals, because SQLite uses an index of some rows only where a query
has the very words of the index.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

_WORDS = re.compile(
    r"'[^']*'"  # a literal stays as it is
    r"|(?P<list>NOT IN|IN) :(?P<names>\w+)"
    r"|(?P<clock>lease_clock\(:now\))"
    r"|(?<!:):(?P<name>[a-z]\w*)"
    r"|\b(?P<truth>true|false)\b"
    r"|(?P<lock>FOR UPDATE(?: OF \w+)?(?: SKIP LOCKED)?)"
)


@cache
def for_sqlite(sql: str) -> str:
    """The statement as SQLite reads it: only one process writes at a time there, and it holds the one clock."""

    def word(found: re.Match[str]) -> str:
        if found["list"]:
            return f"{found['list']} (SELECT value FROM json_each(:{found['names']}))"
        if found["truth"]:
            return "1" if found["truth"] == "true" else "0"
        return ":now" if found["clock"] else "" if found["lock"] else found[0]

    return _WORDS.sub(word, sql)


@cache
def for_postgres(sql: str) -> str:
    """The statement as psycopg reads it. Leases go by the server's clock: machines need not agree on the time."""

    def word(found: re.Match[str]) -> str:
        if found["list"]:
            return f"{'<> ALL' if found['list'] == 'NOT IN' else '= ANY'}(%({found['names']})s)"
        if found["clock"]:
            return "extract(epoch FROM clock_timestamp())::float8"
        return f"%({found['name']})s" if found["name"] else found[0]

    return _WORDS.sub(word, sql)


def values_for_sqlite(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Parameters as SQLite takes them: a list as JSON."""
    return {name: json.dumps(value) if isinstance(value, list) else value for name, value in values.items()}
