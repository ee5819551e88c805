"""A believable morning at the desk, for looking at the page without a bot: `rasa-kustomer sandbox --seed`."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from kustomer_sandbox import conversations, customers, messages
from kustomer_sandbox.calls import Call, Org

FILE = Path(__file__).with_suffix(".yml")
MINUTE, BETWEEN_LINES = 60.0, 25


def add_examples(org: Org) -> None:
    """Adds the examples, through the same operations that the API uses."""
    for example in YAML(typ="safe").load(FILE.read_text(encoding="utf-8")):
        with org.state.back_dated(example["minutes_ago"] * MINUTE):
            made = _open(org, example)
            _play(org, example, made)
            if "tags" in example:
                conversations.tag(org, _call(org, example["tags"], made))
            if "status" in example:
                conversations.update(org, _call(org, {"status": example["status"]}, made))
    org.state.commit()


def _call(org: Org, body: Any, made: dict[str, str] | None = None, author: str = "machine") -> Call:
    actor = org.state.agent if author == "agent" else org.state.machine_user
    return Call(actor["id"], body, made or {})


def _open(org: Org, example: dict[str, Any]) -> dict[str, str]:
    """The conversation, as the parameters of a path that names it; its customer may be known from another one."""
    key = example["customer"]["externalId"]
    known = org.state.customers.where("externalId", key)
    owner = known[0]["id"] if known else customers.create(org, _call(org, example["customer"])).body["data"]["id"]
    teams = [team["id"] for team in org.state.teams.values() if team["name"] == example.get("team")]
    assigned = {
        "assignedUsers": [org.state.machine_user["id"]] if example.get("parked") else [],
        "assignedTeams": teams,
    }
    body = {**example["conversation"], **assigned, "customer": owner, "externalId": f"{key}:chat"}
    return {"id": conversations.create(org, _call(org, body)).body["data"]["id"]}


def _play(org: Org, example: dict[str, Any], made: dict[str, str]) -> None:
    """What was said; the note is written when an agent takes over, else at the end."""
    lines = [*(next(iter(line.items())) for line in example["chat"]), ("end", "")]
    noted_at = next(place for place, (who, _) in enumerate(lines) if who in ("agent", "end"))
    for place, (who, said) in enumerate(lines):
        with org.state.back_dated(example["minutes_ago"] * MINUTE - BETWEEN_LINES * place):
            if place == noted_at and "note" in example:
                messages.create("notes")(org, _call(org, {"body": example["note"]}, made))
            if who != "end":
                body = {"channel": example.get("channel", "chat"), "app": "rasa", "preview": said, "auto": who == "bot"}
                body["direction"] = "in" if who == "in" else "out"
                messages.create("messages")(org, _call(org, body, made, who))
