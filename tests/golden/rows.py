"""What an outbox holds, without what differs from run to run: moments and owners."""

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.golden.names import Names

MOMENTS = frozenset(
    ("bulk_at", "last_turn_at", "open_since", "not_before", "leased_until", "created_at", "settled_at")
)  # by our clock; what Rasa and Kustomer were told (`sent_ms`, `purged_ms`) is compared
Row = dict[str, Any]


def rows(file: Path, kustomer: Mapping[str, Any]) -> dict[str, list[Row]]:
    """Every row of every table of ours."""
    names = Names()
    names.learn(kustomer)
    with closing(sqlite3.connect(file)) as connection:
        connection.row_factory = sqlite3.Row
        tables = _tables(connection)
        return {
            name: [names.put_into(_plain(dict(row))) for row in connection.execute(f"SELECT * FROM {name}")]
            for name in tables
        }


def schema(file: Path) -> dict[str, Any]:
    """Columns, indexes and triggers, whatever they are written like."""
    with closing(sqlite3.connect(file)) as connection:
        found: dict[str, Any] = {}
        for table in _tables(connection):
            columns = connection.execute(
                f"SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_info('{table}')"
            )
            found[table] = {"columns": columns.fetchall(), "indexes": sorted(_indexes(connection, table))}
        found["triggers"] = sorted(
            connection.execute("SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'")
        )
        return found


def _indexes(connection: sqlite3.Connection, table: str) -> Iterable[Any]:
    listed = connection.execute(f"SELECT name, \"unique\", partial FROM pragma_index_list('{table}')").fetchall()
    for name, unique, partial in listed:
        columns = connection.execute(f"SELECT name, \"desc\" FROM pragma_index_xinfo('{name}') WHERE key")
        yield name, unique, partial, columns.fetchall()


def _tables(connection: sqlite3.Connection) -> list[str]:
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'kustomer_%' ORDER BY name"
    return [name for (name,) in connection.execute(query)]


def _plain(row: Row) -> Row:
    for name in MOMENTS & row.keys():
        row[name] = row[name] and "a moment"
    if row.get("leased_by"):
        row["leased_by"] = "an owner"
    if row.get("name") == "born_ms":
        row["value"] = "a moment"
    return row
