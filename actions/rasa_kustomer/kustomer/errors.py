"""What can go wrong with a request to Kustomer, by what the caller can do about it.

    KustomerError
    ├── Unreachable       no answer, one from a server in trouble, or a change that met another: try later
    │   └── Untrusted     no connection that can be trusted (certificates, TLS): an admin must act
    ├── RateLimited       asked too often: wait as long as told
    ├── NotAllowed        the key lacks a role (402, 403): an admin must act
    │   └── KeyRefused    the key itself is not accepted (401, wrong region): an admin must act
    ├── Rejected          Kustomer does not take this content: correct it or give it up
    ├── NotFound          what the request is about does not exist (any more)
    └── BrokenAnswer      success, but unreadable: the outcome of a write is unknown

Messages are safe to log: they name method, path template, status, role and field, never a key, an address, an id from
the path or a text.
"""


class KustomerError(Exception):
    """Base of everything the client raises."""

    status: int | None = None


class Unreachable(KustomerError):  # noqa: N818 - read as an outcome
    """No usable answer.

    Attributes:
        ambiguous: Whether a write may have been carried out all the same.
        status: HTTP status of the server or gateway in trouble; 409 when somebody changed the same record at the same
            time; None when there was no answer at all.
    """

    def __init__(self, message: str, *, ambiguous: bool, status: int | None = None) -> None:
        super().__init__(message)
        self.ambiguous, self.status = ambiguous, status


class Untrusted(Unreachable):
    """TLS failed before anything was sent; the message says why, and what cures it."""


class RateLimited(KustomerError):  # noqa: N818 - read as an outcome
    """429, or our own knowledge that it would be one.

    Attributes:
        wait_seconds: How long to wait, bounded.
        organisation: The whole organisation's limit is spent; False when only this customer or object was hit.
    """

    status = 429

    def __init__(self, message: str, *, wait_seconds: float, organisation: bool) -> None:
        super().__init__(message)
        self.wait_seconds, self.organisation = wait_seconds, organisation


class NotAllowed(KustomerError):  # noqa: N818 - read as an outcome
    """402 or 403.

    Attributes:
        role: The role that the key needs; None when no role would help.
    """

    def __init__(self, message: str, *, role: str | None = None, status: int | None = 403) -> None:
        super().__init__(message)
        self.role, self.status = role, status


class KeyRefused(NotAllowed):
    """401, or the text that Kustomer sends when the key belongs to another region."""


class Rejected(KustomerError):  # noqa: N818 - read as an outcome
    """400, 409 (to a create, or to a change that names a unique field), 413, 422 and other refusals of the content.

    Attributes:
        field: The field at fault, if Kustomer named one.
        duplicate: Another record has this value already.
    """

    def __init__(self, message: str, *, status: int, field: str | None = None, duplicate: bool = False) -> None:
        super().__init__(message)
        self.status, self.field, self.duplicate = status, field, duplicate


class NotFound(KustomerError):  # noqa: N818 - read as an outcome
    """404."""

    status = 404


class BrokenAnswer(KustomerError):  # noqa: N818 - read as an outcome
    """A success that is not what was promised: a page of a gateway, no JSON, no id.

    Attributes:
        ambiguous: Whether a write may have been carried out.
    """

    def __init__(self, message: str, *, ambiguous: bool) -> None:
        super().__init__(message)
        self.ambiguous = ambiguous
