"""Delivers many sessions together: their customers, their conversations, then their turns, each by one bulk job.

What a job does not settle for good (an item that failed, a result that is missing) is sent once more by itself, by
`delivery.Delivery`. Each job is noted in the outbox before it is sent, with its id as soon as it is known, so that
after a crash the next process asks for its results instead of sending again.
"""

import asyncio
from collections.abc import Callable, Sequence

from rasa_kustomer.delivery import plan
from rasa_kustomer.delivery.batches import HANDFUL, Batch, plan_batches
from rasa_kustomer.delivery.closings import Closings
from rasa_kustomer.delivery.conversations import Conversations
from rasa_kustomer.delivery.jobs import DOUBT_SECONDS, LONGEST_PAUSE_SECONDS, Jobs, NotPermittedError
from rasa_kustomer.delivery.newcomers import Newcomers
from rasa_kustomer.delivery.outbox import Claim, Outbox
from rasa_kustomer.delivery.recovery import InDoubtError, settle
from rasa_kustomer.delivery.sending import LeaseLostError, identity_of, surely_unsent
from rasa_kustomer.directory import Directory
from rasa_kustomer.kustomer.errors import KustomerError, Rejected

Failures = dict[int, Exception]


class Batching:
    """Carries groups of sessions to Kustomer.

    Args:
        outbox: Where the records and their progress are kept.
        jobs: Kustomer's bulk jobs.
        directory: Finds customers.
        newcomers: Makes them.
        conversations: Makes single conversations, and knows how they are parked.

    Attributes:
        closings: Closes conversations together.
    """

    def __init__(
        self, outbox: Outbox, jobs: Jobs, directory: Directory, newcomers: Newcomers, conversations: Conversations
    ) -> None:
        self._outbox, self._jobs, self._directory = outbox, jobs, directory
        self._newcomers, self._conversations = newcomers, conversations
        self.closings = Closings(outbox, jobs)

    @property
    def permitted(self) -> bool:
        """Whether bulk jobs can be used."""
        return self._jobs.permitted

    async def deliver(self, claims: Sequence[Claim], settled: Callable[[], object]) -> Failures:
        """Send what the sessions have at their heads.

        Args:
            claims: Leased sessions, none of them with a human.
            settled: Called after each job that brought something to Kustomer.

        Returns:
            By row the failures of the sessions that could not be served; what they have stays pending.
        """
        failures: Failures = {}
        try:
            await asyncio.gather(*(self._look_up(one, failures) for one in claims))
            bots = [one for one in claims if not one.escalated and one.id not in failures]
            await self._customers([one for one in bots if not one.customer_id], failures)
            missing = [one for one in bots if one.customer_id and not one.conversation_id]
            await self._resolve(missing, failures)
            ready = [one for one in bots if one.conversation_id and one.id not in failures]
            for batch in plan_batches(ready):
                await self._messages(batch, failures)
                settled()
        except NotPermittedError:
            pass  # they are sent one by one from now on
        return failures

    async def _look_up(self, claim: Claim, failures: Failures) -> None:
        """What an earlier copy of the outbox may have sent; a session that people have is not for a job any more."""
        try:
            await self._conversations.look_up(claim)
            if claim.conversation_id:
                await self._conversations.recall(claim)
        except (KustomerError, InDoubtError, LeaseLostError) as error:
            failures[claim.id] = error

    async def _customers(self, claims: Sequence[Claim], failures: Failures) -> None:
        """New customers are made together; whoever exists already is looked for."""
        await self._newcomers.make_together(identity_of(claim) for claim in claims)
        await asyncio.gather(*(self._customer(one, failures) for one in claims))

    async def _customer(self, claim: Claim, failures: Failures) -> None:
        try:
            claim.customer_id = (await self._directory.resolve(identity_of(claim), retry_failed=True)).id
        except Exception as error:  # noqa: BLE001 - a surprise with one session must not cost the others
            failures[claim.id] = error

    async def _resolve(self, claims: Sequence[Claim], failures: Failures) -> None:
        fresh = [one for one in claims if not one.creating]
        if len(fresh) > HANDFUL:
            await self._new_conversations(fresh, failures)
        rest = [one for one in claims if not one.conversation_id and one.id not in failures]
        await asyncio.gather(*(self._resolve_singly(one, failures) for one in rest))

    async def _new_conversations(self, claims: Sequence[Claim], failures: Failures) -> None:
        parking = await self._conversations.find_parking()
        mine = await self._outbox.bulk.begin_conversations(claims)
        by_key = {one.key: one for one in claims if one.id in mine}
        items = [
            {
                **plan.conversation_body(one.key, str(one.customer_id), plan.first_text(one), parking),
                "_clientRef": one.key,
            }
            for one in by_key.values()
        ]
        try:
            results = await self._jobs.results(await self._jobs.send("conversations", items), by_key) or {}
        except (KustomerError, NotPermittedError) as error:
            if surely_unsent(error):
                await self._outbox.resolved(*by_key.values())  # takes the mark back
            if isinstance(error, NotPermittedError):
                raise
            if not isinstance(error, Rejected):  # else one by one it shows which of them is the reason
                failures |= dict.fromkeys((one.id for one in by_key.values()), error)
            return
        for key, claim in by_key.items():
            if (result := results.get(key)) is None or (result.ok and not result.object_id):
                failures[claim.id] = InDoubtError(DOUBT_SECONDS)
            elif result.ok:
                claim.conversation_id = result.object_id
            else:
                claim.creating = result.duplicate  # then it is looked up instead of made
        await self._outbox.resolved(*(one for one in by_key.values() if one.id not in failures))

    async def _resolve_singly(self, claim: Claim, failures: Failures) -> None:
        try:
            await self._conversations.resolve(claim)
        except Exception as error:  # noqa: BLE001 - as above
            failures[claim.id] = error

    async def _messages(self, batch: Batch, failures: Failures) -> None:
        mine = await self._outbox.bulk.begin([item.part for item in batch.items])
        items = [item for item in batch.items if item.part.session_id in mine]
        parts = [item.part for item in items]
        try:
            job = await self._jobs.send("messages", [item.body for item in items])
            await self._outbox.bulk.posted(parts, job)
            results = await self._jobs.results(job, [item.record.key for item in items])
        except (KustomerError, NotPermittedError) as error:
            if isinstance(error, Rejected):
                await self._outbox.bulk.returned(parts, unsure=False, reason=str(error))
            elif surely_unsent(error):
                await self._outbox.bulk.unsent(parts)
            if isinstance(error, NotPermittedError):
                raise
            failures |= dict.fromkeys((part.session_id for part in parts), error)
            return
        if results is None:
            failures |= dict.fromkeys((part.session_id for part in parts), InDoubtError(LONGEST_PAUSE_SECONDS))
        else:
            await settle(self._outbox, {item.record.key: item.part for item in items}, results)
