"""A bot's domain: what it declares of what the snippets bring, and what of it Rasa cannot read."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rasa_kustomer.bot.files import Block, Items, Reader, yaml_files
from rasa_kustomer.conversation.texts import folded
from rasa_kustomer.finding import Finding, Level, fail, ok, skip

ACTIONS = (
    "action_session_start",
    "action_listen",
    "action_kustomer_mirror",
    "action_kustomer_identify",
    "action_kustomer_handoff",
    "action_kustomer_resolve",
    "action_kustomer_ticket_status",
)
HOOKS = frozenset({"action_session_start", "action_listen", "action_kustomer_mirror"})  # any way to mirror will do
SLOTS = (
    "kustomer_customer_id",
    "kustomer_conversation_id",
    "kustomer_customer_name",
    "kustomer_open_conversations",
    "kustomer_last_conversation_at",
    "kustomer_handoff_status",
    "kustomer_ticket",
    "kustomer_team",
    "kustomer_priority",
    "kustomer_handoff_reason",
)
RESPONSES = (
    "utter_kustomer_handoff_created",
    "utter_kustomer_handoff_queued",
    "utter_kustomer_unavailable",
    "utter_kustomer_no_ticket",
    "utter_kustomer_ticket_status",
)

BUILT_IN_SLOTS = frozenset({"requested_slot", "session_started_metadata"})  # Rasa's own, in every domain

Declared = dict[str, set[str]]


def check_domain(path: Path | None, hidden: Iterable[str] = ()) -> Iterator[Finding]:
    """Whether a bot's domain (file or folder) can be read and declares what the snippets bring and what is hidden.

    Args:
        path: Of the domain.
        hidden: Slots that are to be hidden; a misspelt one would be shown.
    """
    if path is None:
        yield skip("domain", "give your bot's domain with --domain to compare it with the snippets")
        return
    if not path.exists():
        yield fail("domain", f"{path} does not exist")
        return
    reader = Reader()
    declared = read_domain(yaml_files(path), reader)
    yield from (fail("domain", problem.at(Path())) for problem in reader.problems)
    hooked = bool({"action_listen", "action_kustomer_mirror"} & declared["actions"])
    actions = [name for name in ACTIONS if name not in HOOKS or (name == "action_listen" and not hooked)]
    needed: list[tuple[str, Iterable[str], Level]] = [
        ("actions", actions, "fail"),
        ("slots", SLOTS, "fail"),
        ("responses", RESPONSES, "warn"),
    ]
    for section, names, level in needed:
        missing = ", ".join(name for name in names if name not in declared[section])
        lacks = Finding(f"domain: {section}", level, f"{path} lacks {missing} (see domain_snippets/)")
        yield lacks if missing else ok(f"domain: {section}", "complete")
    if not reader.problems:
        known = {folded(name) for name in declared["slots"] | BUILT_IN_SLOTS}
        for name in hidden:
            if folded(name) not in known:
                wrong = f"{name} is not a slot of the domain, so the slot that you mean may be shown."
                yield fail("hidden slots", f"KUSTOMER_NOTE_HIDDEN_SLOTS: {wrong}")


def read_domain(files: Iterable[Path], reader: Reader) -> Declared:
    """The names of actions, slots and responses in domain files."""
    declared: Declared = {"actions": set(), "slots": set(), "responses": set()}
    for file in files:
        content = reader.mapping(file)
        declared["actions"] |= _actions(file, reader.section(file, content, "actions", Items), reader)
        declared["slots"] |= _named(file, content, "slots", Block, reader)
        declared["responses"] |= _named(file, content, "responses", Items, reader)
    return declared


def _actions(file: Path, listed: Items, reader: Reader) -> set[str]:
    """An action is a name, or a mapping of a name to its options."""
    names = set()
    for line, entry in zip(listed.lines, listed, strict=True):
        found = next(iter(entry)) if isinstance(entry, Mapping) and len(entry) == 1 else entry
        if isinstance(found, str):
            names.add(found)
        else:
            reader.shape(file, line, "an entry of `actions`", entry, str)
    return names


def _named(file: Path, content: Block, section: str, kind: type[Any], reader: Reader) -> set[str]:
    """The keys of a section whose values are all of one kind."""
    names = set()
    block = reader.section(file, content, section, Block)
    for name, value in block.items():
        if not isinstance(name, str):
            reader.shape(file, block.lines.get(name), f"a key of `{section}`", name, str)
        elif not isinstance(value, kind):
            reader.shape(file, block.lines.get(name), f"`{name}` in `{section}`", value, kind)
        names.add(str(name))
    return names
