"""The durable outbox: every turn is written here before anything is sent (docs/architecture.md)."""

from rasa_kustomer.delivery.outbox.bulking import Part, Settled
from rasa_kustomer.delivery.outbox.entries import (
    HANDOFF_KINDS,
    Claim,
    Counts,
    Kind,
    NewRecord,
    Record,
    Renew,
    SessionKey,
)
from rasa_kustomer.delivery.outbox.outbox import LEASE_SECONDS, Outbox
from rasa_kustomer.delivery.outbox.schema import DEAD, DELIVERED, PENDING
from rasa_kustomer.delivery.outbox.transactor import OutboxUnavailableError

__all__ = [
    "DEAD",
    "DELIVERED",
    "HANDOFF_KINDS",
    "LEASE_SECONDS",
    "PENDING",
    "Claim",
    "Counts",
    "Kind",
    "NewRecord",
    "Outbox",
    "OutboxUnavailableError",
    "Part",
    "Record",
    "Renew",
    "SessionKey",
    "Settled",
]
