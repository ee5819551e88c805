"""Composition root: builds everything once per process and event loop."""

import asyncio
import hashlib
import logging
import os
import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rasa_kustomer.conversation.identity import Identity, identify
from rasa_kustomer.conversation.routing import Routing
from rasa_kustomer.conversation.routing_file import RoutingError, load_routing
from rasa_kustomer.delivery.batching import Batching
from rasa_kustomer.delivery.breaker import Breaker
from rasa_kustomer.delivery.budget import Budget
from rasa_kustomer.delivery.conversations import Conversations
from rasa_kustomer.delivery.courier import Courier
from rasa_kustomer.delivery.delivery import Delivery
from rasa_kustomer.delivery.housekeeping import Housekeeping
from rasa_kustomer.delivery.jobs import Jobs
from rasa_kustomer.delivery.newcomers import Newcomers
from rasa_kustomer.delivery.outbox import Outbox, OutboxUnavailableError
from rasa_kustomer.delivery.pace import CustomerPace
from rasa_kustomer.delivery.teams import Teams
from rasa_kustomer.delivery.ticketing import Ticketing
from rasa_kustomer.directory import Directory
from rasa_kustomer.kustomer.client import KustomerClient
from rasa_kustomer.recorder import Recorder
from rasa_kustomer.settings import Settings, SettingsError, load_settings
from rasa_kustomer.unrecorded import Unrecorded

logger = logging.getLogger(__name__)

PACKAGE_LOGGER = "rasa_kustomer"
MOST_WARNINGS = 1_000  # of values that a bot gives; a log is no place for more


@dataclass
class Runtime:
    """What the actions work with. When `off_because` is set they do nothing."""

    settings: Settings
    off_because: str | None
    routing: Routing
    outbox: Outbox
    recorder: Recorder
    unrecorded: Unrecorded
    client: KustomerClient
    directory: Directory
    newcomers: Newcomers
    teams: Teams
    breaker: Breaker
    budget: Budget
    courier: Courier
    housekeeping: Housekeeping
    warned: set[int] = field(default_factory=set)
    background: set[asyncio.Task[Any]] = field(default_factory=set)

    @classmethod
    def build(cls, settings: Settings, routing: Routing, off_because: str | None) -> "Runtime":
        """Wire everything; nothing is opened, sent or started yet."""
        budget, breaker = Budget(settings.rate_share), Breaker()
        key = settings.api_key.get_secret_value() if settings.api_key else ""
        client = KustomerClient(
            settings.api_url or "",
            key,
            timeout_seconds=settings.timeout_seconds,
            event_hooks=budget.event_hooks,
        )
        directory = Directory(client, ttl_seconds=settings.cache_ttl_seconds, size=settings.cache_size)
        teams = Teams(client, ttl_seconds=settings.cache_ttl_seconds)
        outbox = Outbox(settings.outbox_url)
        recorder = Recorder(outbox)
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
            routing=routing,
            outbox=outbox,
            recorder=recorder,
            unrecorded=Unrecorded(recorder),
            client=client,
            directory=directory,
            newcomers=newcomers,
            teams=teams,
            breaker=breaker,
            budget=budget,
            courier=Courier(outbox, delivery, batching, breaker, budget),
            housekeeping=housekeeping,
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
            session_metadata=slots.get("session_started_metadata"),
            message_metadata=message_metadata,
            trust_metadata=settings.trust_metadata,
            names=settings.identity_names,
            phone_region=settings.phone_region,
        )

    def start(self) -> None:
        """Begin to deliver, unless a worker does (KUSTOMER_COURIER); in no-op mode say why not, once."""
        if self.off_because is not None:
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
        await self.newcomers.close()
        await self.directory.close()
        await self.client.aclose()
        await self.outbox.close()

    def warn_once(self, about: Hashable, sentence: str) -> None:
        """Log a WARNING, once for each `about`, of which nothing but a hash is kept; at most `MOST_WARNINGS` in all."""
        mark = hash(about)
        if mark not in self.warned and len(self.warned) < MOST_WARNINGS:
            self.warned.add(mark)
            logger.warning("%s", sentence)

    async def health(self) -> dict[str, Any]:
        """The health route's answer: enabled, outbox, breaker and budget; holds no personal data."""
        body: dict[str, Any] = {
            "status": "off" if self.off_because else "ok",
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


def in_rollout(sender_id: str, percent: int) -> bool:
    """Whether a sender belongs to the first `percent` of all; a sender once in stays in as the share grows."""
    if percent >= 100:
        return True
    digest = hashlib.sha256(sender_id.encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:4], "big") % 10_000 < percent * 100


def read_configuration() -> tuple[Settings, Routing]:
    """Settings and routing file together.

    Raises:
        SettingsError: With the problems of both.
    """
    settings = load_settings()
    path = settings.routing_path
    try:
        return settings, load_routing(path) if path else Routing()
    except RoutingError as error:
        raise SettingsError(list(error.problems)) from None


_current: dict[tuple[int, int], Runtime] = {}


def current() -> Runtime:
    """The runtime of this process and event loop, built and started on first use.

    Settings that cannot be used switch the plugin off here: the action server has refused to start with them, so
    only servers without start-up hooks (gRPC) get this far.
    """
    key = (os.getpid(), id(asyncio.get_running_loop()))
    runtime = _current.get(key)
    if runtime is None:
        _current.clear()  # of a loop or parent process that is gone
        runtime = _current[key] = _make()
        runtime.start()
    return runtime


async def shut_down() -> None:
    """Stop the current runtime, if there is one."""
    runtime = _current.pop((os.getpid(), id(asyncio.get_running_loop())), None)
    if runtime is not None:
        await runtime.stop()


def _make() -> Runtime:
    try:
        settings, routing = read_configuration()
    except SettingsError as error:
        logger.error("rasa-kustomer does nothing until its settings are mended:\n%s", error)  # noqa: TRY400 - for people
        return Runtime.build(Settings.model_construct(), Routing(), "its settings are wrong")
    if settings.debug:
        logging.getLogger(PACKAGE_LOGGER).setLevel(logging.DEBUG)
    return Runtime.build(settings, routing, settings.off_because)
