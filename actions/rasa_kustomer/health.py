"""The health route's answer: enabled, outbox, breaker and budget; holds no personal data."""

import asyncio
import time
from typing import Any

from rasa_kustomer.failures import where
from rasa_kustomer.outbox import OutboxUnavailableError
from rasa_kustomer.runtime import Runtime

OUTBOX_SECONDS = 1.0


async def health(runtime: Runtime) -> dict[str, Any]:
    """The state of this process and its outbox; `degraded` is what to alarm on."""
    body: dict[str, Any] = {
        "status": "degraded" if runtime.broken else "off" if runtime.off_because else "ok",
        "enabled": runtime.off_because is None,
        "reason": runtime.off_because,
        "courier": runtime.settings.courier,
        "unrecorded": runtime.unrecorded.calls,
    }
    if runtime.off_because is not None:
        return body
    body |= {"breaker": runtime.breaker.status(), "budget": runtime.budget.status()}
    try:
        counts = await asyncio.wait_for(runtime.outbox.counts(), OUTBOX_SECONDS)
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
    if runtime.breaker.is_open or counts.dead or runtime.unrecorded.losing:
        body["status"] = "degraded"
    return body
