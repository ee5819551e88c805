"""Rows in memory with the few indexes that look-ups need, written through to SQLite when a file is given."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Index = Callable[[Row], Iterable[str]]


class Table(Mapping[str, Row]):
    """Rows by id, in the order of their creation; a read-only mapping to everybody but `State`."""

    def __init__(self, indexes: Mapping[str, Index]) -> None:
        self._indexes = indexes
        self._rows: dict[str, Row] = {}
        self._found: dict[tuple[str, str], dict[str, None]] = {}
        self._entries: dict[str, list[tuple[str, str]]] = {}

    def __getitem__(self, row_id: str) -> Row:
        return self._rows[row_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def where(self, index: str, value: str) -> list[Row]:
        """The rows with this value, oldest first."""
        return [self._rows[row_id] for row_id in self._found.get((index, value), ())]

    def put(self, row_id: str, row: Row | None) -> None:
        """Adds or replaces a row and files it under its indexes; None removes it."""
        for entry in self._entries.pop(row_id, ()):
            del self._found[entry][row_id]
        if row is None:
            del self._rows[row_id]
            return
        self._rows[row_id] = row
        self._entries[row_id] = list({(name, value) for name, index in self._indexes.items() for value in index(row)})
        for entry in self._entries[row_id]:
            self._found.setdefault(entry, {})[row_id] = None


class Store:
    """The SQLite file behind the tables; every request is one transaction, so a kill leaves whole requests only."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS rows"
            " (number INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (kind, id))"
        )

    def load(self) -> Iterator[tuple[str, Row]]:
        """All rows with their kind, in the order of their creation."""
        for kind, body in self._database.execute("SELECT kind, body FROM rows ORDER BY number"):
            yield kind, json.loads(body)

    def save(self, changed: Mapping[tuple[str, str], Row | None]) -> None:
        """Writes rows, or removes those that are None, in one transaction."""
        self._database.execute("BEGIN")
        for (kind, row_id), row in changed.items():
            if row is None:
                self._database.execute("DELETE FROM rows WHERE kind = ? AND id = ?", (kind, row_id))
            else:
                self._database.execute(
                    "INSERT INTO rows (kind, id, body) VALUES (?, ?, ?)"
                    " ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
                    (kind, row_id, json.dumps(row)),  # escaped: a job's items may hold what is no UTF-8
                )
        self._database.execute("COMMIT")

    def close(self) -> None:
        """Closes the file."""
        self._database.close()
