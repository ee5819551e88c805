"""Transactions on what an earlier copy of the outbox may have sent: marked records, and what was found in Kustomer.

`recording.accept` and `births.restored` mark them: unsure although never begun.
"""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import BigInteger, Connection, bindparam, exists, select, update

from rasa_kustomer.delivery.outbox.entries import Claim, Kind
from rasa_kustomer.delivery.outbox.progress import latest, same_session
from rasa_kustomer.delivery.outbox.schema import DELIVERED, PENDING, records, sessions
from rasa_kustomer.delivery.outbox.transactor import Transactor

_MARKED = (records.c.state == PENDING, records.c.unsure, records.c.attempts == 0, records.c.bulk_at.is_(None))


class Turn(NamedTuple):
    """A marked turn and the time that it was said, epoch milliseconds."""

    id: int
    key: str
    at_ms: int


class Found(NamedTuple):
    """A turn in Kustomer: its id there, and its `sentAt` (epoch milliseconds; 0 when it is not told)."""

    kustomer_id: str
    sent_ms: int


class Recalling:
    """The outbox as looking up of old sessions needs it.

    Every method is one transaction and raises `OutboxUnavailableError` when the database cannot be used just now.

    Args:
        transactor: Runs the transactions.
        now: Clock in epoch seconds.
        owner: Whose leases count.
        settled: Set when records were settled.
    """

    def __init__(self, transactor: Transactor, now: Callable[[], float], owner: str, settled: asyncio.Event) -> None:
        self._transactor, self._now, self._owner, self._settled = transactor, now, owner, settled

    async def turns(self, claim: Claim) -> list[Turn]:
        """All marked turns of a session, in order."""
        return await self._transactor.read(lambda c: _turns(c, claim.id))

    async def compared(
        self, claim: Claim, found: Mapping[int, Found], missing: Mapping[int, int | None], *, all_seen: bool
    ) -> bool:
        """Settle the marked turns that Kustomer has, and take the marks from the others.

        Args:
            claim: The leased session; its `last_sent_ms` follows.
            found: By record id.
            missing: By record id the `sentAt` that puts it between those that were found; None for what comes after.
            all_seen: All of the conversation was read; else the missing ones are looked up one by one.

        Returns:
            False when the lease was lost; then nothing was written.
        """
        now = self._now()
        claim.last_sent_ms = max((claim.last_sent_ms, *(one.sent_ms for one in found.values())))

        def work(connection: Connection) -> bool:
            if not _lock(connection, self._owner, claim):
                return False
            _settle(connection, claim, found, now)
            rest = {"unsure": False} if all_seen else {"attempts": 1}
            rows = [{"record": record_id, "sent": sent_ms} for record_id, sent_ms in missing.items()]
            _change(connection, claim, rows, {**rest, "sent_ms": bindparam("sent")})
            return True

        ours = await self._transactor.run(work)
        self._settled.set()
        return ours

    async def nothing_there(self, claim: Claim) -> None:
        """Take the marks from all that a session has: Kustomer has no conversation of it."""
        ours = (records.c.session_id == claim.id, exists().where(same_session(self._owner, claim)))
        await self._transactor.run(lambda c: c.execute(update(records).where(*ours, *_MARKED).values(unsure=False)))


def _turns(connection: Connection, session_id: int) -> list[Turn]:
    mine = (records.c.session_id == session_id, records.c.kind == Kind.MESSAGE.value)
    query = select(records.c.id, records.c.key, records.c.payload).where(*mine, *_MARKED).order_by(records.c.id)
    return [Turn(row.id, row.key, json.loads(row.payload)["at_ms"]) for row in connection.execute(query)]


def _lock(connection: Connection, owner: str, claim: Claim) -> bool:
    mine = select(sessions.c.id).where(same_session(owner, claim))
    return connection.execute(mine.with_for_update()).one_or_none() is not None


def _settle(connection: Connection, claim: Claim, found: Mapping[int, Found], now: float) -> None:
    done = {"state": DELIVERED, "settled_at": now, "unsure": False, "reason": None, "kustomer_id": bindparam("found")}
    _change(
        connection, claim, [{"record": record_id, "found": one.kustomer_id} for record_id, one in found.items()], done
    )
    sent = bindparam("sent", claim.last_sent_ms, type_=BigInteger)
    connection.execute(update(sessions).where(sessions.c.id == claim.id).values(last_sent_ms=latest(sent)))


def _change(
    connection: Connection, claim: Claim, rows: Sequence[Mapping[str, object]], values: Mapping[str, object]
) -> None:
    if rows:
        mine = (records.c.session_id == claim.id, records.c.state == PENDING)
        this = update(records).where(records.c.id == bindparam("record"), *mine)
        connection.execute(this.values(values), rows)
