"""The one boundary between Rasa and the plugin: nothing an action does wrong reaches the bot.

rasa-sdk answers an escaped exception with the whole request, which Rasa then logs (Rasa notes, The wire), so every
action runs inside `KustomerAction.run`.
"""

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from rasa_sdk import Action, Tracker
from rasa_sdk.events import SlotSet
from rasa_sdk.executor import CollectingDispatcher

from rasa_kustomer import runtime
from rasa_kustomer.conversation.events import Event, mapping
from rasa_kustomer.conversation.identity import Identity
from rasa_kustomer.conversation.keys import sender_part
from rasa_kustomer.conversation.people import People
from rasa_kustomer.failures import describe_error
from rasa_kustomer.outbox import OutboxUnavailableError, SessionKey
from rasa_kustomer.plugin import Plugin
from rasa_kustomer.recorder import Turns
from rasa_kustomer.records import session_of_events

logger = logging.getLogger(__name__)

Events = list[dict[str, Any]]


@dataclass
class Call:
    """One call of an action by Rasa, in the shapes that the rest of the plugin takes."""

    plugin: Plugin
    dispatcher: CollectingDispatcher
    tracker: Tracker
    domain: Mapping[str, Any]
    people: People = field(default_factory=People)

    @property
    def sender_id(self) -> str:
        """Rasa's id of the conversation, in the form in which everything of ours uses it."""
        return sender_part(str(self.tracker.sender_id))

    @property
    def events(self) -> Sequence[Mapping[str, Any]]:
        """The tracker's events; empty when Rasa sent none."""
        return self.tracker.events if isinstance(self.tracker.events, list) else []

    @property
    def slots(self) -> Mapping[str, Any]:
        """The slots by name; empty when Rasa sent none."""
        return mapping(self.tracker.slots)

    @property
    def latest_message(self) -> Mapping[str, Any]:
        """The latest user message as parsed; empty before the first one."""
        return mapping(self.tracker.latest_message)

    @cached_property
    def identity(self) -> Identity:
        """Who this is, as far as slots and metadata tell; after `recognise`, whom the turns so far name."""
        return self.plugin.configuration.person(self.sender_id, self.slots, self.latest_message.get("metadata"))

    @cached_property
    def at_start(self) -> Identity | None:
        """Whom the channel named when the session started."""
        return self.plugin.configuration.at_start(self.sender_id, self.slots)

    @cached_property
    def turns(self) -> Turns:
        """The tracker, as turns are read from it."""
        metadata = self.latest_message.get("metadata")
        claimed = self.plugin.configuration.claimed(self.sender_id, self.slots, metadata)
        return Turns(self.sender_id, self.events, claimed, self.at_start)

    async def recognise(self) -> None:
        """Find out who speaks, and who spoke before, where the channel vouches for its users."""
        people = await self.plugin.people(self.turns)
        if people is None:
            self.identity = Identity(self.sender_id)
        else:
            self.people = people
        if told := self.people.next or self.people.current.identity:
            self.identity = told

    async def catch_up(self) -> SessionKey | None:
        """Record the turns that are new and find out who speaks; the current session, if any of it is recorded."""
        session = await self.plugin.record_turns(self.turns)
        await self.recognise()
        return session

    @property
    def session_by_events(self) -> SessionKey:
        """The session of the one who speaks; by the tracker's first event when it has no start."""
        times = (Event(event).at_ms for event in self.events)
        began_ms = next(filter(None, times), None) or int(time.time() * 1000)
        mark = self.people.current.mark
        return session_of_events(self.sender_id, self.events, began_ms, mark)

    def say(self, response: str, fallback: str, **values: Any) -> None:
        """Utter the domain's response, or the plain text when the domain lacks it.

        Args:
            response: Name of the response.
            fallback: Text with `{placeholders}`.
            values: Filled into either of them.
        """
        if response in mapping(self.domain.get("responses")):
            self.dispatcher.utter_message(response=response, **values)
        else:
            self.dispatcher.utter_message(text=fallback.format(**values))


def slot_events(values: Mapping[str, Any]) -> Events:
    """SlotSet events for Rasa."""
    return [SlotSet(name, value) for name, value in values.items()]


class KustomerAction(Action, ABC):  # type: ignore[misc]  # rasa-sdk ships no types
    """Base of all actions: `execute` when the plugin is enabled for the sender, else and on any failure `fallback`."""

    action_name: ClassVar[str]
    """The action's name in domain and stories."""

    def name(self) -> str:
        """What rasa-sdk registers the action by."""
        return self.action_name

    @abstractmethod
    async def execute(self, call: Call) -> Events:
        """Do the work; returns the events for Rasa."""

    def fallback(self, call: Call) -> Events:  # noqa: ARG002 - most actions have nothing to say
        """What happens when the plugin is off or the work failed."""
        return []

    async def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: Mapping[str, Any]) -> Events:
        """Rasa's entry point; never raises and never rejects."""
        call = Call(runtime.current().plugin, dispatcher, tracker, mapping(domain))
        try:
            if call.plugin.configuration.is_enabled_for(call.sender_id):
                return await self.execute(call)
        except OutboxUnavailableError as error:
            call.plugin.not_recorded(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the bot must go on
            logger.error("%s failed: %s", type(self).__name__, describe_error(error))  # noqa: TRY400 - a traceback may hold texts
        return self.fallback(call)
