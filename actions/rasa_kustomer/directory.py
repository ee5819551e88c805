"""Finds the Kustomer customer of a person whom Rasa knows.

Cached, with one look-up per person at a time: ten session starts of one new customer make one create. A failure is
cached briefly too, so that an outage does not make every session start wait again.
"""

import asyncio
import time
from collections.abc import Callable, Hashable
from contextvars import copy_context
from dataclasses import replace
from typing import Any, NamedTuple

from cachetools import TTLCache

from rasa_kustomer.conversation.customer_body import bare_body, create_body
from rasa_kustomer.conversation.identity import Identity
from rasa_kustomer.conversation.keys import anonymous_id
from rasa_kustomer.kustomer.client import IdentityField, KustomerClient
from rasa_kustomer.kustomer.errors import KustomerError, Rejected, Unreachable
from rasa_kustomer.kustomer.models import Customer
from rasa_kustomer.kustomer.priority import Priority, WorkPriority, current_priority, task_priority

FAILURE_SECONDS = 5.0
ABSENT_SECONDS = 60.0
OUR_PREFIX = "rasa:"


class _UnusableError(Exception):
    """Kustomer rejects the only address by which somebody is known."""


class _Flight(NamedTuple):
    task: asyncio.Task[Customer]
    priority: WorkPriority


class CustomerDirectory:
    """Finds or creates customers.

    Args:
        client: Kustomer's API.
        ttl_seconds: How long a customer is kept.
        size: How many customers are kept.
        now: Monotonic clock in seconds.
    """

    def __init__(
        self, client: KustomerClient, *, ttl_seconds: float, size: int, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._known: TTLCache[Hashable, Customer] = TTLCache(maxsize=size, ttl=ttl_seconds, timer=now)
        self._failed: TTLCache[Hashable, KustomerError] = TTLCache(maxsize=size, ttl=FAILURE_SECONDS, timer=now)
        self._absent: TTLCache[Hashable, bool] = TTLCache(maxsize=size, ttl=ABSENT_SECONDS, timer=now)
        self._unusable: TTLCache[Hashable, bool] = TTLCache(maxsize=size, ttl=ttl_seconds, timer=now)
        self._flights: dict[Hashable, _Flight] = {}
        self._looks: dict[Hashable, asyncio.Task[Customer | None]] = {}

    async def get_or_create(self, identity: Identity, *, retry_failed: bool = False) -> Customer:
        """The person's customer record, made when there is none.

        Args:
            identity: The person.
            retry_failed: Ask again even if this failed a moment ago; for callers who keep nobody waiting.

        The caller may stop waiting at any time; the flight goes on and warms the cache.

        Raises:
            KustomerError: Kustomer could not be asked, or refused.
        """
        if cache_key(identity) not in self._unusable:
            try:
                return await self._resolve(identity, retry_failed=retry_failed)
            except _UnusableError:  # for every sender who claims to have it, so each has a record of their own
                self._unusable[cache_key(identity)] = True
        return await self._resolve(replace(identity, email=None, phone=None), retry_failed=retry_failed)

    async def _resolve(self, identity: Identity, *, retry_failed: bool) -> Customer:
        key = cache_key(identity)
        if (known := self._known.get(key)) is not None:
            return known
        if not retry_failed and (failure := self._failed.get(key)) is not None:
            raise failure.with_traceback(None)
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = self._take_off(identity)
            flight.task.add_done_callback(lambda task: self._land(identity, task, self._flights))
        flight.priority.join(current_priority())
        return await asyncio.shield(flight.task)

    async def look_up(self, identity: Identity, *, fresh: bool) -> Customer | None:
        """The person's record as it is, by the surest of their identifiers: one request at the most, and nothing made.

        Args:
            identity: The person; of an anonymous one nothing is asked.
            fresh: Ask even when the person is known, since what the record tells may have changed.

        Raises:
            KustomerError: Kustomer could not be asked, now or a moment ago.
        """
        key = cache_key(identity)
        known = self._known.get(key)
        if identity.anonymous or (known is not None and not fresh):
            return known
        if (failure := self._failed.get(key)) is not None:
            raise failure.with_traceback(None)
        look = self._looks.get(key)
        if look is None:
            look = self._looks[key] = asyncio.create_task(self._ask(identity, *identity.lookups[0]))
            look.add_done_callback(lambda task: self._land(identity, task, self._looks))
        return await asyncio.shield(look)

    def knows(self, identity: Identity) -> bool:
        """Whether the person is in the cache."""
        return cache_key(identity) in self._known

    def learn(self, identity: Identity, customer: Customer) -> None:
        """Put a person into the cache whose record was made elsewhere."""
        self._known[cache_key(identity)] = customer
        self._expect_everything_of(identity)

    def forget(self, identity: Identity) -> None:
        """Drop a person from the cache: their record is gone or has changed."""
        self._known.pop(cache_key(identity), None)
        self._failed.pop(cache_key(identity), None)
        self._expect_everything_of(identity)
        self._unusable.pop(cache_key(identity), None)

    async def close(self) -> None:
        """Cancel what is under way."""
        flights = [*(flight.task for flight in self._flights.values()), *self._looks.values()]
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _expect_everything_of(self, identity: Identity) -> None:
        """Forget which look-ups found nothing: what was missing a moment ago may exist now."""
        for lookup in identity.lookups:
            self._absent.pop(lookup, None)

    def _take_off(self, identity: Identity) -> _Flight:
        """Look a person up for everybody who asks meanwhile; the most urgent of them decides how urgent it is."""
        shared, context = WorkPriority(Priority.CLEANUP), copy_context()
        context.run(task_priority.set, shared)
        return _Flight(context.run(asyncio.create_task, self._find_or_create(identity)), shared)

    def _land(self, identity: Identity, task: asyncio.Task[Any], among: dict[Hashable, Any]) -> None:
        key = cache_key(identity)
        among.pop(key, None)
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            if (found := task.result()) is not None:
                self.learn(identity, found)
            else:
                self._known.pop(key, None)  # deleted since
        elif isinstance(error, KustomerError):
            self._failed[key] = error

    async def _find_or_create(self, identity: Identity) -> Customer:
        found = await self._find(identity)
        if found is not None:
            return await self._adopt(found, identity)
        try:
            return await self._client.create_customer(create_body(identity))
        except Rejected as error:
            return await self._after_refusal(identity, error)

    async def _after_refusal(self, identity: Identity, error: Rejected) -> Customer:
        """After a refused create: it exists already, an address is another person's, or a value is not accepted."""
        if error.duplicate:
            self._expect_everything_of(identity)
            if (found := await self._find(identity)) is not None:
                return await self._adopt(found, identity)
            body = create_body(identity, shared=True)
        elif identity.anonymous or identity.external_id:
            body = bare_body(identity)
        else:
            raise _UnusableError from None
        try:
            return await self._client.create_customer(body)
        except Rejected:
            if identity.anonymous or (found := await self._by_anonymous_id(identity)) is None:
                raise
            return found

    async def _find(self, identity: Identity) -> Customer | None:
        if identity.anonymous:
            return await self._by_anonymous_id(identity)
        for field, value in identity.lookups:
            if (field, value) in self._absent:
                continue
            if (found := await self._ask(identity, field, value)) is not None:
                return found
        return None

    async def _ask(self, identity: Identity, field: IdentityField, value: str) -> Customer | None:
        found = await self._client.find_customer(field, value)
        if found is None:
            self._absent[field, value] = True
        return found if found is None or not _another_person(found, identity) else None

    async def _by_anonymous_id(self, identity: Identity) -> Customer | None:
        return await self._client.find_customer("externalId", anonymous_id(identity.sender_id))

    async def _adopt(self, found: Customer, identity: Identity) -> Customer:
        """Give a record found by e-mail or phone our external id; only when the channel vouches for the person.

        A claim must not be able to tie a stranger's record to an id of its own.
        """
        if not identity.trusted or not identity.external_id or identity.external_id in found.external_ids:
            return found
        ids = [*found.external_ids, identity.external_id]
        several = {"externalIds": [{"externalId": external_id} for external_id in ids]}
        body: dict[str, Any] = several if found.external_ids else {"externalId": identity.external_id}
        try:
            return await self._client.update_customer(found.id, body)
        except Rejected:
            return found
        except Unreachable as error:
            if error.status != 409:
                raise
            return found  # somebody keeps changing the record: the id is not worth a session that waits


def cache_key(identity: Identity) -> Hashable:
    """What a person is remembered by: two people never share it."""
    if identity.anonymous:
        return ("sender", identity.sender_id)
    return (identity.external_id, identity.email, identity.phone, identity.trusted)


def _another_person(found: Customer, identity: Identity) -> bool:
    """Whether a record found by e-mail or phone belongs to somebody else who shares it (a family, an office).

    The company's own id decides: a record with a different one is a different person.
    """
    theirs = [one for one in found.external_ids if not one.startswith(OUR_PREFIX)]
    return bool(identity.external_id and theirs and identity.external_id not in theirs)
