"""Transactions of the clock: close what is idle, remove what was settled long ago, and forget whom it was about.

Each is short, since turns wait while it writes. What is done for a row is done for it alone after a surprise, so that a
row that cannot be dealt with costs itself and no other.
"""

import asyncio
import json
import logging
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)

from rasa_kustomer.delivery.outbox.entries import Kind, dump
from rasa_kustomer.delivery.outbox.schema import DEAD, DELIVERED, EMPTIED, PENDING, records, sessions
from rasa_kustomer.delivery.outbox.transactor import OutboxUnavailableError, Transactor
from rasa_kustomer.failures import where

logger = logging.getLogger(__name__)

Ids = Sequence[int]
Surprised = Callable[[str], Any]

CLOSED_AT_ONCE = 100
REMOVED_AT_ONCE = 1_000
FAILURES_TO_GIVE_UP = 3  # of rows in a row: it is the database then, and no row
LOG_SECONDS = 2.0
WIPED = "its text was deleted, it is too old (KUSTOMER_RETENTION_DAYS, or rasa-kustomer outbox purge)"


class Removed(NamedTuple):
    """What one batch removed.

    Attributes:
        records: Delivered records that were deleted.
        sessions: Sessions of which nobody can be told any more.
        texts: Dead records that lost their texts.
    """

    records: int = 0
    sessions: int = 0
    texts: int = 0


def _rests() -> tuple[ColumnElement[bool], ...]:
    """Nothing of a session waits; written out as the indexes of such sessions have it."""
    waits = exists().where(records.c.session_id == sessions.c.id, records.c.state == PENDING)
    return sessions.c.open_since.is_(None), sessions.c.accepted > literal_column("0"), ~waits


def _idle(connection: Connection, before: float, but_not: Ids) -> list[int]:
    """Sessions to close: mirrored, quiet since `before` (epoch seconds), never handed off, nothing pending."""
    rows = connection.execute(
        select(sessions.c.id)
        .where(*_closable(before), sessions.c.id.not_in(but_not))
        .order_by(sessions.c.last_turn_at)
        .limit(CLOSED_AT_ONCE)
    )
    return list(rows.scalars())


def _closable(before: float) -> tuple[ColumnElement[bool], ...]:
    mirrored = sessions.c.conversation_id.is_not(None)
    return (*_rests(), ~sessions.c.closed, ~sessions.c.escalated, mirrored, sessions.c.last_turn_at < before)


def _close(connection: Connection, ids: Ids, before: float, now: float) -> int:
    """Queue the closing of the sessions' conversations, and remember it until their next turns.

    Its key has the time of the last accepted turn, not of the last sent one: a turn that was refused reopens a session
    too, and its second closing needs a key of its own.
    """
    found = connection.execute(
        select(sessions.c.id, sessions.c.key, sessions.c.last_turn_at)
        .where(sessions.c.id.in_(ids), *_closable(before))
        .with_for_update(skip_locked=True)  # what another process closes just now is none of ours
    ).all()
    if not found:
        return 0
    keys = {row.id: f"{row.key}:close:{int(row.last_turn_at * 1000)}" for row in found}
    known = set(connection.execute(select(records.c.key).where(records.c.key.in_(keys.values()))).scalars())
    new = {row_id: key for row_id, key in keys.items() if key not in known}
    if new:
        values = {"kind": Kind.CLOSE.value, "payload": "{}", "created_at": now}
        connection.execute(
            insert(records), [{"session_id": row_id, "key": key, **values} for row_id, key in new.items()]
        )
        counted = {"accepted": sessions.c.accepted + 1, "open_since": now}
        connection.execute(update(sessions).where(sessions.c.id.in_(new)).values(counted))
    connection.execute(update(sessions).where(sessions.c.id.in_(keys)).values(closed=True))
    return len(found)


def _let_go(connection: Connection, now: float) -> None:
    """Processes that died between a session's last record and its release left `open_since` behind."""
    waits = exists().where(records.c.session_id == sessions.c.id, records.c.state == PENDING)
    held = and_(sessions.c.leased_by.is_not(None), sessions.c.leased_until > now)
    left = select(sessions.c.id).where(sessions.c.open_since.is_not(None), ~held, ~waits).limit(REMOVED_AT_ONCE)
    ids = list(connection.execute(left.with_for_update(skip_locked=True)).scalars())
    if ids:
        connection.execute(update(sessions).where(sessions.c.id.in_(ids), ~waits).values(open_since=None))


def _purgeable(connection: Connection, settled_before: float, dead: bool, but_not: Ids) -> list[int]:
    """Ids of records that `_purge` may delete: delivered ones, or dead ones, the oldest first.

    Records of sessions that had a turn since are kept, so that a server which reads their tracker again knows them.
    """
    query = (
        select(records.c.id)
        .join(sessions, sessions.c.id == records.c.session_id)
        .where(*_purged(settled_before, dead), records.c.id.not_in(but_not))
        .order_by(records.c.id)
        .limit(REMOVED_AT_ONCE)
    )
    return list(connection.execute(query).scalars())


def _purged(settled_before: float, dead: bool) -> tuple[ColumnElement[bool], ...]:
    return (
        records.c.state == (DEAD if dead else DELIVERED),
        records.c.settled_at < settled_before,
        sessions.c.last_turn_at < settled_before,
    )


def _purge(connection: Connection, ids: Ids, settled_before: float, dead: bool) -> int:
    """Delete those of the records that were settled before a moment (epoch seconds) and still are."""
    chosen = connection.execute(
        select(records.c.id, records.c.session_id, records.c.payload)
        .join(sessions, sessions.c.id == records.c.session_id)
        .where(records.c.id.in_(ids), *_purged(settled_before, dead))
        .with_for_update(of=records, skip_locked=True)  # purged once, also when two do it at the same time
    ).all()
    for session_id in {row.session_id for row in chosen}:
        mine = [row for row in chosen if row.session_id == session_id]
        newest = max(_at_ms(row.payload) for row in mine)
        values: dict[Any, Any] = {
            sessions.c.purged_ms: case((sessions.c.purged_ms > newest, sessions.c.purged_ms), else_=newest)
        }
        if dead:  # a session without any other record is not met by `_forget` afterwards
            values[sessions.c.accepted] = sessions.c.accepted - len(mine)
            nothing_left = sessions.c.accepted == len(mine)
            values[sessions.c.identity] = case((nothing_left, EMPTIED), else_=sessions.c.identity)
        else:
            values[sessions.c.purged] = sessions.c.purged + len(mine)
        connection.execute(update(sessions).where(sessions.c.id == session_id).values(values))
    connection.execute(delete(records).where(records.c.id.in_([row.id for row in chosen])))
    return len(chosen)


def _at_ms(payload: str) -> int:
    """When a record's turn was said; 0 for what has no time, or cannot be read."""
    try:
        return int(json.loads(payload).get("at_ms") or 0)
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return 0


def _named(connection: Connection, before: float, but_not: Ids) -> list[int]:
    """Sessions that tell who somebody was, at rest since a moment (epoch seconds)."""
    query = select(sessions.c.id).where(*_forgettable(before), sessions.c.id.not_in(but_not))
    return list(connection.execute(query.order_by(sessions.c.last_turn_at).limit(REMOVED_AT_ONCE)).scalars())


def _forgettable(before: float) -> tuple[ColumnElement[bool], ...]:
    tells = sessions.c.identity != literal_column(f"'{EMPTIED}'")
    return (*_rests(), tells, sessions.c.last_turn_at < before)


def _forget(connection: Connection, ids: Ids, before: float) -> int:
    mine = update(sessions).where(sessions.c.id.in_(ids), *_forgettable(before))
    return connection.execute(mine.values(identity=EMPTIED)).rowcount


def _texts(connection: Connection, before: float, but_not: Ids) -> list[int]:
    """Dead records that still have their texts, of sessions at rest since a moment (epoch seconds)."""
    query = (
        select(records.c.id)
        .join(sessions, sessions.c.id == records.c.session_id)
        .where(*_wipeable(before), sessions.c.open_since.is_(None), records.c.id.not_in(but_not))
        .order_by(records.c.id)
    )
    return list(connection.execute(query.limit(REMOVED_AT_ONCE)).scalars())


def _wipeable(before: float) -> tuple[ColumnElement[bool], ...]:
    return (*_purged(before, dead=True), or_(records.c.reason.is_(None), records.c.reason != WIPED))


def _wipe(connection: Connection, ids: Ids) -> int:
    """The rows stay, so that it is seen that something was refused, and that turns are known when they come again."""
    found = connection.execute(
        select(records.c.id, records.c.payload).where(records.c.id.in_(ids), records.c.state == DEAD)
    ).all()
    rows = [{"record": row.id, "time": dump({"at_ms": _at_ms(row.payload)})} for row in found]
    if rows:
        mine = update(records).where(records.c.id == bindparam("record"), records.c.state == DEAD)
        connection.execute(mine.values(payload=bindparam("time"), reason=WIPED), rows)
    return len(rows)


class Tidying:
    """What is done from time to time, several processes at once if need be.

    Every method is a few transactions and raises `OutboxUnavailableError` when the database cannot be used just now.

    Args:
        transactor: Runs the transactions.
        now: Clock in epoch seconds.
        work_arrived: Set when there is something to deliver.
    """

    def __init__(self, transactor: Transactor, now: Callable[[], float], work_arrived: asyncio.Event) -> None:
        self._transactor, self._now, self._work_arrived = transactor, now, work_arrived

    async def let_go(self) -> None:
        """Take back what killed processes left marked as if something of it waited."""
        now = self._now()
        await self._transactor.run(lambda c: _let_go(c, now))

    async def close_idle(self, minutes: float, *, surprised: Surprised = logger.warning) -> int:
        """Queue the closing of one batch of conversations that were quiet for `minutes` and never handed off.

        Args:
            minutes: How long they were quiet.
            surprised: Told which place of the code failed for a row, which is left out.

        Returns:
            How many were queued (0: done).
        """
        now = self._now()
        before = now - minutes * 60
        closed = await self._batch(
            lambda c, but_not: _idle(c, before, but_not), lambda c, ids: _close(c, ids, before, now), surprised
        )
        if closed:
            self._work_arrived.set()
        return closed

    async def count_purgeable(self, *, older_than_seconds: float, dead: bool = False) -> int:
        """How many records `purge` would delete in all."""
        before = self._now() - older_than_seconds
        query = select(func.count()).select_from(records.join(sessions, sessions.c.id == records.c.session_id))
        found = query.where(*_purged(before, dead))
        return await self._transactor.read(lambda c: int(c.execute(found).scalar_one()))

    async def purge(
        self, *, older_than_seconds: float, dead: bool = False, surprised: Surprised = logger.warning
    ) -> int:
        """Delete one batch of settled records older than a time; returns how many (0: done)."""
        before = self._now() - older_than_seconds
        return await self._batch(
            lambda c, but_not: _purgeable(c, before, dead, but_not),
            lambda c, ids: _purge(c, ids, before, dead),
            surprised,
        )

    async def retire(self, *, older_than_seconds: float, surprised: Surprised = logger.warning) -> Removed:
        """Remove one batch of all that is older than a time: delivered records, then who it was and what died.

        What a session has waiting stays with all that its delivery needs; "was recorded already", the ticket's
        reference and the counts stay too. At the end nothing of what went can be read from the files.

        Returns:
            How much went; nothing: done.
        """
        before = self._now() - older_than_seconds
        if deleted := await self.purge(older_than_seconds=older_than_seconds, surprised=surprised):
            return Removed(records=deleted)
        forgotten = await self._batch(
            lambda c, but_not: _named(c, before, but_not), lambda c, ids: _forget(c, ids, before), surprised
        )
        wiped = await self._batch(lambda c, but_not: _texts(c, before, but_not), _wipe, surprised)
        if not forgotten and not wiped and self._transactor.path is not None:
            await asyncio.to_thread(_empty_log, self._transactor.path)
        return Removed(sessions=forgotten, texts=wiped)

    async def _batch(
        self,
        find: Callable[..., Ids],
        work: Callable[[Connection, Ids], int],
        surprised: Surprised,
    ) -> int:
        """Deal with the first rows for which something can be done; returns with how many."""
        failed: list[int] = []
        while ids := await self._transactor.read(partial(find, but_not=failed)):
            if done := await self._deal_with(ids, work, surprised):
                return done
            failed += ids
        return 0

    async def _deal_with(self, ids: Ids, work: Callable[[Connection, Ids], int], surprised: Surprised) -> int:
        try:
            return await self._transactor.run(lambda c: work(c, ids))
        except Exception:  # noqa: BLE001 - told below, row by row
            done = failed = 0
        for one in ids:
            try:
                done += await self._transactor.run(lambda c: work(c, [one]))  # noqa: B023 - awaited at once
                failed = 0
            except Exception as error:
                failed += 1
                if isinstance(error, OutboxUnavailableError) and failed >= FAILURES_TO_GIVE_UP:
                    raise
                surprised(f"A row of the outbox is left out, tidying it up failed: {where(error)}")
        return done


def _empty_log(path: Path) -> None:
    """Move what was written into the file, where deleted things are overwritten, and empty the log that still has them.

    While others read, some of it stays until the next time.
    """
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=LOG_SECONDS)
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
        finally:
            connection.close()
    except sqlite3.Error as error:
        logger.debug("The outbox's log was not emptied just now: %s", type(error).__name__)
