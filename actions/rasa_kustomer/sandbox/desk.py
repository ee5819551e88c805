"""The agent's desk."""

from rasa_kustomer.sandbox.calls import Org
from rasa_kustomer.sandbox.wire import HttpReply, HttpRequest


class Desk:
    """Answers every path outside the API and the control routes."""

    def __init__(self, org: Org) -> None:
        self._org = org

    def __call__(self, request: HttpRequest) -> HttpReply:
        """The page, its data, or a 404."""
        return HttpReply(404, f"no page at {request.target[:200]}\n".encode(), {"content-type": "text/plain"})
