"""Rules and stories: where they use an intent of the snippets, and which of them Rasa refuses beside our rules.

Rasa refuses to train when a rule and another rule or a story go on differently after the same intent. A rule that says
more (a condition, the conversation's start, an entity, an earlier step) is taken beside a rule that says less.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from rasa_kustomer.bot.files import Block, Items, Reader, place, printable

OUR_INTENTS = ("human_handoff", "ticket_status", "problem_solved")
DIALOGUE_SNIPPETS = ("kustomer_rules.yml", "kustomer_stories.yml")
FLOW_SNIPPET = "kustomer_flows.yml"
MAX_WAYS = 100  # on from one place through checkpoints; there may be millions


@dataclass(frozen=True)
class Use:
    """One of our intents in a rule or story.

    Attributes:
        kind: rule or story.
        actions: What follows it until the user's next words.
        narrow: A rule that holds only under a condition, with an entity or after a step.
        opening: It holds at the beginning of a conversation only.
    """

    intent: str
    kind: str
    name: str
    file: Path
    line: int | None
    actions: tuple[str, ...]
    narrow: bool
    opening: bool

    @property
    def ours(self) -> bool:
        """Whether it stands in a file that `init` has brought."""
        return self.file.name in DIALOGUE_SNIPPETS

    def said(self, folder: Path) -> str:
        """For people."""
        return f'{place(self.file, self.line, folder)}: {self.kind} "{printable(self.name)}" ({self.intent})'


@dataclass(frozen=True)
class _Entry:
    kind: str
    content: Block
    file: Path
    line: int | None

    @property
    def steps(self) -> list[Block]:
        listed = self.content.get("steps")
        return [step for step in listed if isinstance(step, Block)] if isinstance(listed, Items) else []


def uses(contents: Mapping[Path, Block], reader: Reader) -> list[Use]:
    """Each use of one of our intents in the rules and stories of these files."""
    entries = [entry for file, content in contents.items() for entry in _entries(file, content, reader)]
    return list(dict.fromkeys(use for entry in entries for use in _uses(entry, entries)))


def contradictions(found: Iterable[Use]) -> list[Use]:
    """Those that Rasa refuses because of what the snippets say of the same intent; the bot's own, if one of two is."""
    found = [use for use in found if not use.narrow]
    pairs = (
        (rule, use)
        for rule in found
        if rule.kind == "rule"
        for use in found
        if use.intent == rule.intent and use.actions != rule.actions and (rule.ours or use.ours) and _meet(rule, use)
    )
    return list(dict.fromkeys(rule if use.ours and not rule.ours else use for rule, use in pairs))


def _meet(rule: Use, use: Use) -> bool:
    """Whether the rule speaks wherever the other one does; one for the beginning goes before one for everywhere."""
    return use.opening or not rule.opening if use.kind == "story" else use.opening == rule.opening


def exceptions(found: Iterable[Use]) -> list[Use]:
    """The bot's own rules that go before ours under their circumstances, so that Kustomer is left out there."""
    found = list(found)
    known = {(use.intent, use.actions) for use in found if use.ours}
    special = [use for use in found if use.kind == "rule" and (use.narrow or use.opening) and not use.ours]
    return [use for use in special if (use.intent, use.actions) not in known and use not in contradictions(found)]


def _entries(file: Path, content: Block, reader: Reader) -> Iterator[_Entry]:
    for section, kind in (("rules", "rule"), ("stories", "story")):
        if content.get(section) is None:  # Rasa takes an empty section for none
            continue
        listed = reader.section(file, content, section, Items)
        for line, entry in zip(listed.lines, listed, strict=True):
            if not isinstance(entry, Block):
                reader.shape(file, line, f"an entry of `{section}`", entry, Block)
                continue
            reader.section(file, entry, "steps", Items)
            yield _Entry(kind, entry, file, line)


def _uses(entry: _Entry, entries: list[_Entry]) -> Iterator[Use]:
    steps = entry.steps
    for number, step in enumerate(steps):
        said = [step, *(step["or"] if isinstance(step.get("or"), Items) else [])]
        for one in said:
            intent = _intent(one)
            if intent not in OUR_INTENTS:
                continue
            rule, content = entry.kind == "rule", entry.content
            narrow = rule and bool(number or content.get("condition") or one.get("entities"))
            opening = bool(content.get("conversation_start")) if rule else number == 0
            for actions in islice(_following(steps[number + 1 :], entries, ()), MAX_WAYS):
                name = str(content.get(entry.kind))
                yield Use(intent, entry.kind, name, entry.file, entry.line, actions, narrow, opening)


def _intent(step: object) -> str | None:
    """As Rasa reads it: without blanks, a leading slash, and the part that names a response."""
    intent = step.get("intent") if isinstance(step, Mapping) else None
    return intent.strip().removeprefix("/").split("/")[0] if isinstance(intent, str) else None


def _following(steps: list[Any], entries: list[_Entry], passed: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """The actions until the user speaks again; at a checkpoint, those of each story that goes on from there."""
    actions: list[str] = []
    for step in steps:
        if "intent" in step or "user" in step or "or" in step:
            break
        if "action" in step or "bot" in step:
            actions.append(str(step.get("action", step.get("bot"))))
        if "checkpoint" in step:
            name = str(step["checkpoint"])
            onward = [] if name in passed else [one.steps[1:] for one in entries if _begins_at(one, name)]
            for rest in onward:
                for more in _following(rest, entries, (*passed, name)):
                    yield (*actions, *more)
            if onward:
                return
    yield tuple(actions)


def _begins_at(entry: _Entry, checkpoint: str) -> bool:
    return bool(entry.steps) and str(entry.steps[0].get("checkpoint")) == checkpoint


def same_flows(contents: Mapping[Path, Block], folder: Path) -> list[str]:
    """The bot's own flows that have the name of one of ours, for people."""
    flows = {file: content["flows"] for file, content in contents.items() if isinstance(content.get("flows"), Block)}
    ours = {name for file, named in flows.items() if file.name == FLOW_SNIPPET for name in named}
    return [
        f"{place(file, named.lines.get(name), folder)}: {name}"
        for file, named in flows.items()
        for name in named
        if name in ours and file.name != FLOW_SNIPPET
    ]
