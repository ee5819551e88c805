"""When a copy of the outbox came into use, and what that means for what is in it."""

from typing import NamedTuple

from sqlalchemy import Connection, delete, func, insert, select, update

from rasa_kustomer.delivery.outbox.schema import PENDING, meta, records, sessions


class Marks(NamedTuple):
    """What is looked up in Kustomer before anything is sent: records that wait, and sessions when they go on."""

    records: int
    sessions: int


def restored(connection: Connection, now: float) -> Marks:
    """Note that this is an older copy: whatever it knows may have gone on in Kustomer.

    What waits is as if it was never tried, yet perhaps sent. A bulk job is not asked for its results any more, since
    what failed in it may have been sent one by one; one that may be at work gets the time to end.

    Args:
        connection: With an open transaction.
        now: Epoch seconds. A clock behind what the copy has seen is not believed.
    """
    waiting = update(records).where(records.c.state == PENDING)
    looked_up = {"creating": True, "attempts": 0, "not_before": 0.0, "leased_by": None, "leased_until": 0.0}
    marks = Marks(
        connection.execute(waiting.values(unsure=True, attempts=0, bulk_job=None, not_before=0.0)).rowcount,
        connection.execute(update(sessions).values(looked_up)).rowcount,
    )
    seen = [
        connection.execute(select(func.max(one))).scalar() for one in (records.c.created_at, sessions.c.last_turn_at)
    ]
    born_ms = int(max(now, *(moment for moment in seen if moment is not None)) * 1000)
    connection.execute(delete(meta).where(meta.c.name == "born_ms"))  # a copy of release 0.1 has none
    connection.execute(insert(meta).values(name="born_ms", value=str(born_ms)))
    return marks
