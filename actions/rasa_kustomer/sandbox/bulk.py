"""Bulk jobs: up to 100 creates for one unit of the budget, done later, each item for itself.

Source: Kustomer API reference, Bulk. The work is done when the job completes, at the first look after `bulk_seconds`;
items go through the same code as single creates.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from rasa_kustomer.sandbox import conversations, customers, messages, notes
from rasa_kustomer.sandbox.calls import Answer, Call, Handler, Operation, Org, roles
from rasa_kustomer.sandbox.errors import Refusal, bad, missing

MOST_ITEMS = 100
LONGEST_REFERENCE = 255
CREATE: dict[str, Handler] = {
    "customers": customers.create,
    "conversations": conversations.create,
    "messages": messages.create,
    "notes": notes.create,
}


@dataclass
class Job:
    """One job; `results` is None until it is complete."""

    id: str
    resource: str
    call: Call
    accepted_at: float
    results: list[dict[str, Any]] | None = None
    object_ids: tuple[str, ...] = ()


class Bulk:
    """The jobs of one sandbox, in memory.

    Args:
        now: The clock, in epoch seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._jobs: dict[str, Job] = {}

    def operations(self) -> tuple[Operation, ...]:
        """The operations of the reference."""
        creates = (
            Operation("POST", f"/v1/{name}/bulk", roles(name.removesuffix("s"), "create"), self._accept(name))
            for name in CREATE
        )
        read = roles("bulk", "read")
        return (
            *creates,
            Operation("GET", "/v1/bulk/{id}", read, self._status),
            Operation("GET", "/v1/bulk/{id}/batches", read, self._batches),
        )

    def _accept(self, name: str) -> Handler:
        def handler(org: Org, call: Call) -> Answer:
            _check_items(call.body)
            job = Job(org.state.new_id(), name, call, self._now())
            self._jobs[job.id] = job
            return Answer(201, {"data": self._shown(org, job)})

        return handler

    def _status(self, org: Org, call: Call) -> Answer:
        return Answer(200, {"data": self._shown(org, self._job(org, call))})

    def _batches(self, org: Org, call: Call) -> Answer:
        job = self._job(org, call)
        data = [] if job.results is None else [_record(org, job)]
        links = {"self": call.path, "next": None}
        return Answer(200, {"meta": {"page": 1, "pageSize": 100, "total": len(data)}, "links": links, "data": data})

    def _job(self, org: Org, call: Call) -> Job:
        job = self._jobs.get(call.params["id"])
        if job is None or org.rules.bulk_failure == "forgotten":
            raise missing("id")
        ready = self._now() - job.accepted_at >= org.rules.bulk_seconds and org.rules.bulk_failure != "stuck"
        if job.results is None and ready:
            _carry_out(org, job)
        return job

    def _shown(self, org: Org, job: Job) -> dict[str, Any]:
        complete = job.results is not None
        attributes = {
            "status": "complete" if complete else "queued" if job.accepted_at == self._now() else "running",
            "resource": job.resource,
            "batches": {"complete": int(complete), "total": 1},
        }
        return _wrapped(org, {"type": "bulk", "id": job.id}, attributes)


def _check_items(items: Any) -> None:
    if not isinstance(items, list) or not 1 <= len(items) <= MOST_ITEMS:
        raise bad("body", f"should be an array of 1 to {MOST_ITEMS} items")
    references = [item.get("_clientRef") for item in items if isinstance(item, dict) and "_clientRef" in item]
    if not references:
        return
    if len(references) != len(items):
        raise bad("_clientRef", "all items or none should have one")
    if not all(isinstance(one, str) and 0 < len(one) <= LONGEST_REFERENCE for one in references):
        raise bad("_clientRef", f"should be a string of 1 to {LONGEST_REFERENCE} characters")
    if len(set(references)) != len(references):
        raise bad("_clientRef", "should be unique in the array")


def _carry_out(org: Org, job: Job) -> None:
    results = []
    for number, item in enumerate(job.call.body):
        fails = org.rules.bulk_failure == "half" and number % 2
        results.append({"status": "error", "error": "scripted failure"} if fails else _one(org, job, item))
        if isinstance(item, dict) and "_clientRef" in item:
            results[-1] = {"_clientRef": item["_clientRef"], **results[-1]}
    job.object_ids = tuple(result["objectId"] for result in results if "objectId" in result)
    job.results = results


def _one(org: Org, job: Job, item: Any) -> dict[str, Any]:
    body = {name: value for name, value in item.items() if name != "_clientRef"} if isinstance(item, dict) else item
    try:
        answer = CREATE[job.resource](org, replace(job.call, body=body))
    except Refusal as refusal:
        text = " ".join(part for part in (refusal.parameter, refusal.detail or refusal.title) if part)
        return {"status": "error", "error": text}
    return {"objectId": answer.body["data"]["id"], "status": "created"}


def _record(org: Org, job: Job) -> dict[str, Any]:
    results = job.results or []
    failed = sum(result["status"] == "error" for result in results)
    attributes = {
        "status": "complete",
        "objectIds": list(job.object_ids),
        "successCount": len(results) - failed,
        "failureCount": failed,
        "completedAt": org.state.now(),
        "errors": [],
    }
    shown = _told(org.rules.bulk_failure, results)
    if any("_clientRef" in result for result in shown):
        attributes["results"] = shown
    return _wrapped(org, {"type": "bulk_batch", "id": f"{job.id[:-1]}b"}, attributes)


def _told(failure: str, results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The results as a faulty Kustomer would tell them."""
    if failure == "reordered":
        return results[::-1]
    if failure == "missing":
        return results[: len(results) // 2]
    if failure == "extra":
        return [
            {"_clientRef": "nobody-asked", "objectId": "0" * 24, "status": "created"},
            *results,
            {"status": "created"},
        ]
    if failure == "doubled":
        return [{**one, "objectId": None, "status": "error", "error": "internal"} for one in results] + results
    return [] if failure == "untold" else results


def _wrapped(org: Org, identity: dict[str, Any], attributes: dict[str, Any]) -> dict[str, Any]:
    """Where a job's attributes sit is not certain in the reference."""
    return {**identity, "attributes": attributes} if org.rules.bulk_nested else {**identity, **attributes}
