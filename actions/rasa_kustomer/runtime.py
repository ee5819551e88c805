"""Composition root: builds everything once per process and event loop."""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from rasa_kustomer.configuration import in_rollout, read_configuration
from rasa_kustomer.conversation.identity import Identity, identify, not_understood, vouched
from rasa_kustomer.conversation.people import SESSION_METADATA
from rasa_kustomer.conversation.routing import Routing
from rasa_kustomer.delivery.batching import Batching
from rasa_kustomer.delivery.breaker import Breaker
from rasa_kustomer.delivery.budget import Budget
from rasa_kustomer.delivery.conversations import Conversations
from rasa_kustomer.delivery.courier import Courier
from rasa_kustomer.delivery.delivery import Delivery
from rasa_kustomer.delivery.housekeeping import Housekeeping
from rasa_kustomer.delivery.jobs import Jobs
from rasa_kustomer.delivery.newcomers import Newcomers
from rasa_kustomer.delivery.outbox import Access, Outbox, OutboxUnavailableError
from rasa_kustomer.delivery.pace import CustomerPace
from rasa_kustomer.delivery.teams import Teams
from rasa_kustomer.delivery.ticketing import Ticketing
from rasa_kustomer.directory import Directory
from rasa_kustomer.failures import where
from rasa_kustomer.kustomer.client import KustomerClient
from rasa_kustomer.kustomer.network import NetworkSettingError, read_network
from rasa_kustomer.log import Once, one_line
from rasa_kustomer.recorder import Recorder
from rasa_kustomer.settings import Settings, SettingsError
from rasa_kustomer.unrecorded import Unrecorded

logger = logging.getLogger(__name__)

PACKAGE_LOGGER = "rasa_kustomer"


@dataclass
class Runtime:
    """What the actions work with. When `off_because` is set they do nothing.

    Attributes:
        off_because: Why it is off, as a sentence without full stop.
        broken: It is off although it was to be on.
    """

    settings: Settings
    off_because: str | None
    broken: bool
    routing: Routing
    outbox: Outbox
    recorder: Recorder
    unrecorded: Unrecorded
    client: KustomerClient
    conversations: Conversations
    directory: Directory
    newcomers: Newcomers
    teams: Teams
    breaker: Breaker
    budget: Budget
    courier: Courier
    housekeeping: Housekeeping
    say_once: Once
    background: set[asyncio.Task[Any]] = field(default_factory=set)

    @classmethod
    def build(
        cls,
        settings: Settings,
        routing: Routing,
        off_because: str | None,
        *,
        broken: bool = False,
        access: Access = Access.SERVE,
    ) -> "Runtime":
        """Wire everything; nothing is opened, sent or started yet. While off, nothing of the machine is read either.

        Raises:
            NetworkSettingError: A variable of the machine keeps Kustomer out of reach.
        """
        network = None if off_because else read_network(settings.api_url or "")
        for problem in network.skipped if network else ():
            logger.warning("%s", problem)
        budget, breaker = Budget(settings.rate_share), Breaker()
        key = settings.api_key.get_secret_value() if settings.api_key else ""
        client = KustomerClient(
            settings.api_url or "",
            key,
            timeout_seconds=settings.timeout_seconds,
            event_hooks=budget.event_hooks,
            network=network,
        )
        directory = Directory(client, ttl_seconds=settings.cache_ttl_seconds, size=settings.cache_size)
        teams = Teams(client, ttl_seconds=settings.cache_ttl_seconds)
        outbox = Outbox(settings.outbox_url, access=access)
        recorder = Recorder(outbox, vouched_by(settings), named_channels=settings.channels)
        jobs, pace = Jobs(client), CustomerPace()
        conversations = Conversations(outbox, client, directory, parking=settings.parking)
        ticketing = Ticketing(
            outbox, client, conversations=conversations, teams=teams, default_team=settings.default_team_id
        )
        delivery = Delivery(
            outbox,
            client,
            conversations=conversations,
            directory=directory,
            ticketing=ticketing,
            jobs=jobs,
            pace=pace,
        )
        newcomers = Newcomers(jobs, directory, breaker)
        batching = Batching(outbox, jobs, directory, newcomers=newcomers, conversations=conversations, pace=pace)
        housekeeping = Housekeeping(
            outbox, idle_close_minutes=settings.idle_close_minutes, retention_days=settings.retention_days
        )
        return cls(
            settings=settings,
            off_because=off_because,
            broken=broken,
            routing=routing,
            outbox=outbox,
            recorder=recorder,
            unrecorded=Unrecorded(recorder),
            client=client,
            conversations=conversations,
            directory=directory,
            newcomers=newcomers,
            teams=teams,
            breaker=breaker,
            budget=budget,
            courier=Courier(outbox, delivery, batching, breaker, budget),
            housekeeping=housekeeping,
            say_once=Once(logger),
        )

    def serves(self, sender_id: str) -> bool:
        """Whether the plugin works for this sender (KUSTOMER_ENABLED, the key, KUSTOMER_ROLLOUT_PERCENT)."""
        return self.off_because is None and in_rollout(sender_id, self.settings.rollout_percent)

    def person(self, sender_id: str, slots: Mapping[str, Any], message_metadata: Any) -> Identity:
        """Who somebody is by slots and metadata, with the settings of this deployment."""
        settings = self.settings
        return identify(
            sender_id,
            slots=slots,
            session_metadata=slots.get(SESSION_METADATA),
            message_metadata=message_metadata,
            trust_metadata=settings.trust_metadata,
            names=settings.identity_names,
            phone_region=settings.phone_region,
        )

    def claimed(self, sender_id: str, slots: Mapping[str, Any], message_metadata: Any) -> Identity:
        """Who speaks by their own account, for words that come with nobody's name from the channel.

        Whom a channel vouches for is told by the event of each message (`People`), not by the latest of them.
        """
        names_somebody = vouched_by(self.settings)
        if names_somebody is None:
            return self.person(sender_id, slots, message_metadata)
        told = {**slots, SESSION_METADATA: None} if names_somebody(sender_id, slots.get(SESSION_METADATA)) else slots
        return self.person(sender_id, told, None if names_somebody(sender_id, message_metadata) else message_metadata)

    def at_start(self, sender_id: str, slots: Mapping[str, Any]) -> Identity | None:
        """Whom the channel named when the session started; None when it vouches for nobody."""
        read = vouched_by(self.settings)
        return read(sender_id, slots.get(SESSION_METADATA)) if read else None

    def unread_slots(self, slots: Mapping[str, Any]) -> dict[str, str]:
        """Identity slots that hold something which identifies nobody, with what they should hold."""
        return not_understood(slots, self.settings.identity_names, self.settings.phone_region)

    def start(self) -> None:
        """Begin to deliver, unless a worker does (KUSTOMER_COURIER); in no-op mode say why not, once."""
        if self.broken:
            logger.error("rasa-kustomer does nothing until this is mended: %s", self.off_because)
        elif self.off_because is not None:
            logger.info("rasa-kustomer does nothing: %s.", self.off_because)
        elif self.settings.courier == "external":
            logger.info("Turns are recorded only; `rasa-kustomer worker` delivers them (KUSTOMER_COURIER=external).")
        else:
            self.deliver()

    def deliver(self) -> None:
        """Begin to deliver and to tidy up, whatever KUSTOMER_COURIER says. Does nothing when already begun."""
        self.courier.start()
        self.housekeeping.start()

    async def stop(self) -> None:
        """Finish within 5 seconds; what is not delivered by then waits in the outbox for the next start."""
        await self.housekeeping.stop()
        await self.courier.stop()
        await self.unrecorded.stop()
        for task in self.background:
            task.cancel()
        await asyncio.gather(*self.background, return_exceptions=True)
        await self.newcomers.close()
        await self.directory.close()
        await self.client.aclose()
        await self.outbox.close()

    def in_background(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Start what the bot does not wait for; a surprise in it is said once and costs nothing else."""
        task = asyncio.create_task(self._quietly(work))
        self.background.add(task)
        task.add_done_callback(self.background.discard)
        return task

    async def _quietly(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - asyncio would log it with a traceback, which may hold texts
            self.say_once(f"Something in the background failed: {where(error)}")

    async def health(self) -> dict[str, Any]:
        """The health route's answer: enabled, outbox, breaker and budget; holds no personal data."""
        body: dict[str, Any] = {
            "status": "degraded" if self.broken else "off" if self.off_because else "ok",
            "enabled": self.off_because is None,
            "reason": self.off_because,
            "courier": self.settings.courier,
            "unrecorded": self.unrecorded.calls,
        }
        if self.off_because is not None:
            return body
        body |= {"breaker": self.breaker.status(), "budget": self.budget.status()}
        try:
            counts = await asyncio.wait_for(self.outbox.counts(), 1.0)
        except (OutboxUnavailableError, asyncio.TimeoutError) as error:
            return body | {"status": "degraded", "outbox": {"error": str(error) or "did not answer in 1 s"}}
        except Exception as error:  # noqa: BLE001 - whatever it is, this route answers
            return body | {"status": "degraded", "outbox": {"error": where(error)}}
        oldest = counts.oldest_pending_at
        body["outbox"] = {
            "accepted": counts.accepted,
            "delivered": counts.delivered,
            "pending": counts.pending,
            "dead": counts.dead,
            "oldest_pending_seconds": None if oldest is None else round(max(0.0, time.time() - oldest), 1),
        }
        if self.breaker.is_open or counts.dead or self.unrecorded.losing:
            body["status"] = "degraded"
        return body


def vouched_by(settings: Settings) -> Callable[[str, object], Identity | None] | None:
    """Reads the person whom metadata name, where the channel vouches for its users (KUSTOMER_TRUST_METADATA)."""
    if not settings.trust_metadata:
        return None
    names, region = settings.identity_names, settings.phone_region
    return lambda sender_id, metadata: vouched(sender_id, metadata, names, region)


_current: dict[tuple[int, int], Runtime] = {}


def current() -> Runtime:
    """The runtime of this process and event loop, built and started on first use.

    Never raises: what cannot be used switches the plugin off here. The action server has refused to start with settings
    that cannot be used, so only servers without start-up hooks (gRPC) get this far with them.
    """
    key = (os.getpid(), id(asyncio.get_running_loop()))
    runtime = _current.get(key)
    if runtime is None:
        _current.clear()  # of a loop or parent process that is gone
        runtime = _current[key] = _started()
    return runtime


async def shut_down() -> None:
    """Stop the current runtime, if there is one."""
    runtime = _current.pop((os.getpid(), id(asyncio.get_running_loop())), None)
    if runtime is not None:
        await runtime.stop()


def _started() -> Runtime:
    try:
        runtime = _make()
        runtime.start()
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not cost the bot its other actions
        runtime = _off(f"it cannot be set up ({where(error)})")
        runtime.start()
    return runtime


def _make() -> Runtime:
    try:
        settings, routing = read_configuration()
    except SettingsError as error:
        for problem in error.problems:
            logger.error("%s", one_line(problem))  # noqa: TRY400 - for people
        return _off(error.off_because or "its settings are wrong", broken=error.off_because is None)
    if settings.debug:
        logging.getLogger(PACKAGE_LOGGER).setLevel(logging.DEBUG)
    try:
        return Runtime.build(settings, routing, settings.off_because)
    except NetworkSettingError as error:
        return Runtime.build(settings, routing, str(error), broken=True)


def _off(because: str, *, broken: bool = True) -> Runtime:
    """A runtime of which nothing is used but that it is off."""
    return Runtime.build(Settings(), Routing(), because, broken=broken)
