"""Results of bulk jobs, read tolerantly (Kustomer API reference, Bulk)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

BulkResource = Literal["customers", "conversations", "messages", "notes"]

_DUPLICATE = re.compile(r"duplicate|already|conflict|unique|(?<!not )(?<!n't )\bexists?\b", re.IGNORECASE)
_LONGEST_ERROR = 200


class BulkResult(NamedTuple):
    """The result of one item.

    Attributes:
        client_ref: The item's `_clientRef`.
        object_id: Id of what was made or changed; None when the answer does not say.
        ok: Whether it was created or changed.
        error: Why not, shortened; None when it was.
        duplicate: Whether the error speaks of something that exists already.
    """

    client_ref: str
    object_id: str | None
    ok: bool
    error: str | None
    duplicate: bool


def job_status(data: Any) -> str | None:
    """Status of a job, which may stand in the record or in its attributes (the reference leaves it open)."""
    for place in (_mapping(data).get("attributes"), data):
        status = _mapping(place).get("status")
        if isinstance(status, str):
            return status
    return None


def read_results(batches: Sequence[Any]) -> list[BulkResult]:
    """All readable results of a job's batches, in their order."""
    return [result for batch in batches for item in _items(batch) if (result := _result(item)) is not None]


def _items(batch: Any) -> Iterator[Any]:
    for place in (_mapping(batch).get("attributes"), batch):
        results = _mapping(place).get("results")
        if isinstance(results, list):
            yield from results
            return


def _result(item: Any) -> BulkResult | None:
    values = _mapping(item)
    reference, status, made = values.get("_clientRef"), values.get("status"), values.get("objectId")
    if not isinstance(reference, str) or not isinstance(status, str):
        return None
    if status in {"created", "updated"}:
        return BulkResult(reference, made if isinstance(made, str) and made else None, True, None, False)
    text = _text(values.get("error")) or status
    return BulkResult(reference, None, False, text[:_LONGEST_ERROR], bool(_DUPLICATE.search(text)))


def _text(error: Any) -> str:
    """An error's words: a string, an object as in single answers, or a list of either."""
    if isinstance(error, list):
        return "; ".join(filter(None, map(_text, error)))
    if isinstance(error, Mapping):
        words = (error.get(name) for name in ("code", "title", "message", "detail"))
        return " ".join(word for word in words if isinstance(word, str))
    return error if isinstance(error, str) else ""


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
