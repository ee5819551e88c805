"""What a bulk job tells about its items: as it is, or as a faulty Kustomer would (Kustomer API reference, Bulk)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kustomer_sandbox.calls import DUPLICATE
from kustomer_sandbox.errors import Refusal

Result = dict[str, Any]

UNKNOWN = "nobody-asked"
"""A reference that the client should not have sent."""


def made(item: Any, object_id: str) -> Result:
    """The result of an item that was created."""
    return {**_reference(item), "objectId": object_id, "status": "created"}


def failed(item: Any, why: Refusal | str) -> Result:
    """The result of an item that was not."""
    return {**_reference(item), "status": "error", "error": why if isinstance(why, str) else _words(why)}


def batch(results: Sequence[Result] | None, failure: str, *, waiting: str, completed_at: str | None) -> dict[str, Any]:
    """The attributes of one batch record.

    Args:
        results: What became of its items; None while it is not complete.
        failure: What goes wrong with the telling, a `rules.BulkFailure`.
        waiting: Its status while it is not complete.
        completed_at: When it was completed.
    """
    if results is None:
        return {"status": waiting, "objectIds": [], "successCount": 0, "failureCount": 0, "errors": []}
    errors = [one["error"] for one in results if "error" in one]
    attributes: dict[str, Any] = {
        "status": "complete",
        "objectIds": [one["objectId"] for one in results if "objectId" in one],
        "successCount": len(results) - len(errors),
        "failureCount": len(errors),
        "completedAt": completed_at,
        "errors": errors,  # the reference does not say what they look like
    }
    if failure != "untold" and any("_clientRef" in one for one in results):
        attributes["results"] = _TELLINGS.get(failure, list)(list(results))
    return attributes


def _reference(item: Any) -> Result:
    return {"_clientRef": item["_clientRef"]} if isinstance(item, dict) and "_clientRef" in item else {}


def _words(refusal: Refusal) -> str:
    if refusal.status == 429:
        return "rate limit"
    if refusal.detail == DUPLICATE:
        return DUPLICATE
    return " ".join(part for part in (refusal.parameter, refusal.detail or refusal.title) if part)


_INTERNAL = {"objectId": None, "status": "error", "error": "internal"}
_STRANGER = {"_clientRef": UNKNOWN, "objectId": "0" * 24, "status": "created"}
_TELLINGS: Mapping[str, Callable[[list[Result]], list[Result]]] = {
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
