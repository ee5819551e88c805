"""Tables of the outbox and their version.

A *session* is one Kustomer conversation to be; its *records* are what has to reach it, in the order of their ids. A
record is written once, in the transaction that accepts it, and ends as delivered or dead.
"""

from rasa_kustomer.outbox import tally
from rasa_kustomer.outbox.connection import Connection
from rasa_kustomer.outbox.errors import SchemaTooNewError

SCHEMA_VERSION = 1
_LOCK = 5_117_206_451  # any number that nobody else uses for an advisory lock of PostgreSQL
CLOCK_MARGIN_MS = 1_000  # between our clock and Rasa's, where a turn does not show how far it is ahead

PENDING, DELIVERED, DEAD = "pending", "delivered", "dead"

EMPTIED = '{"external_id":null,"email":null,"phone":null,"name":null,"trusted":false}'
"""Identity of a session of which nothing is known any more, and of an anonymous visitor."""

TABLES = ("kustomer_meta", "kustomer_session", "kustomer_record")
_CREATE = (
    "CREATE TABLE kustomer_meta (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)",
    """
CREATE TABLE kustomer_session (
    id BIGSERIAL PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,  -- externalId of the conversation
    sender_id TEXT NOT NULL,
    started_ms BIGINT NOT NULL,
    identity TEXT NOT NULL,  -- JSON of conversation.identity.Identity
    customer_id TEXT,
    conversation_id TEXT,
    creating BOOLEAN NOT NULL,  -- a create was sent whose answer we may have missed
    bulk_at FLOAT,  -- when it was sent as part of a bulk job; null when it was not
    escalated BOOLEAN NOT NULL,
    closed BOOLEAN NOT NULL,
    accepted INTEGER NOT NULL,
    purged INTEGER NOT NULL,  -- delivered records that were deleted since
    purged_ms BIGINT NOT NULL,  -- turns up to here were recorded and purged
    last_turn_at FLOAT NOT NULL,
    last_sent_ms BIGINT NOT NULL,
    open_since FLOAT,  -- when the oldest pending record came; null when nothing is pending
    not_before FLOAT NOT NULL,
    attempts INTEGER NOT NULL,
    leased_by TEXT,
    leased_until FLOAT NOT NULL
)""",
    """
CREATE TABLE kustomer_record (
    id BIGSERIAL PRIMARY KEY,
    session_id BIGINT NOT NULL REFERENCES kustomer_session (id),
    key TEXT NOT NULL UNIQUE,  -- externalId where Kustomer has one for the kind
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    state TEXT NOT NULL,
    unsure BOOLEAN NOT NULL,  -- was sent at least once, outcome unknown
    bulk_at FLOAT,  -- when it was sent as part of a bulk job whose result is not known yet
    bulk_job TEXT,  -- id of that job in Kustomer, once it is known
    sent_ms BIGINT,  -- the sentAt that it was given
    attempts INTEGER NOT NULL,
    not_before FLOAT NOT NULL,
    reason TEXT,  -- why it is dead, or why it waits
    kustomer_id TEXT,
    created_at FLOAT NOT NULL,
    settled_at FLOAT
)""",
    "CREATE INDEX kustomer_session_sender ON kustomer_session (sender_id, started_ms)",
    "CREATE INDEX kustomer_session_open ON kustomer_session (escalated DESC, open_since) WHERE open_since IS NOT NULL",
    "CREATE INDEX kustomer_record_pending ON kustomer_record (session_id, id) WHERE state = 'pending'",
    "CREATE INDEX kustomer_record_dead ON kustomer_record (id) WHERE state = 'dead'",
)
# Of sessions with which nothing is to be done, so that what is done by the clock costs no more as the outbox grows. A
# session's first turn touches neither of the first two. Outboxes of release 0.1 lack all four.
_ADDED = (
    """CREATE INDEX IF NOT EXISTS kustomer_session_idle ON kustomer_session (last_turn_at)
    WHERE open_since IS NULL AND accepted > 0 AND closed = false AND escalated = false""",
    f"""CREATE INDEX IF NOT EXISTS kustomer_session_named ON kustomer_session (last_turn_at)
    WHERE open_since IS NULL AND accepted > 0 AND identity <> '{EMPTIED}'""",
    """CREATE INDEX IF NOT EXISTS kustomer_session_ticket ON kustomer_session (escalated, sender_id, started_ms)
    WHERE escalated = true""",
    "CREATE INDEX IF NOT EXISTS kustomer_record_dead_of ON kustomer_record (session_id) WHERE state = 'dead'",
)

BORN_MS = "(SELECT CAST(value AS BIGINT) FROM kustomer_meta WHERE name = 'born_ms')"
"""Since when this copy of the outbox is in use, epoch milliseconds: of what is older it may know nothing."""

_NOTE = "INSERT INTO kustomer_meta (name, value) VALUES (:name, :value)"
_OLDEST = """
SELECT min(started_ms) AS started_ms, min(last_turn_at) AS turn_at,
    (SELECT min(created_at) FROM kustomer_record) AS recorded_at FROM kustomer_session"""


def prepare(c: Connection, now: float) -> None:
    """Create the tables on first use and check their version; processes that do so at once wait for each other.

    Args:
        c: Its transaction has the write lock on SQLite.
        now: Epoch seconds.

    Raises:
        SchemaTooNewError: The database belongs to a newer release.
    """
    if not c.is_sqlite:
        c.rows("SELECT pg_advisory_xact_lock(:number)", number=_LOCK)
    if not has_tables(c, TABLES[:1]):
        for statement in (*_CREATE, *_ADDED):
            c.change(_of_sqlite(statement) if c.is_sqlite else statement)
        c.change(_NOTE, name="schema_version", value=str(SCHEMA_VERSION))
        date(c, int(now * 1000))
        tally.install(c)
        return
    check_version(c)
    if c.value(f"SELECT {BORN_MS} AS born_ms") is None:
        date(c, _first_use(c, now))
    if not tally.installed(c):
        for statement in _ADDED:
            c.change(statement)
        tally.install(c)


def _of_sqlite(statement: str) -> str:
    """With the types of SQLite's own row numbers, word for word as all releases have written them."""
    return statement.replace("BIGSERIAL", "INTEGER NOT NULL").replace("session_id BIGINT", "session_id INTEGER")


def has_tables(c: Connection, names: tuple[str, ...]) -> bool:
    """Whether tables with all of the names are there."""
    if c.is_sqlite:
        found = c.value("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN :names", names=list(names))
        return bool(found == len(names))
    return all(c.value("SELECT to_regclass(:name) IS NOT NULL", name=name) for name in names)


def check_version(c: Connection) -> None:
    """Refuse the database of a newer release.

    Raises:
        SchemaTooNewError: It is one.
    """
    found = int(c.value("SELECT value FROM kustomer_meta WHERE name = 'schema_version'"))
    if found > SCHEMA_VERSION:
        raise SchemaTooNewError(
            f"The outbox has schema {found}, this release of rasa-kustomer knows schema {SCHEMA_VERSION}: "
            "install the newer release again, or set KUSTOMER_OUTBOX_URL to another database."
        )


def date(c: Connection, moment_ms: int) -> None:
    """Write the birth stamp: since when this copy is in use, epoch milliseconds."""
    c.change("DELETE FROM kustomer_meta WHERE name = 'born_ms'")  # a copy of release 0.1 has none
    c.change(_NOTE, name="born_ms", value=str(moment_ms))


def _first_use(c: Connection, now: float) -> int:
    """When an outbox of release 0.1 was begun: since then it knows what it has sent. Epoch milliseconds.

    That is before all that it knows, so that nothing of this is looked up.
    """
    [oldest] = c.rows(_OLDEST)
    moments_ms: list[int] = [int(now * 1000), *(oldest[one] for one in ("started_ms",) if oldest[one] is not None)]
    moments_ms += [int(oldest[one] * 1000) for one in ("turn_at", "recorded_at") if oldest[one] is not None]
    return min(moments_ms) - CLOCK_MARGIN_MS
