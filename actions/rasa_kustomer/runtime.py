"""Composition root: builds everything once per process and event loop."""

import asyncio
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rasa_kustomer.background import Background
from rasa_kustomer.configuration import in_rollout, new_client, read_configuration, vouched_by
from rasa_kustomer.conversation.events import SESSION_METADATA
from rasa_kustomer.conversation.identity import Identity, identify
from rasa_kustomer.conversation.routing import Routing
from rasa_kustomer.delivery.assembly import assemble
from rasa_kustomer.delivery.circuit_breaker import CircuitBreaker
from rasa_kustomer.delivery.conversations import Conversations
from rasa_kustomer.delivery.housekeeping import Housekeeping
from rasa_kustomer.delivery.newcomers import Newcomers
from rasa_kustomer.delivery.rate_limit import RateLimiter
from rasa_kustomer.delivery.worker import Worker
from rasa_kustomer.directory import CustomerDirectory
from rasa_kustomer.failures import describe_error
from rasa_kustomer.kustomer.client import KustomerClient
from rasa_kustomer.kustomer.network import NetworkSettingError, read_network
from rasa_kustomer.log import Once, one_line
from rasa_kustomer.outbox import Access, Outbox
from rasa_kustomer.reading import Trackers
from rasa_kustomer.recorder import RetryBuffer, TurnRecorder
from rasa_kustomer.settings import Settings, SettingsError

logger = logging.getLogger(__name__)

PACKAGE_LOGGER = "rasa_kustomer"


@dataclass
class Runtime:
    """What the actions work with. When `disabled_reason` is set they do nothing.

    Attributes:
        disabled_reason: Why it is off, as a sentence without full stop.
        broken: It is off although it should be on.
    """

    settings: Settings
    disabled_reason: str | None
    broken: bool
    routing: Routing
    outbox: Outbox
    recorder: TurnRecorder
    retry_buffer: RetryBuffer
    client: KustomerClient
    directory: CustomerDirectory
    breaker: CircuitBreaker
    rate_limiter: RateLimiter
    say_once: Once
    background: Background
    conversations: Conversations
    newcomers: Newcomers
    worker: Worker
    housekeeping: Housekeeping

    @classmethod
    def build(
        cls,
        settings: Settings,
        routing: Routing,
        disabled_reason: str | None,
        *,
        broken: bool = False,
        access: Access = Access.SERVE,
    ) -> "Runtime":
        """Wire everything; nothing is opened, sent or started yet. While off, nothing of the machine is read either.

        Raises:
            NetworkSettingError: A variable of the machine keeps Kustomer out of reach.
        """
        rate_limiter, breaker, say_once = RateLimiter(settings.rate_share), CircuitBreaker(), Once(logger)
        network = None if disabled_reason else read_network(settings.api_url or "")
        for problem in network.skipped if network else ():
            logger.warning("%s", problem)
        client = new_client(settings, network, rate_limiter.event_hooks)
        directory = CustomerDirectory(client, ttl_seconds=settings.cache_ttl_seconds, size=settings.cache_size)
        outbox = Outbox(settings.outbox_url, access=access)
        recorder = TurnRecorder(outbox, Trackers(outbox, vouched_by(settings), named_channels=settings.channels))
        return cls(
            settings=settings,
            disabled_reason=disabled_reason,
            broken=broken,
            routing=routing,
            outbox=outbox,
            recorder=recorder,
            retry_buffer=RetryBuffer(recorder),
            client=client,
            directory=directory,
            breaker=breaker,
            rate_limiter=rate_limiter,
            say_once=say_once,
            background=Background(say_once),
            **assemble(settings, outbox, client, directory, breaker=breaker, rate_limiter=rate_limiter),
        )

    def is_enabled_for(self, sender_id: str) -> bool:
        """Whether the plugin works for this sender (KUSTOMER_ENABLED, the key, KUSTOMER_ROLLOUT_PERCENT)."""
        return self.disabled_reason is None and in_rollout(sender_id, self.settings.rollout_percent)

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

    def start(self) -> None:
        """Start delivering, unless a worker does (KUSTOMER_COURIER); when off, log the reason once."""
        if self.broken:
            logger.error("rasa-kustomer does nothing until this is fixed: %s", self.disabled_reason)
        elif self.disabled_reason is not None:
            logger.info("rasa-kustomer does nothing: %s.", self.disabled_reason)
        elif self.settings.courier == "external":
            logger.info("Turns are only recorded; `rasa-kustomer worker` delivers them (KUSTOMER_COURIER=external).")
        else:
            self.deliver()

    def deliver(self) -> None:
        """Start delivering and tidying up, whatever KUSTOMER_COURIER says. Does nothing when already started."""
        self.worker.start()
        self.housekeeping.start()

    async def stop(self) -> None:
        """Finish within 5 seconds; what is not delivered by then stays in the outbox for the next start."""
        await self.housekeeping.stop()
        await self.worker.stop()
        await self.retry_buffer.stop()
        await self.background.stop()
        await self.newcomers.close()
        await self.directory.close()
        await self.client.aclose()
        await self.outbox.close()


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
        runtime = _off(f"it cannot be set up ({describe_error(error)})")
        runtime.start()
    return runtime


def _make() -> Runtime:
    try:
        settings, routing = read_configuration()
    except SettingsError as error:
        for problem in error.problems:
            logger.error("%s", one_line(problem))  # noqa: TRY400 - for people
        return _off(error.disabled_reason or "its settings are wrong", broken=error.disabled_reason is None)
    if settings.debug:
        logging.getLogger(PACKAGE_LOGGER).setLevel(logging.DEBUG)
    try:
        return Runtime.build(settings, routing, settings.disabled_reason)
    except NetworkSettingError as error:
        return Runtime.build(settings, routing, str(error), broken=True)


def _off(because: str, *, broken: bool = True) -> Runtime:
    """A runtime that is used for nothing but the fact that it is off."""
    return Runtime.build(Settings(), Routing(), because, broken=broken)
