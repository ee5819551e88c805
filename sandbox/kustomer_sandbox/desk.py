"""The agent's desk: one page, its files, its data, and the few things that an agent can do there.

    GET   /                              the page
    GET   /sandbox/desk?version=&open=   what it shows; only the version when nothing has changed
    POST  /sandbox/desk/{id}/reply       {"text"}: an out message by a human
    POST  /sandbox/desk/{id}/change      {"status"}, {"team": id or null} or {"take": true}

The page's files come from this package only, and every text is put into the page as text, never as markup.
"""

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from kustomer_sandbox import conversations
from kustomer_sandbox.bodies import NEW_MESSAGE, checked
from kustomer_sandbox.calls import Call, Org, Refusal
from kustomer_sandbox.inbox import inbox, opened
from kustomer_sandbox.messages import record_message
from kustomer_sandbox.tables import Row
from kustomer_sandbox.wire import HttpReply, HttpRequest, json_reply

FILES = Path(__file__).parent / "page"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
PAGE_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


class Desk:
    """Answers every path outside the API and the control routes."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._files = {f"/{file.name}": file for file in FILES.iterdir() if file.suffix in TYPES}
        self._files["/"] = FILES / "index.html"

    def __call__(self, request: HttpRequest) -> HttpReply:
        """The page, a file of it, its data, or what an agent's click did."""
        path, _, query = request.target.partition("?")
        if request.method == "GET" and path == "/sandbox/desk":
            return json_reply(200, self._feed(dict(parse_qsl(query))))
        if request.method == "GET" and path in self._files:
            file = self._files[path]
            kind = {"content-type": f"{TYPES[file.suffix]}; charset=utf-8"}
            return HttpReply(200, file.read_bytes(), {**kind, **PAGE_HEADERS})
        if request.method == "POST" and path.startswith("/sandbox/desk/"):
            return self._act(request, *path.removeprefix("/sandbox/desk/").partition("/")[::2])
        return HttpReply(404, b"There is no such page here.\n", {"content-type": "text/plain; charset=utf-8"})

    def _feed(self, query: dict[str, str]) -> dict[str, Any]:
        state = self._org.state
        if query.get("version") == str(state.version):
            return {"version": state.version}
        return {
            "version": state.version,
            "org": state.org["name"],
            "agent": state.agent["name"],
            "teams": [{"id": team["id"], "name": team["name"]} for team in state.teams.values()],
            "inbox": inbox(state),
            "open": opened(state, query.get("open", "")),
        }

    def _act(self, request: HttpRequest, conversation_id: str, verb: str) -> HttpReply:
        if not request.from_own_page:
            return json_reply(403, {"error": "another site's page may not do this"})
        row = self._org.state.conversations.get(conversation_id)
        if row is None or verb not in ("reply", "change"):
            return json_reply(404, {"error": "This conversation is gone."})
        try:
            (self._reply if verb == "reply" else self._change)(row, json.loads(request.body))
        except Refusal as refusal:
            return json_reply(400, {"error": refusal.detail})
        except (ValueError, TypeError, KeyError, AttributeError):
            return json_reply(400, {"error": "That was not understood."})
        self._org.state.commit()
        return json_reply(200, {"version": self._org.state.version})

    def _reply(self, row: Row, body: Any) -> None:
        channel = row["channels"][-1] if row["channels"] else "chat"
        said = {"channel": channel, "app": "desk", "direction": "out", "preview": str(body["text"]).strip()}
        if not said["preview"]:
            raise ValueError("an empty reply")
        said = {**checked(self._org, NEW_MESSAGE, said), "conversation": row["id"], "customer": row["customer"]}
        record_message(self._org, Call(self._org.state.agent["id"]), said, row)

    def _change(self, row: Row, body: Any) -> None:
        agent = self._org.state.agent["id"]
        changes: dict[str, Any] = {"status": body["status"]} if "status" in body else {}
        if "team" in body:
            changes["assignedTeams"] = [body["team"]] if body["team"] else []
        if body.get("take"):
            changes["assignedUsers"] = [agent]
        conversations.change(self._org, row, changes, agent)
