"""Compares what the outbox delivered with what Kustomer holds, and requeues what is missing."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from rasa_kustomer.delivery import plan
from rasa_kustomer.kustomer.client import MAX_ITEMS, KustomerClient
from rasa_kustomer.kustomer.errors import BrokenAnswer, NotFound, Rejected, Unreachable
from rasa_kustomer.kustomer.models import Message, Note
from rasa_kustomer.kustomer.priority import Priority, WorkPriority, task_priority
from rasa_kustomer.outbox import Kind, Outbox
from rasa_kustomer.outbox.auditing import Delivered, Place, by_session
from rasa_kustomer.reconcile.listing import Listing
from rasa_kustomer.reconcile.report import Report

FAILURES_TO_GIVE_UP = 3  # conversations in a row that could not be read


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
        self._outbox, self._dry_run, self._listing = outbox, dry_run, Listing(client, sleep=sleep)
        self.report = Report()
        self._failures = 0

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
            listed = await self._listing.messages(ids) if messages else []
            listed_notes = await self._listing.notes(ids) if notes else []
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
        found = await self._listing.conversation(place.key)
        ours = found if found and found.id == place.conversation_id else None
        customer = (ours.customer_id if ours else None) or place.customer_id  # it may have been merged since
        theirs = await self._listing.conversations_of(customer) if customer else None
        if theirs is None:
            self.report.unsearched += 1
        same = {one.id for one in theirs or () if one.external_id == place.key} | ({found.id} if found else set())
        return sorted(same - {place.conversation_id})


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
