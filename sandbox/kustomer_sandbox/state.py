"""What the pretend organisation holds: plain rows, relations as flat ids."""

import itertools
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from kustomer_sandbox.tables import Index, Row, Store, Table

KINDS = ("org", "users", "teams", "queues", "tags", "customers", "conversations", "messages", "notes", "bulk")
TEAMS = ("Support", "Billing", "Sales", "Technical", "Returns")
USERS = {"Dana Whitfield": "user", "Jonas Berg": "user", "Rasa Assistant": "machine"}


def iso(seconds: float) -> str:
    """ISO-8601 UTC with milliseconds, as Kustomer writes dates, from epoch seconds."""
    moment = datetime.fromtimestamp(round(seconds, 3), timezone.utc)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _field(name: str) -> Index:
    return lambda row: [row[name]] if row.get(name) else []


def _entries(field: str, key: str) -> Index:
    return lambda row: [entry[key] for entry in row.get(field, ())]


_BELONGS = {name: _field(name) for name in ("conversation", "customer", "externalId")}
INDEXES: dict[str, dict[str, Index]] = {
    "customers": {
        "externalId": _entries("externalIds", "externalId"),
        "email": lambda row: [entry["email"].casefold() for entry in row.get("emails", ())],
        "phone": _entries("phones", "phone"),
        "whatsapp": _entries("whatsapps", "phone"),
    },
    "conversations": _BELONGS,
    "messages": _BELONGS,
    "notes": _BELONGS,
    "tags": {"name": _field("name")},
}


class State:
    """All tables of one sandbox.

    A row is a flat dict: its `id`, the resource's attributes, and its relations as ids (`message["conversation"]`).
    `customers`, `conversations`, `messages`, `notes`, `teams`, `users`, `queues` and `tags` map ids to rows.

    Attributes:
        version: Grows with every change; equal versions mean equal content.
    """

    def __init__(self, org: str, now: Callable[[], float], path: Path | None = None) -> None:
        self._now = now
        self._back_seconds = 0.0
        self._numbers = itertools.count(1)
        self._changed: dict[tuple[str, str], Row | None] = {}
        self._store = Store(path) if path else None
        self.version = int(now() * 1000)  # beyond every version before a restart
        self._tables = {kind: Table(INDEXES.get(kind, {})) for kind in KINDS}
        for kind, row in self._store.load() if self._store else ():
            self._tables[kind].put(row["id"], row)
        self.users, self.teams = self._tables["users"], self._tables["teams"]
        self.queues, self.tags = self._tables["queues"], self._tables["tags"]
        self.customers, self.conversations = self._tables["customers"], self._tables["conversations"]
        self.messages, self.notes = self._tables["messages"], self._tables["notes"]
        if not self._tables["org"]:
            self._seed(org)

    def _seed(self, org: str) -> None:
        """An organisation with agents, the machine user of the key, teams and a queue."""
        self.put("org", {"id": self.new_id(), "name": org, "tokenId": self.new_id()})
        dates = {"createdAt": self.now(), "updatedAt": self.now()}
        for name, kind in USERS.items():
            self.put("users", {"id": self.new_id(), "name": name, "displayName": name, "userType": kind, **dates})
        agents = [user["id"] for user in self.users.values() if user["userType"] == "user"]
        for name in TEAMS:
            team = {"id": self.new_id(), "name": name, "displayName": name, "icon": name.lower(), **dates}
            self.put("teams", {**team, "members": agents, "deleted": False})
        queue = {"id": self.new_id(), "name": "DEFAULT_QUEUE", "key": "DEFAULT_QUEUE", "displayName": "Default"}
        self.put("queues", {**queue, "priority": 1, "itemSize": 1, "system": True, **dates})
        self.commit()

    @property
    def org(self) -> Row:
        """The organisation's own row."""
        return next(iter(self._tables["org"].values()))

    @property
    def machine_user(self) -> Row:
        """The user behind the key."""
        return next(user for user in self.users.values() if user["userType"] == "machine")

    @property
    def agent(self) -> Row:
        """The human who sits at the desk."""
        return next(user for user in self.users.values() if user["userType"] == "user")

    def table(self, kind: str) -> Table:
        """The table of a kind in `KINDS`."""
        return self._tables[kind]

    def new_id(self) -> str:
        """A 24-hex object id that grows with time, as Kustomer's do."""
        return f"{int(self._now() - self._back_seconds):08x}{secrets.token_hex(5)}{next(self._numbers) & 0xFFFFFF:06x}"

    def now(self) -> str:
        """The clock, as Kustomer writes it."""
        return iso(self._now() - self._back_seconds)

    @contextmanager
    def back_dated(self, seconds: float) -> Iterator[None]:
        """Sets the clock this far back while it is open, for examples that have a past."""
        before, self._back_seconds = self._back_seconds, seconds
        try:
            yield
        finally:
            self._back_seconds = before

    def put(self, kind: str, row: Row) -> Row:
        """Stores a new or changed row; `commit` makes it last."""
        self._tables[kind].put(row["id"], row)
        self._changed[kind, row["id"]] = row
        return row

    def drop(self, kind: str, row_id: str) -> None:
        """Removes a row."""
        self._tables[kind].put(row_id, None)
        self._changed[kind, row_id] = None

    def commit(self) -> None:
        """Ends one request's changes: counts a version, and writes them to the file."""
        if not self._changed:
            return
        if self._store:
            self._store.save(self._changed)
        self._changed = {}
        self.version += 1

    def timeline(self, conversation_id: str) -> list[Row]:
        """A conversation's messages in the order that agents see: by `sentAt`, then as they came."""
        return sorted(self.messages.where("conversation", conversation_id), key=lambda row: str(row["sentAt"]))

    def counts(self, customer_id: str) -> dict[str, int]:
        """`conversationCounts` of a customer: by status, and all."""
        statuses = [row["status"] for row in self.conversations.where("customer", customer_id)]
        return {**{status: statuses.count(status) for status in ("open", "snoozed", "done")}, "all": len(statuses)}

    def tag_names(self, row: Row) -> list[str]:
        """The names of a row's tags; rows hold tag ids."""
        return [self.tags[tag]["name"] for tag in row["tags"]]

    def as_json(self) -> dict[str, Any]:
        """Everything, as lists in the order of creation, for the control route."""
        tables: dict[str, Any] = {kind: list(self._tables[kind].values()) for kind in KINDS if kind != "org"}
        tables["conversations"] = [{**row, "tagNames": self.tag_names(row)} for row in tables["conversations"]]
        return {"version": self.version, "org": self.org, **tables}

    def close(self) -> None:
        """Closes the file, if there is one."""
        if self._store:
            self._store.close()
