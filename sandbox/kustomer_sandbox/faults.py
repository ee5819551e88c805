"""Scripted failures: what the network, the gateway or Kustomer itself may do to a request.

A fault is written as text, so that a test, a shell and the control route say it alike:

    latency:0.5      answers normally, half a second later
    status:503       refuses with this status; nothing is carried out
    status-after:503 carries the request out, then answers with this status
    reset-before     cuts the connection; nothing is carried out
    reset-after      carries the request out, then cuts the connection: the answer is lost
    429:org          the organisation's minute is spent (x-ratelimit-remaining: 0)
    429:customer     one customer's or object's limit (x-ratelimit-remaining above 0)
    bad-json         carries the request out, answers 2xx with half a document
    html:502         a gateway's HTML page with this status; nothing is carried out
    html-after:200   carries the request out, answers with the gateway's page
    hang             never answers; nothing is carried out
    hang-after       carries the request out, never answers

Two belong to the bulk job that a `POST /v1/*/bulk` starts, and let every other request pass:

    bulk:half        the job goes wrong in one of the ways of `rules.Rules.bulk_failure`
    bulk-slow:5      the job takes five seconds
"""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from kustomer_sandbox.rules import BULK_FAILURES

DEFAULTS = {"latency": "1", "status": "500", "status-after": "500", "429": "org", "html": "502", "html-after": "200"}
DEFAULTS |= {"bulk-slow": "5"}
PLAIN = frozenset({"reset-before", "reset-after", "bad-json", "hang", "hang-after"})
OF_JOBS = frozenset({"bulk", "bulk-slow"})
CARRIED_OUT = OF_JOBS | {"latency", "status-after", "reset-after", "bad-json", "html-after", "hang-after"}
SECONDS, STATUS = r"\d+\.?\d*|\.\d+", "[2-5][0-9][0-9]"
VALUES = {"latency": SECONDS, "bulk-slow": SECONDS, "bulk": "|".join(BULK_FAILURES), "429": "org|customer"}


@dataclass(frozen=True)
class Fault:
    """One failure.

    Attributes:
        value: Seconds for latency and slow jobs, a status, `org` or `customer` for 429, the failure of a job.
    """

    kind: str
    value: str = ""

    @classmethod
    def parse(cls, written: str) -> "Fault":
        """Reads the notation of this module; a value may be left out where there is a default.

        Raises:
            ValueError: No such fault; names the ones there are.
        """
        kind, _, value = written.partition(":")
        value = value or DEFAULTS.get(kind, "")
        known = kind in PLAIN or kind in DEFAULTS or kind in VALUES
        if not known or not re.fullmatch("" if kind in PLAIN else VALUES.get(kind, STATUS), value):
            kinds = {*DEFAULTS, *PLAIN, f"bulk:{'|'.join(BULK_FAILURES)}"}
            raise ValueError(f"{written!r} is no fault; there are {', '.join(sorted(kinds))}")
        return cls(kind, value)

    def __str__(self) -> str:
        return f"{self.kind}:{self.value}" if self.value else self.kind

    @property
    def carried_out(self) -> bool:
        """Whether the request takes effect all the same."""
        return self.kind in CARRIED_OUT

    @property
    def of_job(self) -> bool:
        """Whether it hits the bulk job that a request starts, and not the request."""
        return self.kind in OF_JOBS


@dataclass
class ScriptedFault:
    """A fault for the next requests that match.

    Attributes:
        match: `METHOD /path` or `/path`, with `*` for any characters; the path without its query, still encoded.
        times: How many requests it still hits; None until it is cleared.
        skip: How many matching requests it lets pass first.
        hits: How many it has hit.
    """

    match: str
    fault: Fault
    times: int | None = 1
    skip: int = 0
    hits: int = 0

    def strikes(self, method: str, path: str) -> bool:
        """Whether it hits this request; counts it if so."""
        wanted, _, pattern = self.match.rpartition(" ")
        if (wanted and wanted != method) or not fnmatchcase(path, pattern) or self.times == 0:
            return False
        if self.fault.of_job and not (method == "POST" and path.endswith("/bulk")):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.hits += 1
        if self.times is not None:
            self.times -= 1
        return True

    def as_json(self) -> dict[str, Any]:
        """For the control route."""
        return {**vars(self), "fault": str(self.fault)}
