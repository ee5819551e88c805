"""Turns an HTTP answer, or the lack of one, into data or into the error that says what to do."""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

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
    Untrusted,
)
from rasa_kustomer.kustomer.tls import why_untrusted

NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,  # cannot come: a request has its slot before it is begun
    httpx.ProxyError,
    httpx.LocalProtocolError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)
"""Failures before the first byte of a request: its effect is not in doubt."""

WRONG_POD = "auth token associated with pod"
UNIQUE_FIELDS = frozenset(
    {"externalid", "externalids", "email", "emails", "phone", "phones", "whatsapps", "socials"}
)  # Kustomer API reference, Uniqueness and duplicates; the singular forms are the look-ups' names
DUPLICATE_WORDS = ("duplicate", "already", "unique")
TRY_LATER = frozenset({408, 425})  # a gateway's "too slow" and "too early": the content is not at fault
# The codes that messages name (Kustomer API reference, Errors). Any other may be text of anybody's.
CODES = frozenset({"bad_request", "badparam", "conflict", "forbidden", "notfound", "unauthorized"})
_MAX_TEXT = 2_000
_CODE = re.compile(r"[\w.\- ]{1,60}")
_FIELD = re.compile(r"[\w./\[\]-]{1,100}", re.ASCII)
_UNREADABLE = object()


class Call(NamedTuple):
    """What the errors of a request name.

    Attributes:
        name: Method and path template.
        role: Role that the key needs for it.
        write: It changes something, so that a failure may leave its outcome open.
    """

    name: str
    role: str | None
    write: bool


def read_json(response: httpx.Response, call: Call) -> Any:
    """The body of a success; None when it is empty.

    Raises:
        BrokenAnswer: It is not JSON.
    """
    if not response.content:
        return None
    body = _json(response)
    if body is _UNREADABLE:
        raise BrokenAnswer(f"{call.name}: the answer is not JSON (a gateway's page?).", ambiguous=call.write)
    return body


def no_answer(error: Exception, call: Call) -> Unreachable:
    """The error for one of httpx's. It must not be chained to httpx's, which holds the request, and so the key."""
    sent = not isinstance(error, NEVER_SENT)
    if why := why_untrusted(error):
        return Untrusted(f"{call.name}: {why}.", ambiguous=call.write and sent)
    what = "no answer" if sent else "no connection"
    return Unreachable(f"{call.name}: {what} ({type(error).__name__}).", ambiguous=call.write and sent)


def error_of(response: httpx.Response, call: Call, now: float) -> KustomerError:
    """The error for a refusal.

    Source: Kustomer API reference, Errors: two shapes of `errors`, and gateways that answer without JSON.

    Args:
        response: Not a success.
        call: What was asked.
        now: Epoch seconds.
    """
    status, refusal = response.status_code, _read_refusal(response)
    if status == 401 or (400 <= status < 500 and WRONG_POD in refusal.text):
        return KeyRefused(_key_message(refusal.text), status=status)
    if status in {402, 403}:
        return _not_allowed(status, call)
    if status == 404:
        return _not_found(refusal, call)
    if status == 429:
        wait = rate_limits.wait_seconds(response.headers, now)
        whole = rate_limits.concerns_organisation(response.headers)
        return RateLimited(f"{call.name}: rate limited for {wait:.0f} s.", wait_seconds=wait, organisation=whole)
    if status >= 500 or status < 400 or status in TRY_LATER:
        return Unreachable(f"{call.name}: Kustomer answered {status}.", ambiguous=call.write, status=status)
    return _rejection(status, refusal, call, response.request)


class _Refusal(NamedTuple):
    """What a refusal says; what it quotes must not leave this module.

    Attributes:
        text: All readable text, in lower case.
        page: It is not JSON but a page of something between us and Kustomer.
        code: Kustomer's code.
        field: The field at fault.
    """

    text: str
    page: bool = False
    code: str | None = None
    field: str | None = None

    @property
    def names_unique_field(self) -> bool:
        """Whether the field at fault is one whose value no two records may share."""
        return not UNIQUE_FIELDS.isdisjoint(re.split(r"[^a-z]+", (self.field or "").lower()))


def _read_refusal(response: httpx.Response) -> _Refusal:
    body = _json(response)
    raw = response.content[:_MAX_TEXT].decode("utf-8", "replace").lower()  # its charset may be anything
    if body is _UNREADABLE:
        return _Refusal(raw, page=bool(raw.strip()))
    errors = body.get("errors") if isinstance(body, Mapping) else None
    first = errors[0] if isinstance(errors, list) and errors else body
    if not isinstance(first, Mapping):
        return _Refusal(raw)
    text = " ".join(str(first.get(name) or "") for name in ("message", "title", "detail")).strip().lower()
    code = str(first.get("code") or "")
    return _Refusal(text or raw, code=code if _CODE.fullmatch(code) else None, field=_field(first))


def _field(error: Mapping[str, Any]) -> str | None:
    """The field at fault: named as source, or by a path in `detail`; nothing that may quote a value."""
    source = error.get("source")
    named = (source.get("parameter") or source.get("pointer")) if isinstance(source, Mapping) else None
    if not named and str(error.get("detail") or "").startswith("/"):
        named = error["detail"]
    if not isinstance(named, str) or not _FIELD.fullmatch(named):
        return None
    return re.sub(r"^/?(data/attributes|properties)(?=/)", "", named).strip("/") or None


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


def _not_allowed(status: int, call: Call) -> NotAllowed:
    if status == 402:
        return NotAllowed(f"{call.name}: Kustomer answered 402, the organisation's plan does not cover it.", status=402)
    advice = f", make a key with {call.role}" if call.role else ""
    message = f"{call.name}: the key lacks a role{advice}; or it is limited to other IP addresses."
    return NotAllowed(message, role=call.role)


def _not_found(refusal: _Refusal, call: Call) -> KustomerError:
    """A page instead of Kustomer's 404 means that Kustomer was not asked; believing it would create records twice."""
    if refusal.page:
        hint = "is KUSTOMER_SUBDOMAIN or KUSTOMER_BASE_URL right?"
        message = f"{call.name}: a page that is not Kustomer's answered 404; {hint}"
        return Unreachable(message, ambiguous=call.write, status=404)
    return NotFound(f"{call.name}: not found.")


def _rejection(status: int, refusal: _Refusal, call: Call, request: httpx.Request) -> Rejected | Unreachable:
    """A refusal of the content; a 409 to a change is a concurrent change instead, unless it names a unique field."""
    code, field, unique = refusal.code, refusal.field, refusal.names_unique_field
    if status == 409 and request.method in {"PATCH", "PUT"} and not unique:
        message = f"{call.name}: somebody changed the same record at the same time."
        return Unreachable(message, ambiguous=False, status=409)
    says_so = not refusal.page and any(word in f"{code} {refusal.text}".lower() for word in DUPLICATE_WORDS)
    named = f" ({code})" if code in CODES else ""
    about = f", field {field}" if field and _is_ours(field, request) else ""
    duplicate = status == 409 or says_so or (status in {400, 422} and unique)
    message = f"{call.name}: refused with {status}{named}{about}."
    return Rejected(message, status=status, field=field, duplicate=duplicate)


def _is_ours(field: str, request: httpx.Request) -> bool:
    """Whether a field was sent by us; any other name is text that somebody else wrote, and not for a log."""
    names = _names(json.loads(request.content or "null"))
    return all(part in names or part.isdigit() for part in re.split(r"[./\[\]]+", field) if part)


def _names(body: Any) -> set[str]:
    if isinstance(body, Mapping):
        return {*body, *(name for value in body.values() for name in _names(value))}
    return {name for item in body for name in _names(item)} if isinstance(body, list) else set()
