"""Tables of the outbox and their version.

A *session* is one Kustomer conversation to be; its *records* are what has to reach it, in the order of their ids. A
record is written once, in the transaction that accepts it, and ends as delivered or dead.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    and_,
    cast,
    func,
    insert,
    inspect,
    literal_column,
    select,
    true,
)

from rasa_kustomer.delivery.outbox import tally

SCHEMA_VERSION = 1
_LOCK = 5_117_206_451  # any number that nobody else uses for an advisory lock of PostgreSQL
CLOCK_MARGIN_MS = 1_000  # between our clock and Rasa's, where a turn does not show how far it is ahead

PENDING, DELIVERED, DEAD = "pending", "delivered", "dead"

EMPTIED = '{"external_id":null,"email":null,"phone":null,"name":null,"trusted":false}'
"""Identity of a session of which nothing is known any more, and of an anonymous visitor."""

metadata = MetaData()
_Id = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows by itself for INTEGER only

meta = Table(
    "kustomer_meta",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

sessions = Table(
    "kustomer_session",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("key", Text, nullable=False, unique=True),  # externalId of the conversation
    Column("sender_id", Text, nullable=False),
    Column("started_ms", BigInteger, nullable=False),
    Column("identity", Text, nullable=False),  # JSON of conversation.identity.Identity
    Column("customer_id", Text),
    Column("conversation_id", Text),
    Column("creating", Boolean, nullable=False, default=False),  # a create was sent whose answer we may have missed
    Column("bulk_at", Float),  # when it was sent as part of a bulk job; null when it was not
    Column("escalated", Boolean, nullable=False, default=False),
    Column("closed", Boolean, nullable=False, default=False),
    Column("accepted", Integer, nullable=False, default=0),
    Column("purged", Integer, nullable=False, default=0),  # delivered records that were deleted since
    Column("purged_ms", BigInteger, nullable=False, default=0),  # turns up to here were recorded and purged
    Column("last_turn_at", Float, nullable=False, default=0.0),
    Column("last_sent_ms", BigInteger, nullable=False, default=0),
    Column("open_since", Float),  # when the oldest pending record came; null when nothing is pending
    Column("not_before", Float, nullable=False, default=0.0),
    Column("attempts", Integer, nullable=False, default=0),
    Column("leased_by", Text),
    Column("leased_until", Float, nullable=False, default=0.0),
)
Index("kustomer_session_sender", sessions.c.sender_id, sessions.c.started_ms)
Index(
    "kustomer_session_open",
    sessions.c.escalated.desc(),
    sessions.c.open_since,
    sqlite_where=sessions.c.open_since.is_not(None),
    postgresql_where=sessions.c.open_since.is_not(None),
)

# Of sessions with which nothing is to be done, so that what is done by the clock costs no more as the outbox grows. A
# session's first turn touches neither of the first two.
_settled = and_(sessions.c.open_since.is_(None), sessions.c.accepted > 0)
_idle = and_(_settled, ~sessions.c.closed, ~sessions.c.escalated)
_named = and_(_settled, sessions.c.identity != literal_column(f"'{EMPTIED}'"))
ADDED_INDEXES = [
    Index("kustomer_session_idle", sessions.c.last_turn_at, sqlite_where=_idle, postgresql_where=_idle),
    Index("kustomer_session_named", sessions.c.last_turn_at, sqlite_where=_named, postgresql_where=_named),
    Index(
        "kustomer_session_ticket",
        sessions.c.escalated,
        sessions.c.sender_id,
        sessions.c.started_ms,
        sqlite_where=sessions.c.escalated == true(),
        postgresql_where=sessions.c.escalated == true(),
    ),
]
"""Those that outboxes of release 0.1 lack."""

records = Table(
    "kustomer_record",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("session_id", _Id, ForeignKey("kustomer_session.id"), nullable=False),
    Column("key", Text, nullable=False, unique=True),  # externalId where Kustomer has one for the kind
    Column("kind", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("state", Text, nullable=False, default=PENDING),
    Column("unsure", Boolean, nullable=False, default=False),  # was sent at least once, outcome unknown
    Column("bulk_at", Float),  # when it was sent as part of a bulk job whose result is not known yet
    Column("bulk_job", Text),  # Kustomer's id of that job, once it is known
    Column("sent_ms", BigInteger),  # the sentAt that it was given
    Column("attempts", Integer, nullable=False, default=0),
    Column("not_before", Float, nullable=False, default=0.0),
    Column("reason", Text),  # why it is dead, or why it waits
    Column("kustomer_id", Text),
    Column("created_at", Float, nullable=False),
    Column("settled_at", Float),
)
Index(
    "kustomer_record_pending",
    records.c.session_id,
    records.c.id,
    sqlite_where=records.c.state == PENDING,
    postgresql_where=records.c.state == PENDING,
)
Index(
    "kustomer_record_dead",
    records.c.id,
    sqlite_where=records.c.state == DEAD,
    postgresql_where=records.c.state == DEAD,
)
ADDED_INDEXES.append(
    Index(
        "kustomer_record_dead_of",
        records.c.session_id,
        sqlite_where=records.c.state == DEAD,
        postgresql_where=records.c.state == DEAD,
    )
)


born_ms = select(cast(meta.c.value, BigInteger)).where(meta.c.name == "born_ms").scalar_subquery()
"""Since when this copy of the outbox is in use, epoch milliseconds: of what is older it may know nothing."""


class SchemaTooNewError(RuntimeError):
    """The outbox was written by a newer release; this one must not touch it."""


def prepare(connection: Connection, now: float) -> None:
    """Create the tables on first use and check their version; processes that do so at once wait for each other.

    Args:
        connection: With an open transaction.
        now: Epoch seconds.

    Raises:
        SchemaTooNewError: The database belongs to a newer release.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))  # SQLite's transactor holds the write lock here
    if not inspect(connection).has_table(meta.name):
        metadata.create_all(connection)
        connection.execute(insert(meta).values(name="schema_version", value=str(SCHEMA_VERSION)))
        _date(connection, int(now * 1000))
        tally.install(connection)
        return
    check_version(connection)
    if connection.execute(select(born_ms)).scalar_one() is None:
        _date(connection, _first_use(connection, now))
    if not tally.installed(connection):
        for index in ADDED_INDEXES:
            index.create(connection, checkfirst=True)
        tally.install(connection)


def check_version(connection: Connection) -> None:
    """Refuse the database of a newer release.

    Raises:
        SchemaTooNewError: It is one.
    """
    found = int(connection.execute(select(meta.c.value).where(meta.c.name == "schema_version")).scalar_one())
    if found > SCHEMA_VERSION:
        raise SchemaTooNewError(
            f"The outbox has schema {found}, this release of rasa-kustomer knows schema {SCHEMA_VERSION}: "
            "install the newer release again, or set KUSTOMER_OUTBOX_URL to another database."
        )


def _date(connection: Connection, moment_ms: int) -> None:
    connection.execute(insert(meta).values(name="born_ms", value=str(moment_ms)))


def _first_use(connection: Connection, now: float) -> int:
    """When an outbox of release 0.1 was begun: since then it knows what it has sent. Epoch milliseconds.

    That is before all that it knows, so that nothing of this is looked up.
    """
    started, turned, recorded = (
        connection.execute(select(func.min(column))).scalar()
        for column in (sessions.c.started_ms, sessions.c.last_turn_at, records.c.created_at)
    )
    oldest = min(
        int(now * 1000),
        *(int(one) for one in (started,) if one is not None),
        *(int(one * 1000) for one in (turned, recorded) if one is not None),
    )
    return oldest - CLOCK_MARGIN_MS
