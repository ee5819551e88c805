"""Helpers for sending: drop rejected fields, and tell which failures certainly changed nothing."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from rasa_kustomer.conversation.identity import Identity
from rasa_kustomer.delivery import plan
from rasa_kustomer.delivery.bulk_jobs import NotPermittedError
from rasa_kustomer.kustomer.errors import NotAllowed, RateLimited, Rejected, Unreachable
from rasa_kustomer.outbox import Lease

R = TypeVar("R")


class LeaseLostError(Exception):
    """Another process has the session by now; nothing more may be sent for it here."""


async def send_with_fallbacks(
    body: dict[str, Any], optional: tuple[str, ...], send: Callable[[dict[str, Any]], Awaitable[R]]
) -> tuple[R, dict[str, Any]]:
    """Send; after a rejection send again without what was refused. Returns the answer and the body that went."""
    while True:
        try:
            return await send(body), body
        except Rejected as error:
            smaller = None if error.duplicate else plan.without_refused(body, error, optional)
            if smaller is None:
                raise
            body = smaller


def identity_of(lease: Lease) -> Identity:
    """The person of a session."""
    return Identity(sender_id=lease.sender_id, **lease.identity)


def surely_unsent(error: Exception) -> bool:
    """Whether a request that ended so was certainly not carried out."""
    if isinstance(error, Unreachable):
        return not error.ambiguous
    return isinstance(error, (RateLimited, NotAllowed, Rejected, NotPermittedError))
