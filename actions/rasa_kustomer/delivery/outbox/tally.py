"""Two sums that are kept while the outbox is written, so that looking costs the same however old it is.

Triggers of the database keep them, which an earlier release of rasa-kustomer runs too: the books are right after a way
back and forth. What was accepted comes from the sessions and what was delivered from the records, so that comparing
them still means something.
"""

from sqlalchemy import BigInteger, Column, Connection, Integer, MetaData, Table, bindparam, func, select, text

metadata = MetaData()
tally = Table(
    "kustomer_tally",
    metadata,
    # On PostgreSQL each connection has a row of its own, so that transactions neither wait for each other nor deadlock.
    Column("writer", Integer, primary_key=True, autoincrement=False),
    Column("accepted", BigInteger, nullable=False),
    Column("delivered", BigInteger, nullable=False),
)

_SQLITE = {
    "kustomer_tally_session_new": (
        "AFTER INSERT ON kustomer_session WHEN NEW.accepted <> 0 OR NEW.purged <> 0",
        "accepted = accepted + NEW.accepted, delivered = delivered + NEW.purged",
    ),
    "kustomer_tally_session_changed": (
        "AFTER UPDATE OF accepted, purged ON kustomer_session",
        "accepted = accepted + NEW.accepted - OLD.accepted, delivered = delivered + NEW.purged - OLD.purged",
    ),
    "kustomer_tally_session_gone": (
        "AFTER DELETE ON kustomer_session",
        "accepted = accepted - OLD.accepted, delivered = delivered - OLD.purged",
    ),
    "kustomer_tally_record_new": (
        "AFTER INSERT ON kustomer_record WHEN NEW.state = 'delivered'",
        "delivered = delivered + 1",
    ),
    "kustomer_tally_record_changed": (
        "AFTER UPDATE OF state ON kustomer_record WHEN (NEW.state = 'delivered') <> (OLD.state = 'delivered')",
        "delivered = delivered + (NEW.state = 'delivered') - (OLD.state = 'delivered')",
    ),
    "kustomer_tally_record_gone": (
        "AFTER DELETE ON kustomer_record WHEN OLD.state = 'delivered'",
        "delivered = delivered - 1",
    ),
}
_POSTGRES = {
    "kustomer_tally_session": "AFTER INSERT OR DELETE OR UPDATE OF accepted, purged ON kustomer_session FOR EACH ROW",
    "kustomer_tally_record": "AFTER DELETE OR UPDATE OF state ON kustomer_record FOR EACH ROW",
    "kustomer_tally_record_new": "AFTER INSERT ON kustomer_record FOR EACH ROW WHEN (NEW.state = 'delivered')",
}
_POSTGRES_FUNCTION = """
CREATE FUNCTION kustomer_tally() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE a bigint := 0; d bigint := 0;
BEGIN
    IF TG_TABLE_NAME = 'kustomer_session' THEN
        IF TG_OP <> 'DELETE' THEN a := NEW.accepted; d := NEW.purged; END IF;
        IF TG_OP <> 'INSERT' THEN a := a - OLD.accepted; d := d - OLD.purged; END IF;
    ELSE
        IF TG_OP <> 'DELETE' THEN d := (NEW.state = 'delivered')::int; END IF;
        IF TG_OP <> 'INSERT' THEN d := d - (OLD.state = 'delivered')::int; END IF;
    END IF;
    IF a <> 0 OR d <> 0 THEN
        INSERT INTO kustomer_tally AS mine (writer, accepted, delivered) VALUES (pg_backend_pid(), a, d)
        ON CONFLICT (writer) DO UPDATE SET accepted = mine.accepted + a, delivered = mine.delivered + d;
    END IF;
    RETURN NULL;
END $$
"""
_EXACT = """
SELECT (SELECT coalesce(sum(accepted), 0) FROM kustomer_session),
       (SELECT count(*) FROM kustomer_record WHERE state = 'delivered')
       + (SELECT coalesce(sum(purged), 0) FROM kustomer_session)
"""


def installed(connection: Connection) -> bool:
    """Whether the sums are kept; not in an outbox of release 0.1, nor where a backup program left the triggers out."""
    if connection.dialect.name == "postgresql":
        tables = "to_regclass('kustomer_session'), to_regclass('kustomer_record')"
        names, where = list(_POSTGRES), f"pg_trigger WHERE tgrelid IN ({tables}) AND tgname"
    else:
        names, where = list(_SQLITE), "sqlite_master WHERE type = 'trigger' AND name"
    query = text(f"SELECT count(*) FROM {where} IN :names")  # noqa: S608 - no value from outside
    found = connection.execute(query.bindparams(bindparam("names", names, expanding=True))).scalar_one()
    return bool(found == len(names))


def install(connection: Connection) -> None:
    """Keep the sums from now on; what is there is counted once."""
    metadata.create_all(connection)
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("DROP FUNCTION IF EXISTS kustomer_tally() CASCADE")  # with triggers that are left
        connection.exec_driver_sql(_POSTGRES_FUNCTION)
        for name, event in _POSTGRES.items():
            connection.exec_driver_sql(f"CREATE TRIGGER {name} {event} EXECUTE FUNCTION kustomer_tally()")
    else:
        for name, (event, change) in _SQLITE.items():
            run = f"{event} BEGIN UPDATE kustomer_tally SET {change}; END"  # noqa: S608 - no value from outside
            connection.exec_driver_sql(f"CREATE TRIGGER IF NOT EXISTS {name} {run}").close()
    recount(connection)  # last: by now writers wait for this transaction


def exact(connection: Connection) -> tuple[int, int]:
    """Accepted and delivered, counted row by row."""
    accepted, delivered = connection.exec_driver_sql(_EXACT).one()
    return int(accepted), int(delivered)


def recount(connection: Connection) -> None:
    """Put the sums right."""
    accepted, delivered = exact(connection)
    connection.execute(tally.delete())
    connection.execute(tally.insert().values(writer=0, accepted=accepted, delivered=delivered))


def read(connection: Connection) -> tuple[int, int]:
    """Accepted and delivered, as kept."""
    accepted, delivered = connection.execute(select(func.sum(tally.c.accepted), func.sum(tally.c.delivered))).one()
    return int(accepted or 0), int(delivered or 0)
