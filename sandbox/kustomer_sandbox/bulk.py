"""Bulk jobs: up to 100 creates or changes for one unit of the budget, done later, each item for itself.

Source: Kustomer API reference, Bulk. A job is a row like any other, so it survives a restart with its data. Its work is
done as a whole when the first request of any kind comes in after its time, through the code of single creates.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from kustomer_sandbox import conversations, customers, messages, notes
from kustomer_sandbox.bulk_results import batch, failed, made
from kustomer_sandbox.calls import Answer, Call, Handler, Operation, Org, paged, roles, row_at
from kustomer_sandbox.errors import Refusal, bad, missing
from kustomer_sandbox.fields import text
from kustomer_sandbox.tables import Row

MOST_ITEMS = 100
CREATE: dict[str, Handler] = {
    "customers": customers.create,
    "conversations": conversations.create,
    "messages": messages.create,
    "notes": notes.create,
}
CHANGE: dict[str, Handler] = {
    "customers": customers.update,
    "conversations": conversations.update,
    "messages": messages.update,
    "notes": notes.update,
}
NEVER_DONE = ("stuck", "forgotten")
NOT_FOUND = ("forgotten", "vanished")

_client_ref = text(255, least=1)


class Bulk:
    """The jobs of one sandbox.

    Args:
        org: What the jobs work on.
        now: The clock, in epoch seconds.
    """

    def __init__(self, org: Org, now: Callable[[], float]) -> None:
        self._org = org
        self._now = now
        self._open = [row for row in org.state.table("bulk").values() if row["results"] is None]

    def operations(self) -> tuple[Operation, ...]:
        """The operations of the reference."""
        creates = (
            Operation("POST", f"/v1/{name}/bulk", roles(name.removesuffix("s"), "create"), self._accept(name))
            for name in CREATE
        )
        changes = (
            Operation("PUT", f"/v1/{name}/bulk", roles(name.removesuffix("s"), "update"), self._accept_changes(name))
            for name in CHANGE
        )
        read = roles("bulk", "read")
        return (
            *creates,
            *changes,
            Operation("GET", "/v1/bulk/{id}", read, self._status),
            Operation("GET", "/v1/bulk/{id}/batches", read, self._batches),
        )

    def work(self) -> None:
        """Carries out every job whose time has come, in the order of their acceptance."""
        for job in [job for job in self._open if self._due(job)]:
            self._open.remove(job)
            self._carry_out(job)
            self._org.state.commit()

    def _accept_changes(self, name: str) -> Handler:
        """With `?ids=a,b` one body for all of them, without `_clientRef`; else an array of items with their ids."""
        accept = self._accept(name, change=True)

        def handler(org: Org, call: Call) -> Answer:
            body = call.body
            if "ids" in call.query:
                if not isinstance(body, dict) or "_clientRef" in body:
                    raise bad("body", "should be one object without _clientRef")
                body = [{**body, "id": one} for one in call.query["ids"].split(",") if one]
            elif isinstance(body, list) and not all(isinstance(one, dict) and one.get("id") for one in body):
                raise bad("id", "every item should have one")
            return accept(org, replace(call, body=body))

        return handler

    def _accept(self, name: str, *, change: bool = False) -> Handler:
        def handler(org: Org, call: Call) -> Answer:
            _check_items(org, call.body)
            fault = call.fault if call.fault and call.fault.of_job else None
            job: Row = {
                "id": org.state.new_id(),
                "resource": name,
                "change": change,
                "items": call.body,
                "size": max(1, org.rules.bulk_batch),
                "actor": call.actor,
                "isAdmin": call.is_admin,
                "acceptedAt": self._now(),
                "completedAt": None,
                "failure": fault.value if fault and fault.kind == "bulk" else None,
                "seconds": float(fault.value) if fault and fault.kind == "bulk-slow" else None,
                "results": None,
            }
            job["batches"] = [org.state.new_id() for _ in range(0, len(call.body), job["size"])]
            self._open.append(org.state.put("bulk", job))
            return Answer(201, {"data": self._shown(job, "queued")})

        return handler

    def _status(self, org: Org, call: Call) -> Answer:
        job = self._job(org, call)
        status = "complete" if job["results"] is not None else "queued" if self._queued(job) else "running"
        return Answer(200, {"data": self._shown(job, status)})

    def _batches(self, org: Org, call: Call) -> Answer:
        job = self._job(org, call)
        failure, size, waiting = self._failure(job), job["size"], "queued" if self._queued(job) else "scheduled"

        def show(number: int) -> dict[str, Any]:
            results = None if job["results"] is None else job["results"][number * size : (number + 1) * size]
            attributes = batch(results, failure, waiting=waiting, completed_at=job["completedAt"])
            return self._wrapped("bulk_batch", job["batches"][number], attributes)

        return paged(call, range(len(job["batches"])), show)

    def _job(self, org: Org, call: Call) -> Row:
        job = row_at(org, "bulk", call)
        if self._failure(job) in NOT_FOUND:
            raise missing("id")
        self.work()  # a scripted latency may have passed since the request came in
        return job

    def _failure(self, job: Row) -> str:
        return job["failure"] or self._org.rules.bulk_failure

    def _due(self, job: Row) -> bool:
        return self._failure(job) not in NEVER_DONE and self._age(job) >= self._seconds(job)

    def _queued(self, job: Row) -> bool:
        return self._age(job) < self._seconds(job) / 2

    def _age(self, job: Row) -> float:
        # To the millisecond: epoch seconds are too large for floats to be exact about 0.2.
        return float(round(self._now() - job["acceptedAt"], 3))

    def _seconds(self, job: Row) -> float:
        return self._org.rules.bulk_seconds if job["seconds"] is None else float(job["seconds"])

    def _carry_out(self, job: Row) -> None:
        spoiled = self._failure(job) == "half"
        job["results"] = [
            failed(item, "scripted failure") if spoiled and number % 2 else self._item(job, item)
            for number, item in enumerate(job["items"])
        ]
        job["items"], job["completedAt"] = [], self._org.state.now()
        self._org.state.put("bulk", job)

    def _item(self, job: Row, item: Any) -> dict[str, Any]:
        change, path = job.get("change", False), f"/v1/{job['resource']}"
        left_out = {"_clientRef", "id"} if change else {"_clientRef"}
        body = {name: value for name, value in item.items() if name not in left_out} if isinstance(item, dict) else item
        params = {"id": str(item["id"])} if change else {}
        call = Call("PATCH" if change else "POST", path, params, {}, body, job["actor"], job["isAdmin"])
        try:
            done = (CHANGE if change else CREATE)[job["resource"]](self._org, call).body["data"]["id"]
        except Refusal as refusal:
            return failed(item, refusal)
        return {**made(item, done), "status": "updated" if change else "created"}

    def _shown(self, job: Row, status: str) -> dict[str, Any]:
        total = len(job["batches"])
        progress = {"complete": total if status == "complete" else 0, "total": total}
        attributes = {"status": status, "resource": job["resource"], "batches": progress}
        return self._wrapped("bulk", job["id"], attributes)

    def _wrapped(self, kind: str, row_id: str, attributes: dict[str, Any]) -> dict[str, Any]:
        """Where a job's attributes sit is not certain in the reference."""
        identity = {"type": kind, "id": row_id}
        return {**identity, "attributes": attributes} if self._org.rules.bulk_nested else {**identity, **attributes}


def _check_items(org: Org, items: Any) -> None:
    """Refuses the whole request for what is wrong with the array; the items are judged later, each for itself."""
    if not isinstance(items, list) or not 1 <= len(items) <= MOST_ITEMS:
        raise bad("body", f"should be an array of 1 to {MOST_ITEMS} items")
    references = [item["_clientRef"] for item in items if isinstance(item, dict) and "_clientRef" in item]
    if not references:
        return
    if len(references) != len(items):
        raise bad("_clientRef", "all items or none should have one")
    for one in references:
        if wrong := _client_ref(one, org.state):
            raise bad("_clientRef", f"/_clientRef {wrong}")
    if len(set(references)) != len(references):
        raise bad("_clientRef", "should be unique in the array")
