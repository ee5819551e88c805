"""Which team and priority a handoff gets: explicit slot, then the first matching rule, then the defaults."""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rasa_kustomer.conversation.hidden import HIDDEN
from rasa_kustomer.conversation.texts import clean, find_by_name, folded

PRIORITIES = {"low": 2, "medium": 3, "high": 4, "urgent": 5}
_NAMES = {1: "lowest", **{number: name for name, number in PRIORITIES.items()}}
_MAX_QUOTE = 60


def parse_priority(value: object) -> int:
    """A priority as Kustomer counts, 1 lowest to 5 highest (Kustomer API reference, Conversations).

    Raises:
        ValueError: It is neither a known word nor a number from 1 to 5.
    """
    text = folded(word(value))
    if text in PRIORITIES:
        return PRIORITIES[text]
    if not isinstance(value, bool) and text in {"1", "2", "3", "4", "5"}:
        return int(text)
    raise ValueError("must be low, medium, high, urgent or a number from 1 to 5")


def priority_name(priority: int) -> str:
    """The word for a priority."""
    return _NAMES.get(priority, str(priority))


@dataclass(frozen=True, slots=True)
class Facts:
    """What rules look at."""

    intents: tuple[str, ...] = ()
    slots: Mapping[str, Any] = field(default_factory=dict)
    channel: str = ""
    customer_tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; all its conditions must hold, and of each condition any of its values.

    Attributes:
        name: Its place in the file.
        when: Values by condition, folded (`names.folded`); for `slot` values by slot.
    """

    name: str
    when: Mapping[str, Any]
    team: str | None = None
    priority: int | None = None
    tags: tuple[str, ...] = ()

    def matches(self, facts: Facts) -> bool:
        """Whether it applies."""
        checks = {
            "intent": lambda wanted: _any_of(wanted, facts.intents),
            "channel": lambda wanted: _any_of(wanted, (facts.channel,)),
            "customer_tag": lambda wanted: _any_of(wanted, facts.customer_tags),
            "slot": lambda wanted: all(
                _any_of(value, _values(find_by_name(name, facts.slots.items()))) for name, value in wanted.items()
            ),
        }
        return all(checks[name](wanted) for name, wanted in self.when.items())


class Ignored(NamedTuple):
    """A slot whose value could not be used.

    Attributes:
        slot: Its name.
        sentence: For the agent's note; it quotes the value, so it must not be logged.
    """

    slot: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Decision:
    """Team and priority of a handoff.

    Attributes:
        team: Id or name; None for the deployment's default.
        tags: Tags for the ticket.
        rule: Where the rule that decided stands, for the note; None when none did.
        ignored: Slots with unusable values.
    """

    team: str | None
    priority: int | None
    tags: tuple[str, ...] = ()
    rule: str | None = None
    ignored: tuple[Ignored, ...] = ()


@dataclass(frozen=True, slots=True)
class Routing:
    """The routing file's content; without a file there are no rules."""

    rules: tuple[Rule, ...] = ()
    tags: tuple[str, ...] = ()
    team: str | None = None
    priority: int | None = None

    @property
    def needs_customer_tags(self) -> bool:
        """Whether any rule looks at the customer's tags."""
        return any("customer_tag" in rule.when for rule in self.rules)

    def teams(self) -> Iterator[tuple[str, str]]:
        """Where a team is named, and its name."""
        if self.team:
            yield "default", self.team
        for rule in self.rules:
            if rule.team:
                yield rule.name, rule.team

    def decide(self, facts: Facts) -> Decision:
        """Apply the first matching rule; what it leaves open comes from the file's default."""
        rule = next((one for one in self.rules if one.matches(facts)), None)
        if rule is None:
            return Decision(self.team, self.priority, self.tags)
        tags = tuple(dict.fromkeys((*self.tags, *rule.tags)))
        return Decision(rule.team or self.team, rule.priority or self.priority, tags, rule.name)


def decide_handoff(
    routing: Routing,
    facts: Facts,
    *,
    team_slot: object,
    priority_slot: object,
    default_priority: int,
    hidden: Container[str] = (),
) -> Decision:
    """Explicit slot before rule before default; an unusable slot value is left out, and `ignored` says so.

    A slot among the hidden ones decides all the same, but is not quoted.
    """
    decided = routing.decide(facts)
    team, priority = decided.team, decided.priority or default_priority
    ignored = []
    if isinstance(team_slot, str):
        team = team_slot.strip() if folded(team_slot) else team
    elif team_slot is not None:
        shown = HIDDEN if "kustomer_team" in hidden else _quoted(team_slot)
        sentence = f"The bot asked for team {shown}, which is neither name nor id; it was ignored."
        ignored.append(Ignored("kustomer_team", sentence))
    if not _is_unset(priority_slot):
        try:
            priority = parse_priority(priority_slot)
        except ValueError:
            used = priority_name(priority)
            shown = HIDDEN if "kustomer_priority" in hidden else _quoted(priority_slot)
            sentence = f"The bot asked for priority {shown}, which does not exist; it is {used}."
            ignored.append(Ignored("kustomer_priority", sentence))
    return Decision(team, priority, decided.tags, decided.rule, tuple(ignored))


def word(value: object) -> str:
    """A value as it is compared; 3.0 is 3, since Rasa's slots of type `float` know no other three."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _is_unset(slot: object) -> bool:
    return slot is None or (isinstance(slot, str) and not slot.strip())


def _quoted(value: object) -> str:
    """An unusable value for the note: short texts as they are, of all else only the kind."""
    if isinstance(value, str):
        text = " ".join(clean(value).split())
        return f'"{text}"' if len(text) <= _MAX_QUOTE else f'"{text[:_MAX_QUOTE]}…"'
    if isinstance(value, (bool, int, float)):
        try:
            return f'"{str(value)[:_MAX_QUOTE]}"'
        except ValueError:  # Python writes no numbers of more than 4300 digits
            return "(a number too long to show)"
    return "with a list" if isinstance(value, list) else "with a mapping"


def _any_of(wanted: frozenset[str], found: tuple[str, ...]) -> bool:
    return any(folded(one) in wanted for one in found)


def _values(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    return tuple(word(one) for one in value) if isinstance(value, list) else (word(value),)
