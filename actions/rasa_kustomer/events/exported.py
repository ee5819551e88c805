"""Sessions that `rasa export` publishes once more, perhaps with their times moved: taken whole or not at all.

Its messages carry a header (`rasa/core/exporter.py` of Rasa 3.6.21). With `--offset-timestamps-by-seconds` the keys of
all that has no id of its own are others than before, so a session of which anything is known is left as it is.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from rasa_kustomer.conversation.identity import Identity
from rasa_kustomer.conversation.keys import made_by_rasa
from rasa_kustomer.conversation.messages import SessionMessages
from rasa_kustomer.outbox import IdentityUpdate, KnownSession, Outbox, SessionKey
from rasa_kustomer.reading import Trackers
from rasa_kustomer.records import accept, of_person, session_of

HEADER = "rasa-export-process-id"


class Exported:
    """Records the exported sessions of one sender; what was decided for a session holds for all that comes of it.

    Args:
        trackers: Reads them.
        outbox: Tells what is known, and takes the rest.
    """

    def __init__(self, trackers: Trackers, outbox: Outbox) -> None:
        self._trackers, self._outbox = trackers, outbox
        self._taken: dict[str, bool] = {}
        self._latest: SessionKey | None = None

    async def record(self, sender_id: str, events: Sequence[Mapping[str, Any]], identity: Identity) -> None:
        """Record the sessions among the events that are not known.

        Raises:
            OutboxUnavailableError: Not all was accepted; the next call tries it again.
        """
        reading = await self._trackers.read_copy(sender_id, events)
        for part in reading.sessions:
            session = self._session(sender_id, part)
            if session.key not in self._taken:
                if all(message.direction == "out" for message in part.messages):
                    continue  # nobody has spoken so far
                known = await self._outbox.auditing.known_sessions(sender_id)
                self._taken[session.key] = not _is_known(part, session, known)
            self._latest = session
            if self._taken[session.key]:
                theirs = of_person(session, part.person.mark)
                await accept(self._outbox, theirs, part.person.identity or identity, part, IdentityUpdate.UNLESS_BEHIND)

    def _session(self, sender_id: str, part: SessionMessages) -> SessionKey:
        if part.started_ms is not None:
            return session_of(sender_id, part.started_ms)
        return self._latest or session_of(sender_id, part.messages[0].at_ms)  # its beginning came before, or never


def _is_known(part: SessionMessages, session: SessionKey, known: Sequence[KnownSession]) -> bool:
    """Whether turns of the session were recorded before, at whatever times.

    A part of a session, without its start, belongs to one that is known if any is; and of turns that were purged since
    nothing tells that they are not these.
    """
    if part.started_ms is None or any(one.key == session.key or one.purged for one in known):
        return bool(known)
    said = [message for message in part.messages if message.direction == "in"]
    if any(message.key in one.record_keys for one in known for message in said):
        return True
    texts = [message.text for message in said if not made_by_rasa(message.key.rpartition(":")[2])]
    return bool(texts) and any(2 * _in_common(texts, one.said) >= len(texts) for one in known)


def _in_common(texts: Sequence[str], said: Sequence[str]) -> int:
    """How many of the texts were said, each counted as often as it was."""
    left = list(said)
    for text in texts:
        if text in left:
            left.remove(text)
    return len(said) - len(left)
