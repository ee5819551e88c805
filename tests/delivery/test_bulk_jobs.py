"""When a bulk job is done, and what is asked to find out."""

from typing import Any

import httpx
from tests.helpers import Clock

from rasa_kustomer.delivery.bulk_jobs import BulkJobs
from rasa_kustomer.kustomer.client import KustomerClient

ITEMS = ["a", "b"]
SECONDS = 3.0


def batch(*made: str) -> dict[str, Any]:
    results = [{"_clientRef": one, "objectId": f"id-{one}", "status": "created"} for one in made]
    status = {"status": "complete", "results": results} if made else {"status": "scheduled"}
    return {"type": "bulk_batch", "id": "x", "attributes": status}


async def test_a_batch_that_is_done_before_the_others_does_not_end_its_job() -> None:
    """What the others hold is on its way: to take it for lost would send it twice."""
    clock = Clock()
    done_at = clock.now + SECONDS

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/batches"):
            return httpx.Response(200, json={"data": [batch("a"), batch("b") if clock.now >= done_at else batch()]})
        status = "complete" if clock.now >= done_at else "running"
        return httpx.Response(200, json={"data": {"type": "bulk", "id": "j", "attributes": {"status": status}}})

    async with KustomerClient("http://localhost", "key", transport=httpx.MockTransport(answer), now=clock) as client:
        results = await BulkJobs(client, now=clock, sleep=clock.sleep).results("j", ITEMS)

    assert results is not None
    assert {reference: one.object_id for reference, one in results.items()} == {"a": "id-a", "b": "id-b"}
