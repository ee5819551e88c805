"""Refusals of the pretend Kustomer, in both documented error shapes."""

from typing import Any

from kustomer_sandbox.rules import Rules

TITLES = {
    400: ("badparam", "Bad Request"),
    401: ("unauthorized", "Unauthorized"),
    403: ("forbidden", "Forbidden"),
    404: ("notfound", "Not Found"),
    409: ("conflict", "Conflict"),
    413: ("toolarge", "Payload Too Large"),
    422: ("unprocessable", "Unprocessable Entity"),
    429: ("toomanyrequests", "Too Many Requests"),
}


class Refusal(Exception):  # noqa: N818 - an answer of the protocol, not a failure of the sandbox
    """A request that Kustomer would answer with an error.

    Attributes:
        status: HTTP status.
        detail: What is wrong, for `detail` or `message`.
        parameter: The body field, path or query parameter at fault, if one is.
    """

    def __init__(
        self,
        status: int,
        detail: str = "",
        *,
        parameter: str | None = None,
        title: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(f"{status} {detail}")
        self.status = status
        self.detail = detail
        self.parameter = parameter
        default_code, default_title = TITLES.get(status, ("error", "Error"))
        self.code = code or default_code
        self.title = title or default_title


def bad(parameter: str, detail: str, *, title: str | None = None) -> Refusal:
    """A 400 that names the field at fault."""
    return Refusal(400, detail, parameter=parameter, title=title)


def additional(parameter: str, where: str = "") -> Refusal:
    """A 400 for a key that is not defined, in the words observed for custom attributes."""
    return bad(parameter, f"{where}/additionalProperties", title="Additional properties not allowed")


def missing(parameter: str) -> Refusal:
    """A 404 for an unknown id or look-up value."""
    return Refusal(404, parameter=parameter)


def error_body(refusal: Refusal, rules: Rules) -> dict[str, Any]:
    """The JSON body in the shape that the rules ask for (Kustomer API reference, Errors)."""
    if rules.error_shape == "plain":
        said = ": ".join(part for part in (refusal.parameter, refusal.detail or refusal.title) if part)
        return {"errors": [{"code": refusal.code, "message": said, "meta": {}}]}
    error: dict[str, Any] = {"status": refusal.status, "code": refusal.code, "title": refusal.title}
    if refusal.detail:
        error["detail"] = refusal.detail
    if refusal.parameter:
        error["source"] = {"parameter": refusal.parameter}
    return {"errors": [error]}
