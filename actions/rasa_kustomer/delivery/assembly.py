"""Builds the parts of delivery and connects them."""

from typing import NamedTuple

from rasa_kustomer.delivery.bulk import BulkDelivery
from rasa_kustomer.delivery.bulk_jobs import BulkJobs
from rasa_kustomer.delivery.circuit_breaker import CircuitBreaker
from rasa_kustomer.delivery.conversations import Conversations
from rasa_kustomer.delivery.housekeeping import Housekeeping
from rasa_kustomer.delivery.newcomers import Newcomers
from rasa_kustomer.delivery.pace import CustomerPace
from rasa_kustomer.delivery.rate_limit import RateLimiter
from rasa_kustomer.delivery.session import SessionDelivery
from rasa_kustomer.delivery.ticketing import Ticketing
from rasa_kustomer.delivery.worker import Worker
from rasa_kustomer.directory import CustomerDirectory
from rasa_kustomer.kustomer.client import KustomerClient
from rasa_kustomer.outbox import Outbox
from rasa_kustomer.settings import Settings
from rasa_kustomer.teams import Teams


class Delivery(NamedTuple):
    """The parts that code outside of delivery starts, stops or calls."""

    conversations: Conversations
    newcomers: Newcomers
    worker: Worker
    housekeeping: Housekeeping


def assemble(
    settings: Settings,
    outbox: Outbox,
    client: KustomerClient,
    directory: CustomerDirectory,
    *,
    breaker: CircuitBreaker,
    rate_limiter: RateLimiter,
) -> Delivery:
    """Build the parts; nothing is sent or started yet."""
    teams = Teams(client, ttl_seconds=settings.cache_ttl_seconds)
    jobs, pace = BulkJobs(client), CustomerPace()
    conversations = Conversations(outbox, client, directory, parking=settings.parking)
    ticketing = Ticketing(
        outbox, client, conversations=conversations, teams=teams, default_team=settings.default_team_id
    )
    delivery = SessionDelivery(
        outbox, client, conversations=conversations, directory=directory, ticketing=ticketing, jobs=jobs, pace=pace
    )
    newcomers = Newcomers(jobs, directory, breaker)
    bulk_delivery = BulkDelivery(outbox, jobs, directory, newcomers=newcomers, conversations=conversations, pace=pace)
    housekeeping = Housekeeping(
        outbox, idle_close_minutes=settings.idle_close_minutes, retention_days=settings.retention_days
    )
    worker = Worker(outbox, delivery, bulk_delivery, breaker, rate_limiter)
    return Delivery(conversations, newcomers, worker, housekeeping)
