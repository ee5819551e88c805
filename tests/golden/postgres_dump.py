"""The golden outbox on PostgreSQL: the tables as the release makes them, with the rows of the SQLite file."""

import asyncio
import re
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.golden.plant import make_tables
from tests.servers import Postgres, postgres

TABLES = ("kustomer_meta", "kustomer_session", "kustomer_record")  # in the order in which rows refer to each other
_OF_THE_SESSION = re.compile(
    r"^(SET |--|\\|SELECT pg_catalog.set_config)"
)  # settings of psql, different in each version


def dump_of(file: Path) -> str:
    """SQL that makes tables and rows, for any version of PostgreSQL that is supported."""
    with postgres() as server:
        url = server.fresh()
        asyncio.run(make_tables(url))
        with closing(sqlite3.connect(file)) as connection:
            for table in TABLES:
                _copy(server, url, connection, table)
        server.sql("DELETE FROM kustomer_tally WHERE writer <> 0", url)
        tally = "(SELECT coalesce(sum(accepted), 0) FROM kustomer_session)"
        done = "(SELECT count(*) FROM kustomer_record WHERE state = 'delivered')"
        purged = "(SELECT coalesce(sum(purged), 0) FROM kustomer_session)"
        server.sql(f"UPDATE kustomer_tally SET accepted = {tally}, delivered = {done} + {purged}", url)
        lines = server.plain_dump(url).splitlines()
    kept = [line for line in lines if line.strip() and not _OF_THE_SESSION.match(line)]
    return "\n".join(kept).replace("public.", "") + "\n"


def _copy(server: Postgres, url: str, connection: sqlite3.Connection, table: str) -> None:
    query = f"SELECT column_name FROM information_schema.columns WHERE table_name = '{table}'"
    booleans = set(server.sql(f"{query} AND data_type = 'boolean'", url).split())
    server.sql(f"DELETE FROM {table}", url)
    rows = connection.execute(f"SELECT * FROM {table} ORDER BY 1")
    names = [column[0] for column in rows.description]
    for row in rows:
        values = (
            "NULL" if value is None else f"{bool(value)}" if name in booleans else _literal(value)
            for name, value in zip(names, row, strict=True)
        )
        server.sql(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(values)})", url)
    if "id" in names:
        server.sql(f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))", url)


def _literal(value: object) -> str:
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)
