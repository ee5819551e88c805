"""The durable outbox: every message is written here before anything is sent (docs/architecture.md)."""

from rasa_kustomer.outbox.auditing import KnownSession
from rasa_kustomer.outbox.entries import (
    HANDOFF_KINDS,
    Attempt,
    Counts,
    IdentityUpdate,
    Kind,
    Lease,
    NewRecord,
    Outcome,
    Record,
    Recorded,
    SessionKey,
)
from rasa_kustomer.outbox.errors import OutboxUnavailableError, OutcomeUnknownError, PastUnknownError
from rasa_kustomer.outbox.leases import LEASE_SECONDS
from rasa_kustomer.outbox.outbox import Outbox
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
    "Attempt",
    "Counts",
    "Found",
    "IdentityUpdate",
    "Kind",
    "KnownSession",
    "Lease",
    "NewRecord",
    "Outbox",
    "OutboxUnavailableError",
    "Outcome",
    "OutcomeUnknownError",
    "PastUnknownError",
    "Record",
    "Recorded",
    "SessionKey",
    "Turn",
]
