"""Composition root: builds everything once per process and event loop."""

import asyncio
import logging
import os
from dataclasses import dataclass, replace

from rasa_kustomer.background import Background
from rasa_kustomer.configuration import Configuration, new_client, read_configuration
from rasa_kustomer.delivery.assembly import Delivery, assemble
from rasa_kustomer.delivery.circuit_breaker import CircuitBreaker
from rasa_kustomer.delivery.rate_limit import RateLimiter
from rasa_kustomer.directory import CustomerDirectory
from rasa_kustomer.failures import describe_error
from rasa_kustomer.kustomer.client import KustomerClient
from rasa_kustomer.kustomer.network import NetworkSettingError, read_network
from rasa_kustomer.log import Once, one_line
from rasa_kustomer.lookup import CustomerLookup
from rasa_kustomer.outbox import Access, Outbox
from rasa_kustomer.plugin import Plugin
from rasa_kustomer.reading import Trackers
from rasa_kustomer.recorder import RetryBuffer, TurnRecorder
from rasa_kustomer.settings import Settings, SettingsError

logger = logging.getLogger(__name__)

PACKAGE_LOGGER = "rasa_kustomer"


@dataclass
class Runtime:
    """What is started, stopped and looked at; the actions know its `plugin` only, and while it is off nothing else."""

    configuration: Configuration
    plugin: Plugin
    outbox: Outbox
    recorder: TurnRecorder
    retry_buffer: RetryBuffer
    background: Background
    client: KustomerClient
    directory: CustomerDirectory
    breaker: CircuitBreaker
    rate_limiter: RateLimiter
    delivery: Delivery

    @classmethod
    def build(cls, configuration: Configuration, *, access: Access = Access.SERVE) -> "Runtime":
        """Wire everything; nothing is opened, sent or started yet. While off, nothing of the machine is read either.

        Raises:
            NetworkSettingError: A variable of the machine keeps Kustomer out of reach.
        """
        settings = configuration.settings
        rate_limiter, breaker, say_once = RateLimiter(settings.rate_share), CircuitBreaker(), Once(logger)
        client = _client(configuration, rate_limiter)
        directory = CustomerDirectory(client, ttl_seconds=settings.cache_ttl_seconds, size=settings.cache_size)
        outbox, background = Outbox(settings.outbox_url, access=access), Background(say_once)
        trackers = Trackers(outbox, configuration.vouched, named_channels=settings.channels, mask=configuration.mask)
        recorder = TurnRecorder(outbox, trackers)
        retry_buffer = RetryBuffer(recorder)
        delivery = assemble(settings, outbox, client, directory, breaker=breaker, rate_limiter=rate_limiter)
        newcomers, conversations = delivery.newcomers, delivery.conversations
        customers = CustomerLookup(
            outbox, retry_buffer, client, directory, breaker=breaker, newcomers=newcomers, conversations=conversations
        )
        plugin = Plugin(
            configuration, outbox, recorder, retry_buffer, background=background, customers=customers, say_once=say_once
        )
        return cls(
            configuration=configuration,
            plugin=plugin,
            outbox=outbox,
            recorder=recorder,
            retry_buffer=retry_buffer,
            background=background,
            client=client,
            directory=directory,
            breaker=breaker,
            rate_limiter=rate_limiter,
            delivery=delivery,
        )

    def start(self) -> None:
        """Start delivering, unless a worker does (KUSTOMER_COURIER); when off, log the reason once."""
        reason = self.configuration.disabled_reason
        if self.configuration.broken:
            logger.error("rasa-kustomer does nothing until this is fixed: %s", reason)
        elif reason is not None:
            logger.info("rasa-kustomer does nothing: %s.", reason)
        elif self.configuration.settings.courier == "external":
            logger.info("Turns are only recorded; `rasa-kustomer worker` delivers them (KUSTOMER_COURIER=external).")
        else:
            self.deliver()

    def deliver(self) -> None:
        """Start delivering and tidying up, whatever KUSTOMER_COURIER says. Does nothing when already started."""
        self.delivery.worker.start()
        self.delivery.housekeeping.start()

    async def stop(self) -> None:
        """Finish within 5 seconds; what is not delivered by then stays in the outbox for the next start."""
        await self.delivery.housekeeping.stop()
        await self.delivery.worker.stop()
        await self.retry_buffer.stop()
        await self.background.stop()
        await self.delivery.newcomers.close()
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
        configuration = read_configuration()
    except SettingsError as error:
        for problem in error.problems:
            logger.error("%s", one_line(problem))  # noqa: TRY400 - for people
        return _off(error.disabled_reason or "its settings are wrong", broken=error.disabled_reason is None)
    if configuration.settings.debug:
        logging.getLogger(PACKAGE_LOGGER).setLevel(logging.DEBUG)
    try:
        return Runtime.build(configuration)
    except NetworkSettingError as error:
        return Runtime.build(replace(configuration, disabled_reason=str(error), broken=True))


def _off(because: str, *, broken: bool = True) -> Runtime:
    """A runtime that is used for nothing but the fact that it is off."""
    return Runtime.build(Configuration(Settings(), disabled_reason=because, broken=broken))


def _client(configuration: Configuration, rate_limiter: RateLimiter) -> KustomerClient:
    network = None if configuration.disabled_reason else read_network(configuration.settings.api_url or "")
    for problem in network.skipped if network else ():
        logger.warning("%s", problem)
    return new_client(configuration.settings, network, rate_limiter.event_hooks)
