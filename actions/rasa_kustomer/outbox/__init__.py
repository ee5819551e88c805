"""The durable outbox: every turn is written here before anything is sent (docs/architecture.md)."""

from rasa_kustomer.outbox.auditing import KnownSession
from rasa_kustomer.outbox.entries import (
    HANDOFF_KINDS,
    Claim,
    Counts,
    Kind,
    NewRecord,
    Part,
    Record,
    Recorded,
    Renew,
    SessionKey,
    Settled,
)
from rasa_kustomer.outbox.errors import OutboxUnavailableError, OutcomeUnknownError, PastUnknownError
from rasa_kustomer.outbox.outbox import Outbox
from rasa_kustomer.outbox.queue import LEASE_SECONDS
from rasa_kustomer.outbox.recalling import Found, Turn
from rasa_kustomer.outbox.schema import DEAD, DELIVERED, PENDING
from rasa_kustomer.outbox.sqlite import Access

__all__ = [
    "DEAD",
    "DELIVERED",
    "HANDOFF_KINDS",
    "LEASE_SECONDS",
    "PENDING",
    "Access",
    "Claim",
    "Counts",
    "Found",
    "Kind",
    "KnownSession",
    "NewRecord",
    "Outbox",
    "OutboxUnavailableError",
    "OutcomeUnknownError",
    "Part",
    "PastUnknownError",
    "Record",
    "Recorded",
    "Renew",
    "SessionKey",
    "Settled",
    "Turn",
]
