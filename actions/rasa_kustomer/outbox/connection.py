"""A transaction's view of the database, the same for SQLite and PostgreSQL."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from rasa_kustomer.outbox.dialects import for_postgres, for_sqlite, values_for_sqlite

Row: TypeAlias = Mapping[str, Any]


class Connection:
    """Runs statements (`dialects`) within one open transaction.

    Args:
        driver: The connection of sqlite3, or of psycopg.
        is_sqlite: Which of the two; then a transaction that writes has the database for itself.

    Attributes:
        effects: Called in the event loop once the transaction is committed.
    """

    def __init__(self, driver: Any, *, is_sqlite: bool) -> None:
        self._driver, self.is_sqlite = driver, is_sqlite
        self.effects: list[Callable[[], object]] = []

    def _run(self, sql: str, values: Mapping[str, Any]) -> Any:
        if self.is_sqlite:
            return self._driver.execute(for_sqlite(sql), values_for_sqlite(values))
        return self._driver.execute(for_postgres(sql), values or None)

    def rows(self, sql: str, **values: Any) -> list[Row]:
        """All rows that a query finds."""
        found: list[Row] = self._run(sql, values).fetchall()
        return found

    def row(self, sql: str, **values: Any) -> Row | None:
        """The first row, if there is one."""
        rows = self.rows(sql, **values)
        return rows[0] if rows else None

    def column(self, sql: str, **values: Any) -> list[Any]:
        """The first column of all rows."""
        return [next(iter(dict(row).values())) for row in self.rows(sql, **values)]

    def value(self, sql: str, **values: Any) -> Any:
        """The first column of the first row; None when there is no row."""
        return next(iter(self.column(sql, **values)), None)

    def change(self, sql: str, **values: Any) -> int:
        """Execute a statement; returns how many rows it changed."""
        changed: int = self._run(sql, values).rowcount
        return changed

    def change_each(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> int:
        """Execute a statement for each of the rows, in their order; returns how many it changed in all."""
        if not rows:
            return 0
        cursor = self._driver.cursor()
        cursor.executemany((for_sqlite if self.is_sqlite else for_postgres)(sql), rows)
        changed: int = cursor.rowcount
        return changed
