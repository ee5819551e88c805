"""The health route's answer: enabled, outbox, breaker and budget; holds no personal data."""

import asyncio
import time
from typing import Any

from rasa_kustomer.failures import describe_error
from rasa_kustomer.outbox import OutboxUnavailableError
from rasa_kustomer.runtime import Runtime

OUTBOX_SECONDS = 1.0


async def health(runtime: Runtime) -> dict[str, Any]:
    """The state of this process and its outbox; `degraded` is what to alarm on."""
    configuration = runtime.configuration
    body: dict[str, Any] = {
        "status": "degraded" if configuration.broken else "off" if configuration.disabled_reason else "ok",
        "enabled": configuration.disabled_reason is None,
        "reason": configuration.disabled_reason,
        "courier": configuration.settings.courier,
        "unrecorded": runtime.retry_buffer.calls,
    }
    if configuration.disabled_reason is not None:
        return body
    body |= {"breaker": runtime.breaker.status(), "budget": runtime.rate_limiter.status()}
    try:
        counts = await asyncio.wait_for(runtime.outbox.counts(), OUTBOX_SECONDS)
    except (OutboxUnavailableError, asyncio.TimeoutError) as error:
        return body | {"status": "degraded", "outbox": {"error": str(error) or "did not answer in 1 s"}}
    except Exception as error:  # noqa: BLE001 - whatever it is, this route answers
        return body | {"status": "degraded", "outbox": {"error": describe_error(error)}}
    oldest = counts.oldest_pending_at
    body["outbox"] = {
        "accepted": counts.accepted,
        "delivered": counts.delivered,
        "pending": counts.pending,
        "dead": counts.dead,
        "oldest_pending_seconds": None if oldest is None else round(max(0.0, time.time() - oldest), 1),
    }
    if runtime.breaker.is_open or counts.dead or runtime.retry_buffer.losing:
        body["status"] = "degraded"
    return body
