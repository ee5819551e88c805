"""Bulk jobs: up to 100 creates or changes for one unit of the budget, done later, each item for itself.

Source: Kustomer API reference, Bulk. A job is a row like any other, so it survives a restart with its data. Its work is
done as a whole when the first request of any kind comes in after its time, through the code of single creates.
"""

import re
from collections.abc import Callable
from typing import Any

from kustomer_sandbox import conversations, customers, messages
from kustomer_sandbox.calls import DUPLICATE, Answer, Call, Handler, Operation, Org, Refusal, bad, paged, roles, row_at
from kustomer_sandbox.tables import Row

MAX_ITEMS, MAX_REFERENCE_LENGTH = 100, 255
NO_TEXT = re.compile("[\x00\ud800-\udfff]")
CREATE: dict[str, Handler] = {
    "customers": customers.create,
    "conversations": conversations.create,
    "messages": messages.create("messages"),
    "notes": messages.create("notes"),
}
CHANGE: dict[str, Handler] = {"customers": customers.update, "conversations": conversations.update}
NEVER_DONE = ("stuck", "forgotten")
NOT_FOUND = ("forgotten", "vanished")
UNKNOWN = "nobody-asked"
"""A reference that the client should not have sent."""


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
        return (
            *(Operation("POST", f"/v1/{name}/bulk", roles(name, "create"), self._accept(name)) for name in CREATE),
            *(
                Operation("PUT", f"/v1/{name}/bulk", roles(name, "update"), self._accept(name, change=True))
                for name in CHANGE
            ),
            Operation("GET", "/v1/bulk/{id}", roles("bulk", "read"), self._look),
            Operation("GET", "/v1/bulk/{id}/batches", roles("bulk", "read"), self._batches),
        )

    def work(self) -> None:
        """Carries out every job whose time has come, in the order of their acceptance."""
        for job in [job for job in self._open if self._status(job) == "due"]:
            self._open.remove(job)
            spoiled = self._failure(job) == "half"
            job["results"] = [
                _failed(item, "scripted failure") if spoiled and number % 2 else self._done(job, item)
                for number, item in enumerate(job["items"])
            ]
            job["items"], job["completedAt"] = [], self._org.state.now()
            self._org.state.put("bulk", job)
            self._org.state.commit()

    def _accept(self, name: str, *, change: bool = False) -> Handler:
        def handler(org: Org, call: Call) -> Answer:
            _check_items(call.body, change=change)
            fault = call.fault if call.fault and call.fault.of_job else None
            size = max(1, org.rules.bulk_batch)
            job: Row = {
                "id": org.state.new_id(),
                "resource": name,
                "change": change,
                "items": call.body,
                "size": size,
                "actor": call.actor,
                "isAdmin": call.is_admin,
                "acceptedAt": self._now(),
                "failure": fault.value if fault and fault.kind == "bulk" else None,
                "seconds": float(fault.value) if fault and fault.kind == "bulk-slow" else None,
                "batches": [org.state.new_id() for _ in range(0, len(call.body), size)],
                "completedAt": None,
                "results": None,
            }
            self._open.append(org.state.put("bulk", job))
            return Answer(201, {"data": self._shown(job, "queued")})

        return handler

    def _look(self, org: Org, call: Call) -> Answer:
        job = self._job(org, call)
        return Answer(200, {"data": self._shown(job, self._status(job))})

    def _batches(self, org: Org, call: Call) -> Answer:
        job = self._job(org, call)

        def show(number: int) -> dict[str, Any]:
            if job["results"] is None:
                status = "queued" if self._status(job) == "queued" else "scheduled"
                shown = {"status": status, "objectIds": [], "successCount": 0, "failureCount": 0, "errors": []}
            else:
                results = job["results"][number * job["size"] : (number + 1) * job["size"]]
                shown = {**_told(results, self._failure(job)), "completedAt": job["completedAt"]}
            return self._wrapped("bulk_batch", job["batches"][number], shown)

        return paged(call, range(len(job["batches"])), show)

    def _job(self, org: Org, call: Call) -> Row:
        job = row_at(org, "bulk", call)
        if self._failure(job) in NOT_FOUND:
            raise Refusal(404, parameter="id")
        self.work()  # a scripted latency may have passed since the request came in
        return job

    def _failure(self, job: Row) -> str:
        return job["failure"] or self._org.rules.bulk_failure

    def _status(self, job: Row) -> str:
        """Kustomer's own words, and `due` for a job whose time has come."""
        seconds = self._org.rules.bulk_seconds if job["seconds"] is None else float(job["seconds"])
        # To the millisecond: epoch seconds are too large for floats to be exact about 0.2.
        age = round(self._now() - job["acceptedAt"], 3)
        if job["results"] is not None:
            return "complete"
        if age < seconds / 2:
            return "queued"
        return "running" if age < seconds or self._failure(job) in NEVER_DONE else "due"

    def _done(self, job: Row, item: Any) -> Row:
        body, params = item, {}
        if isinstance(item, dict):
            left_out = ("_clientRef", "id") if job["change"] else ("_clientRef",)
            body = {name: value for name, value in item.items() if name not in left_out}
            params = {"id": str(item["id"])} if job["change"] else {}
        handler = (CHANGE if job["change"] else CREATE)[job["resource"]]
        try:
            answer = handler(self._org, Call(job["actor"], body, params, is_admin=job["isAdmin"]))
        except Refusal as refusal:
            return _failed(item, _words(refusal))
        made = {"objectId": answer.body["data"]["id"], "status": "updated" if job["change"] else "created"}
        return {**_reference(item), **made}

    def _shown(self, job: Row, status: str) -> dict[str, Any]:
        total = len(job["batches"])
        progress = {"complete": total if status == "complete" else 0, "total": total}
        return self._wrapped("bulk", job["id"], {"status": status, "resource": job["resource"], "batches": progress})

    def _wrapped(self, kind: str, row_id: str, attributes: dict[str, Any]) -> dict[str, Any]:
        """Where a job's attributes sit is not certain in the reference."""
        identity = {"type": kind, "id": row_id}
        return {**identity, "attributes": attributes} if self._org.rules.bulk_nested else {**identity, **attributes}


def _check_items(items: Any, *, change: bool) -> None:
    """Refuses the whole request for what is wrong with the array; the items are judged later, each for itself."""
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_ITEMS:
        raise bad("body", f"should be an array of 1 to {MAX_ITEMS} items")
    if change and not all(isinstance(item, dict) and item.get("id") for item in items):
        raise bad("id", "every item should have one")
    references = [item["_clientRef"] for item in items if isinstance(item, dict) and "_clientRef" in item]
    if references and len(references) != len(items):
        raise bad("_clientRef", "all items or none should have one")
    for one in references:
        if not isinstance(one, str) or not 1 <= len(one) <= MAX_REFERENCE_LENGTH or NO_TEXT.search(one):
            raise bad("_clientRef", f"/_clientRef should be 1 to {MAX_REFERENCE_LENGTH} characters")
    if len(set(references)) != len(references):
        raise bad("_clientRef", "should be unique in the array")


def _reference(item: Any) -> Row:
    return {"_clientRef": item["_clientRef"]} if isinstance(item, dict) and "_clientRef" in item else {}


def _failed(item: Any, why: str) -> Row:
    return {**_reference(item), "status": "error", "error": why}


def _words(refusal: Refusal) -> str:
    if refusal.status == 429:
        return "rate limit"
    if refusal.detail == DUPLICATE:
        return DUPLICATE
    return " ".join(part for part in (refusal.parameter, refusal.detail or refusal.title) if part)


def _told(results: list[Row], failure: str) -> Row:
    """What a batch record tells about its items: as it is, or as a faulty Kustomer would."""
    errors = [one["error"] for one in results if "error" in one]
    told = {
        "status": "complete",
        "objectIds": [one["objectId"] for one in results if "objectId" in one],
        "successCount": len(results) - len(errors),
        "failureCount": len(errors),
        "errors": errors,  # the reference does not say what they look like
    }
    if failure != "untold" and any("_clientRef" in one for one in results):
        told["results"] = _TELLINGS.get(failure, list)(results)
    return told


_INTERNAL = {"objectId": None, "status": "error", "error": "internal"}
_STRANGER = {"_clientRef": UNKNOWN, "objectId": "0" * 24, "status": "created"}
_TELLINGS: dict[str, Callable[[list[Row]], list[Row]]] = {
    "reordered": lambda results: results[::-1],
    "missing": lambda results: results[: len(results) // 2],
    "extra": lambda results: [_STRANGER, *results, {"status": "created"}],
    "unknown": lambda results: [
        {**one, "_clientRef": f"{UNKNOWN}-{n}"} if n % 2 else one for n, one in enumerate(results)
    ],
    "repeated": lambda results: [{**one, "_clientRef": results[0]["_clientRef"]} for one in results],
    "doubled": lambda results: [*({**one, **_INTERNAL} for one in results), *results],
    "anonymous": lambda results: [
        {name: value for name, value in one.items() if name != "_clientRef"} for one in results
    ],
}
