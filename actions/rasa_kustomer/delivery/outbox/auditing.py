"""Transactions that compare the outbox with Kustomer: what was delivered, and putting back what is not there."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, and_, bindparam, func, or_, select, update

from rasa_kustomer.conversation.keys import sender_part
from rasa_kustomer.delivery.outbox.entries import Kind
from rasa_kustomer.delivery.outbox.schema import DEAD, DELIVERED, PENDING, records, sessions
from rasa_kustomer.delivery.outbox.transactor import Transactor

PAGE = 1_000
COMPARED = (Kind.MESSAGE.value, Kind.NOTE.value)  # what Kustomer lists one by one
NOT_FOUND = "it was not found in Kustomer"


class Delivered(NamedTuple):
    """A record that Kustomer should hold.

    Attributes:
        kustomer_id: Its id there; None when it is not known.
    """

    id: int
    session_id: int
    key: str
    kind: Kind
    kustomer_id: str | None


class KnownSession(NamedTuple):
    """What is known of a session.

    Attributes:
        purged: Whether records of it were deleted since.
        record_keys: Keys of its records.
        said: What the customer said in it.
    """

    key: str
    purged: bool
    record_keys: frozenset[str]
    said: tuple[str, ...]


class Place(NamedTuple):
    """Where a session is.

    Attributes:
        key: externalId of its conversation.
        conversation_id: None while it is being looked up or made anew.
        customer_id: Whose it is, as far as that is known.
        leased: A courier is at work on it.
    """

    key: str
    conversation_id: str | None
    customer_id: str | None
    leased: bool


class Others(NamedTuple):
    """Messages and notes that are not delivered."""

    dead: int
    pending: int


class Auditing:
    """The outbox as `rasa-kustomer reconcile` needs it.

    Every method is one transaction and raises `OutboxUnavailableError` when the database cannot be used just now.

    Args:
        transactor: Runs the transactions.
        now: Clock in epoch seconds.
    """

    def __init__(self, transactor: Transactor, now: Callable[[], float]) -> None:
        self._transactor, self._now = transactor, now

    def now(self) -> float:
        """The outbox's clock, epoch seconds."""
        return self._now()

    async def delivered(self, since: float, *, after: int = 0, limit: int = PAGE) -> list[Delivered]:
        """Messages and notes settled as delivered since a moment (epoch seconds), by id, with ids above `after`."""
        return await self._transactor.read(lambda c: _delivered(c, since, after, limit))

    async def others(self, since: float) -> Others:
        """How many messages and notes died since a moment (epoch seconds), and how many wait now."""
        return await self._transactor.read(lambda c: _others(c, since))

    async def known_sessions(self, sender_id: str) -> list[KnownSession]:
        """All sessions of a sender, with what is left of their records."""
        return await self._transactor.read(lambda c: _known_sessions(c, sender_id))

    async def place(self, session_id: int) -> Place:
        """Where a session is just now."""
        now = self._now()
        return await self._transactor.read(lambda c: _place(c, session_id, now))

    async def put_back(self, session_id: int, sent_ms: Mapping[int, int | None]) -> int:
        """Let delivered records of a session wait again, to be looked up and, if need be, sent.

        The closing of a session that is closed is repeated after them, since a customer's words reopen it.

        Args:
            session_id: Whose records.
            sent_ms: The `sentAt` that each is to have, epoch milliseconds, by id; None keeps what it has.

        Returns:
            How many wait again; 0 when a courier has the session by now.
        """
        now = self._now()
        return await self._transactor.run(lambda c: _put_back(c, session_id, sent_ms, now))


def _delivered(connection: Connection, since: float, after: int, limit: int) -> list[Delivered]:
    rows = connection.execute(
        select(records.c.id, records.c.session_id, records.c.key, records.c.kind, records.c.kustomer_id)
        .where(
            records.c.id > after,
            records.c.state == DELIVERED,
            records.c.settled_at >= since,
            records.c.kind.in_(COMPARED),
        )
        .order_by(records.c.id)
        .limit(limit)
    )
    return [Delivered(row.id, row.session_id, row.key, Kind(row.kind), row.kustomer_id) for row in rows]


def _others(connection: Connection, since: float) -> Others:
    counted = select(func.count()).select_from(records).where(records.c.kind.in_(COMPARED))
    dead = counted.where(records.c.state == DEAD, records.c.settled_at >= since)
    pending = counted.where(records.c.state == PENDING)
    return Others(*(int(connection.execute(query).scalar_one()) for query in (dead, pending)))


def _known_sessions(connection: Connection, sender_id: str) -> list[KnownSession]:
    mine = sessions.c.sender_id == sender_part(sender_id)
    found = connection.execute(select(sessions.c.id, sessions.c.key, sessions.c.purged).where(mine)).all()
    kept: dict[int, list[tuple[str, str, str]]] = {row.id: [] for row in found}
    query = select(records.c.session_id, records.c.key, records.c.kind, records.c.payload).order_by(records.c.id)
    for row in connection.execute(query.join(sessions, sessions.c.id == records.c.session_id).where(mine)):
        kept[row.session_id].append((row.key, row.kind, row.payload))
    return [
        KnownSession(
            row.key,
            bool(row.purged),
            frozenset(key for key, _, _ in kept[row.id]),
            tuple(_said(payload) for _, kind, payload in kept[row.id] if kind == Kind.MESSAGE.value),
        )
        for row in found
    ]


def _said(payload: str) -> str:
    content = json.loads(payload)
    return str(content["text"]) if content["direction"] == "in" else ""


def _place(connection: Connection, session_id: int, now: float) -> Place:
    leased = sessions.c.leased_by.is_not(None) & (sessions.c.leased_until > now)
    columns = (sessions.c.key, sessions.c.conversation_id, sessions.c.customer_id, leased.label("leased"))
    row = connection.execute(select(*columns).where(sessions.c.id == session_id)).one()
    return Place(row.key, row.conversation_id, row.customer_id, bool(row.leased))


def _put_back(connection: Connection, session_id: int, sent_ms: Mapping[int, int | None], now: float) -> int:
    free = or_(sessions.c.leased_by.is_(None), sessions.c.leased_until <= now)
    locked = connection.execute(
        select(sessions.c.closed).where(sessions.c.id == session_id, free).with_for_update(skip_locked=True)
    ).one_or_none()
    if locked is None:
        return 0
    mine = and_(records.c.id.in_(sent_ms), records.c.session_id == session_id)
    put_back = connection.execute(
        update(records).where(mine, records.c.state == DELIVERED).values(_waiting(NOT_FOUND))
    ).rowcount
    if places := [{"record": one, "moment": moment} for one, moment in sent_ms.items() if moment is not None]:
        one = (records.c.id == bindparam("record")) & (records.c.session_id == session_id)
        connection.execute(
            update(records).where(one, records.c.state == PENDING).values(sent_ms=bindparam("moment")), places
        )
    if locked.closed:
        _close_again(connection, session_id, min(sent_ms))
    connection.execute(
        update(sessions).where(sessions.c.id == session_id).values(open_since=func.coalesce(sessions.c.open_since, now))
    )
    return put_back


def _close_again(connection: Connection, session_id: int, after: int) -> None:
    newest = (
        select(func.max(records.c.id))
        .where(records.c.session_id == session_id, records.c.kind == Kind.CLOSE.value, records.c.id > after)
        .scalar_subquery()
    )
    closing = (records.c.id == newest) & (records.c.state == DELIVERED)
    connection.execute(update(records).where(closing).values(_waiting(None)))


def _waiting(reason: str | None) -> dict[str, object]:
    return {
        "state": PENDING,
        "unsure": True,
        "not_before": 0.0,
        "settled_at": None,
        "kustomer_id": None,
        "bulk_at": None,
        "bulk_job": None,
        "reason": reason,
    }


def by_session(found: Sequence[Delivered]) -> dict[int, list[Delivered]]:
    """Records by session, each in the order of the records."""
    grouped: dict[int, list[Delivered]] = {}
    for one in found:
        grouped.setdefault(one.session_id, []).append(one)
    return grouped
