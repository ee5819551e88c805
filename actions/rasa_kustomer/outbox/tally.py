"""Two sums that are kept while the outbox is written, so that looking costs the same however old it is.

Triggers of the database keep them, which an earlier release of rasa-kustomer runs too: the sums are right after a
rollback and a new upgrade. What was accepted comes from the sessions and what was delivered from the records, so that
comparing them still means something.
"""

from rasa_kustomer.outbox.connection import Connection

# On PostgreSQL each connection has a row of its own, so that transactions neither wait for each other nor deadlock.
_TABLE = """
CREATE TABLE IF NOT EXISTS kustomer_tally (
    writer INTEGER NOT NULL PRIMARY KEY,
    accepted BIGINT NOT NULL,
    delivered BIGINT NOT NULL
)"""
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
SELECT (SELECT coalesce(sum(accepted), 0) FROM kustomer_session) AS accepted,
    (SELECT count(*) FROM kustomer_record WHERE state = 'delivered')
    + (SELECT coalesce(sum(purged), 0) FROM kustomer_session) AS delivered"""
_KEPT = "SELECT sum(accepted) AS accepted, sum(delivered) AS delivered FROM kustomer_tally"


def installed(c: Connection) -> bool:
    """Whether the sums are kept; not in an outbox of release 0.1, nor where a backup program left the triggers out."""
    names = list(_SQLITE if c.is_sqlite else _POSTGRES)
    if c.is_sqlite:
        triggers = "sqlite_master WHERE type = 'trigger' AND name"
    else:
        tables = "to_regclass('kustomer_session'), to_regclass('kustomer_record')"
        triggers = f"pg_trigger WHERE tgrelid IN ({tables}) AND tgname"
    return bool(c.value(f"SELECT count(*) FROM {triggers} IN :names", names=names) == len(names))


def install(c: Connection) -> None:
    """Keep the sums from now on; what is there is counted once."""
    c.change(_TABLE)
    if c.is_sqlite:
        for name, (event, change) in _SQLITE.items():
            c.change(f"CREATE TRIGGER IF NOT EXISTS {name} {event} BEGIN UPDATE kustomer_tally SET {change}; END")
    else:
        c.change("DROP FUNCTION IF EXISTS kustomer_tally() CASCADE")  # with triggers that are left
        c.change(_POSTGRES_FUNCTION)
        for name, event in _POSTGRES.items():
            c.change(f"CREATE TRIGGER {name} {event} EXECUTE FUNCTION kustomer_tally()")
    recount(c)  # last: by now writers wait for this transaction


def exact(c: Connection) -> tuple[int, int]:
    """Accepted and delivered, counted row by row."""
    return _sums(c, _EXACT)


def read(c: Connection) -> tuple[int, int]:
    """Accepted and delivered, as kept."""
    return _sums(c, _KEPT)


def recount(c: Connection) -> None:
    """Correct the sums."""
    accepted, delivered = exact(c)
    c.change("DELETE FROM kustomer_tally")
    c.change(
        "INSERT INTO kustomer_tally (writer, accepted, delivered) VALUES (0, :accepted, :delivered)",
        accepted=accepted,
        delivered=delivered,
    )


def _sums(c: Connection, sql: str) -> tuple[int, int]:
    [row] = c.rows(sql)
    return int(row["accepted"] or 0), int(row["delivered"] or 0)
