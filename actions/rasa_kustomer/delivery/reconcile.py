"""Compares what the outbox delivered with what Kustomer holds, and requeues what is missing."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from math import floor
from typing import Any, TypeVar

from cachetools import LRUCache

from rasa_kustomer.delivery import plan
from rasa_kustomer.kustomer.client import MAX_ITEMS, KustomerClient
from rasa_kustomer.kustomer.errors import (
    BrokenAnswer,
    KeyRefused,
    NotAllowed,
    NotFound,
    RateLimited,
    Rejected,
    Unreachable,
)
from rasa_kustomer.kustomer.models import Conversation, Message, Note
from rasa_kustomer.kustomer.priority import Priority, WorkPriority, task_priority
from rasa_kustomer.outbox import Kind, Outbox
from rasa_kustomer.outbox.auditing import Delivered, Place, by_session

T = TypeVar("T")
FAILURES_TO_GIVE_UP = 3  # conversations in a row that could not be read
REMEMBERED_CUSTOMERS = 100
MAX_WAITS = 10  # for the request limit, per list


@dataclass
class Report:
    """What a comparison found. Numbers are of messages and notes, unless they speak of conversations.

    Attributes:
        conversations: Conversations that were compared.
        checked: Delivered records that were looked for.
        present: Those that Kustomer holds.
        missing: Those that it does not hold.
        put_back: Missing ones that wait again.
        doubled: Those that it holds more than once, in one conversation or in two of the same externalId.
        doubled_conversations: Chats with more than one conversation.
        doubled_conversation_ids: Ids of the second and further ones.
        unsearched: Conversations of which it cannot be known whether there is a second one.
        out_of_order: Messages whose `sentAt` is before that of an earlier record.
        dead: Refused since the same moment.
        pending: What waits now; what was put back is not part of it.
        leased: Conversations that were left out, since a worker is at work on them.
        gone: Ids of conversations that Kustomer does not know any more; their records are left as they are.
        unreadable: Conversations that could not be listed, or not to the end.
        unread_notes: Notes that were left out, since the key may not read notes.
    """

    conversations: int = 0
    checked: int = 0
    present: int = 0
    missing: int = 0
    put_back: int = 0
    doubled: int = 0
    doubled_conversations: int = 0
    doubled_conversation_ids: list[str] = field(default_factory=list)
    unsearched: int = 0
    out_of_order: int = 0
    dead: int = 0
    pending: int = 0
    leased: int = 0
    gone: list[str] = field(default_factory=list)
    unreadable: int = 0
    unread_notes: int = 0

    @property
    def success_percent(self) -> float | None:
        """Of what was delivered or died, how much is present; cut to 2 decimals so that 100 is all.

        None when there is nothing to compare, and when something may stand twice that could not be looked for.
        """
        total = self.checked + self.dead
        return floor(self.present * 10_000 / total) / 100 if total and not self.unsearched else None


class Reconciliation:
    """One comparison.

    Args:
        outbox: What was delivered.
        client: Kustomer's API; its requests have the priority of cleaning up.
        dry_run: Change nothing.
        sleep: How to wait when the request limit is spent.
    """

    def __init__(
        self,
        outbox: Outbox,
        client: KustomerClient,
        *,
        dry_run: bool = False,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
    ) -> None:
        self._outbox, self._client, self._dry_run, self._sleep = outbox, client, dry_run, sleep
        self.report = Report()
        self._failures = 0
        self._customers: LRUCache[str, list[Conversation] | None] = LRUCache(REMEMBERED_CUSTOMERS)

    async def run(self, since: float, progress: Callable[[int, int], None] = lambda _done, _all: None) -> Report:
        """Compare what was delivered since a moment.

        Args:
            since: Epoch seconds.
            progress: Told how many conversations are done, and of how many.

        Raises:
            KustomerError: Kustomer cannot be read.
            OutboxUnavailableError: The outbox cannot be read.
        """
        task_priority.set(WorkPriority(Priority.CLEANUP))
        auditing = self._outbox.auditing
        self.report.dead, self.report.pending = await auditing.others(since)
        found: list[Delivered] = []
        while page := await auditing.delivered(since, after=found[-1].id if found else 0):
            found += page
        groups = by_session(found)
        for done, (session_id, delivered) in enumerate(groups.items()):
            progress(done, len(groups))
            await self._one(session_id, delivered)
        progress(len(groups), len(groups))
        return self.report

    async def _one(self, session_id: int, delivered: Sequence[Delivered]) -> None:
        place = await self._outbox.auditing.place(session_id)
        if place.leased or place.conversation_id is None:
            self.report.leased += 1
            return
        messages = [one for one in delivered if one.kind is Kind.MESSAGE]
        notes = [one for one in delivered if one.kind is Kind.NOTE]
        try:
            ids = [place.conversation_id, *await self._doubles(place)]
            listed = await self._all(self._client.messages_of, ids) if messages else []
            listed_notes = await self._notes(ids) if notes else []
        except NotFound:
            self.report.gone.append(place.conversation_id)
            return
        except (Unreachable, BrokenAnswer, Rejected):
            self._failures += 1
            self.report.unreadable += 1
            if self._failures >= FAILURES_TO_GIVE_UP:
                raise
            return
        self._failures = 0
        self.report.doubled_conversations += len(ids) > 1
        self.report.doubled_conversation_ids += ids[1:]
        if len(listed) >= MAX_ITEMS or len(listed_notes or ()) >= MAX_ITEMS:
            self.report.unreadable += 1
            return
        if listed_notes is None:
            self.report.unread_notes += len(notes)
            notes, listed_notes = [], []
        self.report.conversations += 1
        missing = await self._messages(messages, listed)
        missing |= dict.fromkeys((one.id for one, copies in _match(notes, listed_notes) if not self._count(copies)))
        if missing and not self._dry_run:
            put_back = await self._outbox.auditing.put_back(session_id, missing)
            self.report.put_back += put_back
            self._outbox.work_arrived.set()

    async def _messages(self, delivered: Sequence[Delivered], listed: Sequence[Message]) -> dict[int, int | None]:
        """Count messages; returns the missing ones with the `sentAt` that puts them back into their place."""
        missing: dict[int, int | None] = {}
        latest = 0
        for one, copies in _match(delivered, listed):
            if self._count(copies):
                sent = min((ms for copy in copies if (ms := plan.epoch_ms(copy.sent_at)) is not None), default=latest)
                self.report.out_of_order += sent < latest
                latest = max(latest, sent)
            else:
                payload = (await self._outbox.maintenance.entry(one.id) or {}).get("payload", {})
                missing[one.id] = latest = plan.sent_ms({"at_ms": 0, **payload}, latest)
        return missing

    def _count(self, copies: Sequence[Message | Note]) -> bool:
        self.report.checked += 1
        self.report.present += bool(copies)
        self.report.missing += not copies
        self.report.doubled += len(copies) > 1
        return bool(copies)

    async def _doubles(self, place: Place) -> list[str]:
        """Ids of further conversations with the session's externalId.

        Kustomer gives one for an externalId, so those of the same customer are listed too.
        """
        found = await self._read(self._client.find_conversation, place.key)
        ours = found if found and found.id == place.conversation_id else None
        customer = (ours.customer_id if ours else None) or place.customer_id  # it may have been merged since
        theirs = await self._conversations_of(customer) if customer else None
        if theirs is None:
            self.report.unsearched += 1
        same = {one.id for one in theirs or () if one.external_id == place.key} | ({found.id} if found else set())
        return sorted(same - {place.conversation_id})

    async def _conversations_of(self, customer_id: str) -> list[Conversation] | None:
        """All of a customer's conversations; None when they cannot be had, or not all."""
        if customer_id not in self._customers:
            try:
                listed = await self._read(self._client.customer_conversations, customer_id)
                self._customers[customer_id] = listed if len(listed) < MAX_ITEMS else None
            except NotFound:  # merged or deleted
                self._customers[customer_id] = None
        return self._customers[customer_id]

    async def _notes(self, conversation_ids: Sequence[str]) -> list[Note] | None:
        """The conversations' notes; None when the key may not read notes, which it need not."""
        try:
            return await self._all(self._client.notes_of, conversation_ids)
        except KeyRefused:
            raise
        except NotAllowed:
            return None

    async def _all(self, call: Callable[[str], Awaitable[list[T]]], ids: Sequence[str]) -> list[T]:
        return [item for one in ids for item in await self._read(call, one)]

    async def _read(self, call: Callable[[str], Awaitable[T]], name: str) -> T:
        """Send a request, waiting while the request limit is spent."""
        for _ in range(MAX_WAITS):
            try:
                return await call(name)
            except RateLimited as error:
                await self._sleep(error.wait_seconds)
        return await call(name)


def _match(
    delivered: Sequence[Delivered], listed: Sequence[Message] | Sequence[Note]
) -> list[tuple[Delivered, list[Message | Note]]]:
    """Each record with its copies in Kustomer: those with its externalId, else the one with its id there."""
    by_key: dict[str, list[Message | Note]] = {}
    by_id: dict[str, Message | Note] = {one.id: one for one in listed}
    for one in listed:
        if one.external_id is not None:
            by_key.setdefault(one.external_id, []).append(one)
    found = []
    for record in delivered:
        copies = by_key.get(record.key, [])
        known = by_id.get(record.kustomer_id or "")
        found.append((record, copies or ([known] if known is not None else [])))
    return found
