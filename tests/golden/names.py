"""Names for the ids that Kustomer gives, which are different in each run."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

KINDS = ("customers", "conversations", "messages", "notes", "bulk")
NAMED_KINDS = ("users", "teams", "queues", "tags")
_ID = re.compile(r"\b[0-9a-f]{24}\b")

Entry = dict[str, Any]


class Names:
    """Names for ids, by what they are: `<conversation ann>`, `<team Support>`; whatever was made first."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._numbers: Counter[str] = Counter()

    def learn(self, kustomer: Mapping[str, Sequence[Entry]]) -> None:
        """Name what Kustomer holds now."""
        for kind in (*NAMED_KINDS, *KINDS):
            for row in kustomer[kind]:
                if row["id"] not in self._known:
                    self._known[row["id"]] = self._name(kind.removesuffix("s"), row)

    def _name(self, kind: str, row: Entry) -> str:
        emails = [one["email"] for one in row.get("emails") or ()]
        about = str(row.get("externalId") or next(iter(emails), row.get("name") or ""))
        if kind in {"conversation", "customer"}:
            about = about.removeprefix("rasa:").partition(":")[0]
        name = f"{kind} {about}".rstrip()
        self._numbers[name] += 1
        return f"<{name}>" if self._numbers[name] == 1 and kind != "bulk" else f"<{name} {self._numbers[name]}>"

    def put_into(self, value: Any) -> Any:
        """The same with names."""
        if isinstance(value, dict):
            return {self.put_into(name): self.put_into(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self.put_into(one) for one in value]
        return _ID.sub(lambda found: self._known.get(found[0], found[0]), value) if isinstance(value, str) else value
