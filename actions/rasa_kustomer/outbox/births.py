"""The birth stamp: since when a copy of the outbox is in use, and what that means for its records."""

from typing import NamedTuple

from rasa_kustomer.outbox.connection import Connection
from rasa_kustomer.outbox.schema import date

_ALL_THAT_WAITS = """
UPDATE kustomer_record SET unsure = true, attempts = 0, bulk_job = NULL, not_before = 0.0 WHERE state = 'pending'"""
_ALL_SESSIONS = """
UPDATE kustomer_session SET creating = true, attempts = 0, not_before = 0.0, leased_by = NULL, leased_until = 0.0"""
_SEEN = """
SELECT max(last_turn_at) AS turn_at, (SELECT max(created_at) FROM kustomer_record) AS recorded_at
FROM kustomer_session"""


class Marks(NamedTuple):
    """What is looked up in Kustomer before anything is sent: records that wait, and sessions when they go on."""

    records: int
    sessions: int


def restored(c: Connection, now: float) -> Marks:
    """Mark everything as in doubt: this is an older copy, and Kustomer may have more than it knows.

    Pending records count as never attempted, yet perhaps sent. A bulk job is no longer asked for its results, since
    what failed in it may have been sent one by one; a job that may still run gets the time to end.

    Args:
        c: With an open transaction.
        now: Epoch seconds. A clock behind what the copy has seen is not believed.
    """
    marks = Marks(c.change(_ALL_THAT_WAITS), c.change(_ALL_SESSIONS))
    [seen] = c.rows(_SEEN)
    date(c, int(max(now, seen["turn_at"] or now, seen["recorded_at"] or now) * 1000))
    return marks
