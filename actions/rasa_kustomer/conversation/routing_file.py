"""The routing file, read strictly: every mistake is told with its line."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from rasa_kustomer.conversation.channels import CHANNELS
from rasa_kustomer.conversation.routing import Routing, Rule, parse_priority, word
from rasa_kustomer.conversation.texts import folded

_TOP = ("tags", "default", "rules")
_RULE = ("when", "team", "priority", "tags")
_DEFAULT = ("team", "priority")
_WHEN = ("intent", "slot", "channel", "customer_tag")


class RoutingError(ValueError):
    """The routing file cannot be used.

    Attributes:
        problems: One line per problem: file, line, what is wrong.
    """

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


def load_routing(path: Path) -> Routing:
    """Read a routing file.

    Raises:
        RoutingError: It is missing, no YAML, or says something that has no meaning.
    """
    try:
        content = YAML().load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RoutingError([f"{path}: cannot be read ({error.strerror}). KUSTOMER_ROUTING_FILE names it."]) from None
    except UnicodeDecodeError:
        raise RoutingError([f"{path}: is not UTF-8 text"]) from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise RoutingError([f"{path}:{line}: {error.problem or 'is not YAML'}"]) from None
    except Exception as error:  # noqa: BLE001 - ruamel lets out what its parts raise: ValueError, IndexError, ...
        why = " ".join(str(error).split())
        raise RoutingError([f"{path}:1: is not YAML that can be read ({why})"]) from None
    reader = _Reader(path)
    routing = reader.read(content)
    if reader.problems:
        raise RoutingError(reader.problems)
    return routing


class _Reader:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._rules: list[Rule] = []
        self.problems: list[str] = []

    def read(self, content: Any) -> Routing:
        if content is None:
            return Routing()
        if not isinstance(content, Mapping):
            self.problems.append(f"{self._path}:1: must be a mapping with rules, default and tags")
            return Routing()
        self._keys(content, _TOP)
        default = content.get("default") or {}
        rules = content.get("rules") or []
        if not isinstance(default, Mapping):
            self._say(content, "default", "must be a mapping with team and priority")
            default = {}
        self._keys(default, _DEFAULT)
        if not isinstance(rules, list):
            self._say(content, "rules", "must be a list")
            rules = []
        return Routing(
            rules=tuple(self._rule(rules, index) for index in range(len(rules))),
            tags=self._tags(content),
            team=self._team(default),
            priority=self._priority(default),
        )

    def _rule(self, rules: Any, index: int) -> Rule:
        rule = rules[index]
        name = f"line {rules.lc.item(index)[0] + 1}"
        if not isinstance(rule, Mapping):
            self.problems.append(f"{self._path}:{rules.lc.item(index)[0] + 1}: a rule must be a mapping with when")
            return Rule(name, {})
        self._keys(rule, _RULE)
        when = self._when(rule)
        if not any(rule.get(one) for one in ("team", "priority", "tags")):
            self._say(rule, "when", "the rule has no effect: give it team, priority or tags")
        earlier = next((one.name for one in self._rules if when and one.when == when), None)
        if earlier:
            self._say(rule, "when", f"the rule is never reached: the one in {earlier} has the same conditions")
        self._rules.append(Rule(name, when, self._team(rule), self._priority(rule), self._tags(rule)))
        return self._rules[-1]

    def _when(self, rule: Any) -> dict[str, Any]:
        when = rule.get("when")
        if not isinstance(when, Mapping) or not when:
            self._say(rule, "when", "a rule needs when, with at least one of " + ", ".join(_WHEN))
            return {}
        self._keys(when, _WHEN)
        read: dict[str, Any] = {name: self._values(when, name) for name in when if name in _WHEN and name != "slot"}
        for channel in sorted(read.get("channel", frozenset()) - set(CHANNELS)):
            self._say(when, "channel", f"unknown channel {channel}; known: " + ", ".join(CHANNELS))
        if "slot" in when:
            slots = when["slot"]
            if not isinstance(slots, Mapping) or not slots:
                self._say(when, "slot", "must be a mapping of slot names to values")
                return {}
            read["slot"] = {str(name): self._values(slots, name) for name in slots}
        return read

    def _values(self, where: Any, name: Any) -> frozenset[str]:
        """The values of a condition, one or a list of them, ready to be compared."""
        value = where[name]
        values = value if isinstance(value, list) else [value]
        if not values or not all(isinstance(one, (str, int, float)) and folded(word(one)) for one in values):
            self._say(where, name, f"{name} must be a word or number, or a list of them")
            return frozenset()
        return frozenset(folded(word(one)) for one in values)

    def _team(self, where: Any) -> str | None:
        team = where.get("team")
        if team is None:
            return None
        if not isinstance(team, str) or not folded(team):
            self._say(where, "team", "must be a team's name or id")
            return None
        return team.strip()

    def _priority(self, where: Any) -> int | None:
        if where.get("priority") is None:
            return None
        try:
            return parse_priority(where["priority"])
        except ValueError as error:
            self._say(where, "priority", str(error))
            return None

    def _tags(self, where: Any) -> tuple[str, ...]:
        tags = where.get("tags") or []
        tags = [tags] if isinstance(tags, str) else tags
        if not isinstance(tags, list) or not all(isinstance(one, str) for one in tags):
            self._say(where, "tags", "must be a list of words")
            return ()
        return tuple(str(one) for one in tags)

    def _keys(self, where: Any, known: tuple[str, ...]) -> None:
        for key in where:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1)
                hint = f"did you mean {near[0]}?" if near else "known: " + ", ".join(known)
                self._say(where, key, f"unknown key {key}; {hint}")

    def _say(self, where: Any, key: object, what: str) -> None:
        try:
            line = where.lc.key(key)[0] + 1
        except (AttributeError, KeyError, TypeError):
            line = getattr(getattr(where, "lc", None), "line", 0) + 1
        self.problems.append(f"{self._path}:{line}: {what}")
