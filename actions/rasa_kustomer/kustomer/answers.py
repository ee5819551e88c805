"""An HTTP answer into data, or into the error that says what to do."""

from collections.abc import Mapping
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
UNIQUE_FIELDS = ("externalid", "emails", "phones", "whatsapps", "socials")


def read_json(response: httpx.Response, call: str, *, write: bool) -> Any:
    """The answer's body.

    Args:
        response: A success.
        call: Method and path template, for messages.
        write: Whether the request changes something, so that an unreadable answer leaves its outcome open.

    Raises:
        BrokenAnswer: It is not JSON.
    """
    try:
        return response.json()
    except ValueError:
        raise BrokenAnswer(f"{call}: the answer is not JSON (a gateway's page?).", ambiguous=write) from None


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
    detail = _first_error(response)
    text = " ".join(str(detail.get(name) or "") for name in ("message", "title", "detail")).strip()
    if status == 401 or (400 <= status < 500 and WRONG_POD in (text or response.text).lower()):
        return KeyRefused(_key_message(text or response.text), status=status)
    if status in {402, 403}:
        return NotAllowed(_role_message(call, status, role), role=role if status == 403 else None, status=status)
    if status == 404:
        return NotFound(f"{call}: not found.")
    if status == 429:
        wait = rate_limits.wait_seconds(response.headers, now)
        whole = rate_limits.concerns_organisation(response.headers)
        return RateLimited(f"{call}: rate limited for {wait:.0f} s.", wait_seconds=wait, organisation=whole)
    if status >= 500 or status < 400:
        return Unreachable(f"{call}: Kustomer answered {status}.", ambiguous=write, status=status)
    return _rejection(call, status, detail, text)


def _rejection(call: str, status: int, detail: Mapping[str, Any], text: str) -> Rejected:
    source = detail.get("source")
    named = (source.get("parameter") or source.get("pointer")) if isinstance(source, Mapping) else None
    field = str(named).removeprefix("/data/attributes").strip("/") if named else None
    code = str(detail["code"]) if detail.get("code") else None
    folded = f"{field or ''} {detail.get('detail') or ''}".lower()
    says_so = "duplicate" in f"{code} {text}".lower() or "already" in text.lower() or "unique" in text.lower()
    duplicate = status == 409 or says_so or (status in {400, 422} and any(one in folded for one in UNIQUE_FIELDS))
    words = f" ({code})" if code else ""
    about = f", field {field}" if field else ""
    return Rejected(
        f"{call}: refused with {status}{words}{about}.", status=status, code=code, field=field, duplicate=duplicate
    )


def _first_error(response: httpx.Response) -> Mapping[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    errors = body.get("errors") if isinstance(body, Mapping) else None
    if isinstance(errors, list) and errors and isinstance(errors[0], Mapping):
        return errors[0]
    return body if isinstance(body, Mapping) else {}


def _key_message(text: str) -> str:
    lowered = text.lower()
    if WRONG_POD in lowered:
        return (
            "The key belongs to another region than the address: set KUSTOMER_SUBDOMAIN to your organisation, "
            "or KUSTOMER_BASE_URL to your region's address."
        )
    if "expired" in lowered:
        return "The key has expired: make a new one in Kustomer and set KUSTOMER_API_KEY."
    return "Kustomer does not accept the key: check KUSTOMER_API_KEY."


def _role_message(call: str, status: int, role: str | None) -> str:
    if status == 402:
        return f"{call}: Kustomer answered 402, the organisation's plan does not cover it."
    return f"{call}: the key lacks a role{f', make a key with {role}' if role else ''}."
