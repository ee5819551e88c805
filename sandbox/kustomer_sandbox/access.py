"""Who may call: the key, and its roles."""

from collections.abc import Iterable, Mapping

from kustomer_sandbox.calls import Org, Refusal

EXPIRED_KEY = "sandbox-expired-key"
"""Presenting this key shows what an expired one gets."""
OTHER_POD_KEY = "sandbox-other-pod-key"
"""Presenting this key shows what a key of another region gets."""


def check_key(headers: Mapping[str, str], org: Org) -> None:
    """Refuses what is not this organisation's key.

    Raises:
        Refusal: 401; the texts for expired and wrong-pod keys are Kustomer's own.
    """
    scheme, _, presented = headers.get("authorization", "").partition(" ")
    pod, home = org.rules.pod, "prod2" if org.rules.pod != "prod2" else "prod1"
    if scheme != "Bearer" or not presented:
        raise Refusal(401, "Missing bearer token")
    if presented == EXPIRED_KEY:
        raise Refusal(401, "Expired token")
    if presented == OTHER_POD_KEY:
        raise Refusal(401, f"Auth token associated with pod {home} but request is being handled by {pod}")
    if presented != org.api_key:
        raise Refusal(401, "Invalid token")


def granted(role: str, held: Iterable[str]) -> bool:
    """Whether a set of roles grants one: `a.b` grants `a.b.c` (broad parents are used in the field)."""
    return any(role == one or role.startswith(f"{one}.") for one in held)


def check_roles(needed: tuple[str, ...], held: Iterable[str]) -> None:
    """Any one of the needed roles suffices.

    Raises:
        Refusal: 403.
    """
    if needed and not any(granted(role, held) for role in needed):
        raise Refusal(403, f"One of these roles is needed: {', '.join(needed)}")
