"""The routing file, read strictly: every mistake is reported with its line."""

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from typing_extensions import Self

from rasa_kustomer.conversation.channels import CHANNELS
from rasa_kustomer.conversation.routing import Routing, Rule, parse_priority, word
from rasa_kustomer.conversation.texts import folded


class RoutingError(ValueError):
    """The routing file cannot be used.

    Attributes:
        problems: One line per problem: file, line, what is wrong.
    """

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


def _values(given: object) -> frozenset[str]:
    """The values of a condition, one or a list of them, ready to be compared."""
    listed = given if isinstance(given, list) else [given]
    if not listed or not all(isinstance(value, str | int | float) and folded(word(value)) for value in listed):
        raise ValueError("must be a word or number, or a list of them")
    return frozenset(folded(word(value)) for value in listed)


def _channels(values: frozenset[str]) -> frozenset[str]:
    if unknown := sorted(values - set(CHANNELS)):
        raise ValueError(f"unknown channel {', '.join(unknown)}; known: {', '.join(CHANNELS)}")
    return values


def _team(given: object) -> str | None:
    if given is not None and not (isinstance(given, str) and folded(given)):
        raise ValueError("must be a team's name or id")
    return given and given.strip()


def _tags(given: object) -> tuple[str, ...]:
    listed = [given] if given and isinstance(given, str) else given or []
    if not isinstance(listed, list) or not all(isinstance(tag, str) for tag in listed):
        raise ValueError("must be a list of words")
    return tuple(map(str, listed))


Values = Annotated[frozenset[str], BeforeValidator(_values)]
Team = Annotated[str | None, BeforeValidator(_team)]
Priority = Annotated[int | None, BeforeValidator(lambda given: None if given is None else parse_priority(given))]
Tags = Annotated[tuple[str, ...], BeforeValidator(_tags)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _When(_Strict):
    intent: Values = frozenset()
    slot: Annotated[dict[Annotated[str, BeforeValidator(str)], Values], Field(min_length=1)] = {}
    channel: Annotated[Values, AfterValidator(_channels)] = frozenset()
    customer_tag: Values = frozenset()


class _Default(_Strict):
    team: Team = None
    priority: Priority = None


class _Rule(_Default):
    when: Annotated[_When, BeforeValidator(lambda given: given or None)]
    tags: Tags = ()

    @model_validator(mode="after")
    def _has_effect(self) -> Self:
        if not (self.team or self.priority or self.tags):
            raise ValueError("the rule has no effect: give it team, priority or tags")
        return self


class _File(_Strict):
    tags: Tags = ()
    default: Annotated[_Default, BeforeValidator(lambda given: given or {})] = _Default()
    rules: Annotated[list[_Rule], Field(strict=True), BeforeValidator(lambda given: given or [])] = []


# By the last name of a place: what may stand there, and what must.
_KEYS: dict[str, type[BaseModel]] = {"": _File, "default": _Default, "rule": _Rule, "when": _When}
_SHAPES = {
    "": "must be a mapping with rules, default and tags",
    "default": "must be a mapping with team and priority",
    "rules": "must be a list",
    "rule": "a rule must be a mapping with when",
    "when": f"a rule needs when, with at least one of {', '.join(_When.model_fields)}",
    "slot": "must be a mapping of slot names to values",
}


def load_routing(path: Path) -> Routing:
    """Read a routing file.

    Raises:
        RoutingError: The file is missing, not YAML, or invalid.
    """
    content = _yaml(path)
    try:
        file = _File.model_validate({} if content is None else content)
    except ValidationError as error:
        raise RoutingError([_problem(path, content, item) for item in error.errors()]) from None
    rules: list[Rule] = []
    for index, rule in enumerate(file.rules):
        when = {name: getattr(rule.when, name) for name in rule.when.model_fields_set}
        line = _line(content, ("rules", index, "when"))
        if earlier := next((one.name for one in rules if one.when == when), None):
            what = f"the rule is never reached: the one in {earlier} has the same conditions"
            raise RoutingError([f"{path}:{line}: {what}"])
        name = f"line {_line(content, ('rules', index))}"
        rules.append(Rule(name, when, rule.team, rule.priority, rule.tags))
    return Routing(tuple(rules), file.tags, file.default.team, file.default.priority)


def _yaml(path: Path) -> Any:
    try:
        return YAML().load(path.read_text(encoding="utf-8"))
    except OSError as error:
        problem = f"{path}: cannot be read ({error.strerror}). KUSTOMER_ROUTING_FILE names it."
    except UnicodeDecodeError:
        problem = f"{path}: is not UTF-8 text"
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        problem = f"{path}:{line}: {error.problem or 'is not YAML'}"
    except Exception as error:  # noqa: BLE001 - ruamel lets out what its parts raise: ValueError, IndexError, ...
        problem = f"{path}:1: is not YAML that can be read ({' '.join(str(error).split())})"
    raise RoutingError([problem])


def _problem(path: Path, content: Any, error: Any) -> str:
    """One mistake that pydantic found, in our words."""
    places = error["loc"]
    names = ["", *map(str, places)]
    if places[:1] == ("rules",) and len(places) > 1:
        names[2] = "rule"  # instead of its number
    name = names[-1]
    if error["type"] in {"extra_forbidden", "invalid_key"}:
        known = list(_KEYS[names[-2]].model_fields)
        near = difflib.get_close_matches(name, known, n=1)
        what = f"unknown key {name}; " + (f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}")
    else:
        what = str(error["ctx"]["error"]) if error["type"] == "value_error" else _SHAPES[name]
    if what.startswith("must") and name:
        what = f"{name} {what}"
    return f"{path}:{_line(content, places)}: {what}"


def _line(content: Any, places: Sequence[int | str]) -> int:
    """Line of a place in the file, or of the nearest thing around it that has one."""
    line = 0
    for place in places:
        try:
            key = place if isinstance(place, int) else next(key for key in content if str(key) == place)
            line = (content.lc.item if isinstance(place, int) else content.lc.key)(key)[0]
            content = content[key]
        except (AttributeError, LookupError, TypeError, StopIteration):  # what is missing, merged or tagged has none
            break
    return line + 1
