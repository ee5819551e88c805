"""An HTTP answer into data, or into the error that says what to do."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from rasa_kustomer.kustomer import rate_limits
from rasa_kustomer.kustomer.errors import (
    BrokenAnswer,
    KeyRefused,
    KustomerError,
    NotAllowed,
    NotFound,
    RateLimited,
    Rejected,
    Unreachable,
)

WRONG_POD = "auth token associated with pod"
UNIQUE_FIELDS = frozenset(
    {"externalid", "externalids", "email", "emails", "phone", "phones", "whatsapps", "socials"}
)  # Kustomer API reference, Uniqueness and duplicates; the singular forms are the look-ups' names
DUPLICATE_WORDS = ("duplicate", "already", "unique")
CHANGES = frozenset({"PATCH", "PUT"})
TRY_LATER = frozenset({408, 425})  # a gateway's "too slow" and "too early": the content is not at fault
# The codes that messages name (Kustomer API reference, Errors). Any other may be text of anybody's.
CODES = frozenset({"bad_request", "badparam", "conflict", "forbidden", "notfound", "unauthorized"})
_MOST_TEXT = 2_000
_CODE = re.compile(r"[\w.\- ]{1,60}")
_FIELD = re.compile(r"[\w./\[\]-]{1,100}", re.ASCII)


def read_json(response: httpx.Response, call: str, *, write: bool) -> Any:
    """The answer's body; None when it is empty.

    Args:
        response: A success.
        call: Method and path template, for messages.
        write: Whether the request changes something, so that an unreadable answer leaves its outcome open.

    Raises:
        BrokenAnswer: It is not JSON.
    """
    if not response.content:
        return None
    body = _json(response)
    if body is _UNREADABLE:
        raise BrokenAnswer(f"{call}: the answer is not JSON (a gateway's page?).", ambiguous=write)
    return body


def error_of(response: httpx.Response, call: str, role: str | None, now: float, *, write: bool) -> KustomerError:
    """The error that a refusal stands for.

    Source: Kustomer API reference, Errors: two shapes of `errors`, and gateways that answer without JSON.

    Args:
        response: Not a success.
        call: Method and path template, for messages.
        role: Role that the call needs.
        now: Epoch seconds.
        write: Whether the request changes something.
    """
    status = response.status_code
    said = _said(response)
    if status == 401 or (400 <= status < 500 and WRONG_POD in said.text):
        return KeyRefused(_key_message(said.text), status=status)
    if status in {402, 403}:
        return NotAllowed(_role_message(call, status, role), role=role if status == 403 else None, status=status)
    if status == 404:
        return _not_found(call, said, write=write)
    if status == 429:
        wait = rate_limits.wait_seconds(response.headers, now)
        whole = rate_limits.concerns_organisation(response.headers)
        return RateLimited(f"{call}: rate limited for {wait:.0f} s.", wait_seconds=wait, organisation=whole)
    if status >= 500 or status < 400 or status in TRY_LATER:
        return Unreachable(f"{call}: Kustomer answered {status}.", ambiguous=write, status=status)
    return _rejection(call, status, said, response.request)


@dataclass(frozen=True, slots=True)
class _Said:
    """What a refusal says; everything it quotes stays in here.

    Attributes:
        text: All there is to read, in small letters.
        page: It is no JSON but a page of something between us and Kustomer.
    """

    text: str
    page: bool
    code: str | None = None
    field: str | None = None


_UNREADABLE = object()


def _said(response: httpx.Response) -> _Said:
    body = _json(response)
    raw = response.content[:_MOST_TEXT].decode("utf-8", "replace").lower()  # its charset may be anything
    if body is _UNREADABLE:
        return _Said(raw, page=bool(raw.strip()))
    errors = body.get("errors") if isinstance(body, Mapping) else None
    first = errors[0] if isinstance(errors, list) and errors else body
    if not isinstance(first, Mapping):
        return _Said(raw, page=False)
    text = " ".join(str(first.get(name) or "") for name in ("message", "title", "detail")).strip().lower()
    code = str(first.get("code") or "")
    return _Said(text or raw, page=False, code=code if _CODE.fullmatch(code) else None, field=_field(first))


def _field(error: Mapping[str, Any]) -> str | None:
    """The field at fault: named as source, or by a path in `detail`; nothing that may quote a value."""
    source = error.get("source")
    named = (source.get("parameter") or source.get("pointer")) if isinstance(source, Mapping) else None
    if not named and str(error.get("detail") or "").startswith("/"):
        named = error["detail"]
    if not isinstance(named, str) or not _FIELD.fullmatch(named):
        return None
    return re.sub(r"^/?(data/attributes|properties)(?=/)", "", named).strip("/") or None


def _not_found(call: str, said: _Said, *, write: bool) -> KustomerError:
    """A page instead of Kustomer's 404 means that Kustomer was not asked; to believe it would make records twice."""
    if said.page:
        hint = "is KUSTOMER_SUBDOMAIN or KUSTOMER_BASE_URL right?"
        return Unreachable(f"{call}: a page that is not Kustomer's answered 404; {hint}", ambiguous=write, status=404)
    return NotFound(f"{call}: not found.")


def _rejection(call: str, status: int, said: _Said, request: httpx.Request) -> Rejected | Unreachable:
    """A refusal of the content; a 409 to a change is about its moment instead, unless it names a unique field."""
    if status == 409 and request.method in CHANGES and not _unique_field(said):
        return Unreachable(f"{call}: somebody changed the same record at the same time.", ambiguous=False, status=409)
    says_so = not said.page and any(word in f"{said.code} {said.text}".lower() for word in DUPLICATE_WORDS)
    words = f" ({said.code})" if said.code in CODES else ""
    about = f", field {said.field}" if said.field and _is_ours(said.field, request) else ""
    return Rejected(
        f"{call}: refused with {status}{words}{about}.",
        status=status,
        code=said.code,
        field=said.field,
        duplicate=status == 409 or says_so or (status in {400, 422} and _unique_field(said)),
    )


def _is_ours(field: str, request: httpx.Request) -> bool:
    """Whether a field was sent by us; any other name is text that somebody else wrote, and not for a log."""
    names = _names(json.loads(request.content or "null"))
    return all(part in names or part.isdigit() for part in re.split(r"[./\[\]]+", field) if part)


def _names(body: Any) -> set[str]:
    if isinstance(body, Mapping):
        return {*body, *(name for value in body.values() for name in _names(value))}
    return {name for one in body for name in _names(one)} if isinstance(body, list) else set()


def _unique_field(said: _Said) -> bool:
    """Whether the field at fault is one whose value no two records may share."""
    return not UNIQUE_FIELDS.isdisjoint(re.split(r"[^a-z]+", (said.field or "").lower()))


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except (ValueError, LookupError, AssertionError, RecursionError):  # odd charsets, and brackets without end
        return _UNREADABLE


def _key_message(text: str) -> str:
    if WRONG_POD in text:
        return (
            "The key belongs to another region than the address: set KUSTOMER_SUBDOMAIN to your organisation, "
            "or KUSTOMER_BASE_URL to your region's address."
        )
    if "expired" in text:
        return "The key has expired: make a new one in Kustomer and set KUSTOMER_API_KEY."
    return "Kustomer does not accept the key: check KUSTOMER_API_KEY."


def _role_message(call: str, status: int, role: str | None) -> str:
    if status == 402:
        return f"{call}: Kustomer answered 402, the organisation's plan does not cover it."
    advice = f", make a key with {role}" if role else ""
    return f"{call}: the key lacks a role{advice}; or it is limited to other IP addresses."
