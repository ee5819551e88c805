"""What a bot offers to choose from, in whatever form a connector takes it: buttons, quick replies, cards, keyboards."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from rasa_kustomer.conversation.events import Event
from rasa_kustomer.conversation.texts import clean, label

MAX_REMEMBERED = 200
_FOR_MACHINES = re.compile(r"[/_=|#&{}\[\]]|\w:\w")
_DEEPEST = 8
_IN_A_CHOICE = 3
_LISTS = frozenset(
    {"buttons", "quickreplies", "quickreply", "inlinekeyboard", "keyboard", "actions", "suggestedactions"}
    | {"suggestions", "choices", "options", "chips", "rows"}
)
_ONLY_OBJECTS = frozenset({"rows"})  # of a list of WhatsApp; those of a table are no choices
_TITLES = ("title", "label", "text", "name", "caption")
_SENT = ("payload", "callbackdata", "postback", "postbackdata", "value", "actionbody", "actionmethodname", "action")
_SENT_ELSE = ("msg", "data", "id", "text")  # what some connectors send, and others use for themselves
_MARKS = frozenset({"payload", "callbackdata", "postback"})
_TYPES = frozenset({"button", "reply", "quickreply", "imback", "postback", "messageback", "action.submit"})
_READABLE = frozenset({"text", "title", "subtitle", "caption", "label", "description", "body", "message", "alt_text"})


class Choice(NamedTuple):
    """One option that the user can press.

    Attributes:
        title: What it shows.
        value: What comes back as the user's text.
        url: The page that it opens instead.
    """

    title: str
    value: str
    url: str = ""


def offered(value: object, *, words: bool = True, depth: int = 0) -> list[Choice]:
    """The choices of a list, whose rows may be lists again; a word is a choice that says itself.

    Args:
        value: The list.
        words: Whether words count.
        depth: How deep it lies.
    """
    if isinstance(value, list) and depth <= _DEEPEST:
        return [choice for inner in value for choice in offered(inner, words=words, depth=depth + 1)]
    if isinstance(value, Mapping):
        inner = [one for name, one in value.items() if isinstance(one, list) and _plain(name) in _LISTS]
        choice = _choice(value)
        return offered(inner, words=words, depth=depth + 1) if inner else [choice] if choice else []
    word = label(value) if words else ""
    return [Choice(word, word)] if word else []


def contents(value: object, *, depth: int = 0, offering: bool = False) -> Iterator[str | list[Choice]]:
    """The readable texts and the choices within content of any form, in their order.

    Args:
        value: The content.
        depth: How deep it lies.
        offering: Whether it stands under a name that is one for choices.
    """
    if depth > _DEEPEST:
        return
    if isinstance(value, list):
        yield from _of_list(value, depth)
    elif isinstance(value, Mapping):
        if _is_choice(value) and (choice := _choice(value)):
            yield [choice]
            return
        for name, inner in value.items():
            plain = _plain(name)
            if isinstance(inner, list) and (plain in _LISTS or (offering and plain == "items")):
                group = offered(inner, words=plain not in _ONLY_OBJECTS)
                yield from [group] if group else contents(inner, depth=depth + 1)
            elif isinstance(inner, str) and name in _READABLE:
                yield clean(inner)
            else:
                markup = _from_json(inner) if plain == "replymarkup" else inner
                yield from contents(markup, depth=depth + 1, offering=plain in _LISTS)


def _of_list(values: Sequence[Any], depth: int) -> Iterator[str | list[Choice]]:
    """Choices that stand side by side in a list belong together."""
    group: list[Choice] = []
    for inner in values:
        for found in contents(inner, depth=depth + 1):
            if isinstance(found, list):
                group += found
                continue
            if group:
                yield group
                group = []
            yield found
    if group:
        yield group


def _choice(value: Mapping[Any, Any]) -> Choice | None:
    """What an object under a name for choices offers; one without title shows what it sends."""
    title = _first(value, _TITLES)
    sent = _first(value, _SENT) or _first(value, _SENT_ELSE)
    return Choice(title or sent, sent or title, clean(value.get("url"))) if title or sent else None


def _is_choice(value: Mapping[Any, Any]) -> bool:
    """Whether an object says by itself that it can be pressed: by its type, or by what it sends."""
    if _holds_list(value):
        return False
    plain = {_plain(name): one for name, one in value.items()}
    if _plain(plain.get("type")) in _TYPES:
        return True
    sends = any(isinstance(plain.get(name), str) for name in _MARKS) or clean(plain.get("value")).startswith("/")
    return sends and any(name in plain for name in _TITLES)


def _holds_list(value: Mapping[Any, Any], depth: int = 0) -> bool:
    inside = value.values()
    if any(isinstance(inner, list) for inner in inside):
        return True
    return depth < _IN_A_CHOICE and any(_holds_list(one, depth + 1) for one in inside if isinstance(one, Mapping))


def _first(value: Mapping[Any, Any], names: Sequence[str], depth: int = 0) -> str:
    """The first of the names that has a word, in the object itself or in one that it holds."""
    plain = {_plain(name): one for name, one in value.items()}
    for name in names:
        if found := label(plain.get(name)):
            return found
    if depth < _IN_A_CHOICE:
        for inner in value.values():
            if isinstance(inner, Mapping) and (found := _first(inner, names, depth + 1)):
                return found
    return ""


def _plain(name: object) -> str:
    return name.replace("_", "").replace("-", "").lower() if isinstance(name, str) else ""


def _from_json(value: object) -> object:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return value


class _Offer(NamedTuple):
    title: str
    at: int
    turn: int


class Offers:
    """What one sender was offered, the latest under each value.

    It outlives the events that it was learned from: Rasa cuts away those of earlier sessions, in which a button may
    stand that is pressed only now.
    """

    def __init__(self) -> None:
        self._by_value: dict[str, _Offer] = {}
        self._turn = 0

    def learn(self, event: Event) -> None:
        """Follow a bot event."""
        data = event.data
        if not any(data.values()):
            return
        for group in contents(data):
            if isinstance(group, list):
                for choice in group:
                    self._by_value.pop(choice.value, None)
                    self._by_value[choice.value] = _Offer(choice.title, event.at, self._turn)

    def title(self, value: str, at: int) -> str | None:
        """The title of the choice that was pressed; None when the user typed the text, as far as can be told.

        A word that may be typed just as well is taken for a press only as the answer to the bot's latest messages.

        Args:
            value: The user's text.
            at: Its time, epoch microseconds: what was offered later was not pressed.
        """
        offer = self._by_value.get(value)
        if offer is None or (at and offer.at > at) or (offer.turn != self._turn and not for_machines(value)):
            return None
        return offer.title

    def answered(self) -> None:
        """The user has said something: another turn begins."""
        self._turn += 1

    def forget_the_oldest(self) -> None:
        """Keep the latest `MAX_REMEMBERED`."""
        for value in list(self._by_value)[:-MAX_REMEMBERED]:
            del self._by_value[value]


def for_machines(value: str) -> bool:
    """Whether a text is nothing that people type: `/ask{"a": 1}`, `inv_17`, `pay:12`."""
    if value.startswith("/"):
        return True
    return _FOR_MACHINES.search(value) is not None and not any(one.isspace() for one in value)
