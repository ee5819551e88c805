"""What an agent gets at a handoff: the summary note, tags, and the one PATCH that makes the conversation a ticket."""

import logging

from rasa_kustomer.delivery import plan
from rasa_kustomer.delivery.conversations import Conversations
from rasa_kustomer.delivery.sending import send_with_fallbacks
from rasa_kustomer.kustomer.client import KustomerClient
from rasa_kustomer.kustomer.errors import KeyRefused, NotAllowed, Rejected
from rasa_kustomer.kustomer.models import Conversation, Note
from rasa_kustomer.log import Once
from rasa_kustomer.outbox import IdentityUpdate, Kind, Lease, NewRecord, Outbox, Record, SessionKey
from rasa_kustomer.teams import Pick, Teams

logger = logging.getLogger(__name__)

TEAMS = "assignedTeams"


class Ticketing:
    """Sends the records of a handoff.

    Args:
        outbox: Where the records are.
        client: Kustomer's API.
        conversations: Knows how conversations are parked.
        teams: Finds the team of a ticket.
        default_team: Team when the wanted one does not exist (KUSTOMER_DEFAULT_TEAM_ID).
    """

    def __init__(
        self,
        outbox: Outbox,
        client: KustomerClient,
        *,
        conversations: Conversations,
        teams: Teams,
        default_team: str | None,
    ) -> None:
        self._outbox, self._client, self._conversations = outbox, client, conversations
        self._teams, self._default_team = teams, default_team
        self._say = Once(logger)

    async def note(self, lease: Lease, record: Record) -> str:
        """Write a note, with remarks on what is known only now; returns its id."""
        conversation_id = str(lease.conversation_id)
        known = await self._known_note(record, conversation_id) if record.unsure else None
        if known is not None:
            return known.id
        text = "\n\n".join((record.payload["text"], *await self._remarks(lease, record)))
        made, _ = await send_with_fallbacks(
            plan.note_body(record.key, text),
            plan.NOTE_OPTIONAL,
            lambda smaller: self._client.create_note(conversation_id, smaller),
        )
        return made.id

    async def _remarks(self, lease: Lease, record: Record) -> list[str]:
        if "team" not in record.payload:
            return []  # it is a remark itself
        pick = await self._teams.pick(record.payload["team"], self._default_team)
        missing = await self._outbox.dead_turns(lease)
        following = await self._outbox.turns_before(lease, record)
        remarks = [
            _problem(pick, record),
            f"Turns that could not be shown here: {missing}." if missing else None,
            f"The transcript follows: {following} earlier messages are on their way." if following else None,
        ]
        return [one for one in remarks if one]

    async def _known_note(self, record: Record, conversation_id: str) -> Note | None:
        """A key that may write notes need not be able to read them; a summary twice is better than none."""
        try:
            return await self._client.find_note(record.key, conversation_id)
        except KeyRefused:
            raise
        except NotAllowed as error:
            self._say(str(error))
            return None

    async def tags(self, lease: Lease, record: Record) -> None:
        """Tag the conversation."""
        try:
            await self._client.tag_conversation(str(lease.conversation_id), list(record.payload["tags"]))
        except Rejected as error:
            if not error.duplicate:  # else it has them
                raise

    async def ticket(self, lease: Lease, record: Record) -> str:
        """Open the ticket with the best team that Kustomer takes; returns the conversation's id."""
        if record.marked or (record.unsure and not record.payload.get("repeated")):
            found = await self._client.get_conversation(str(lease.conversation_id))
            if await self._was_opened(found, lease):
                return found.id
        wanted, refused = record.payload.get("team"), set[str]()
        pick = await self._teams.pick(wanted, self._default_team)
        while True:
            try:
                opened = await self._open(lease, record, pick)
                break
            except Rejected as error:
                if pick.team_id is None or not (error.field or TEAMS).strip("/").startswith(TEAMS):
                    raise
                refused.add(pick.team_id)
                self._teams.forget()  # it is gone, or was made anew since the list was read
                pick = await self._teams.pick(wanted, self._default_team, refused=refused)
        if problem := _problem(pick, record):  # which team it was may be a customer's text: the log has it not
            self._say(
                "The team of a handoff does not exist in Kustomer; the note of the ticket names it."
                " rasa-kustomer check verifies the teams of KUSTOMER_DEFAULT_TEAM_ID and of the routing file.",
                about=problem,
            )
            if refused:  # else the summary says it
                await self._outbox.record(
                    SessionKey(lease.key, lease.sender_id, 0),
                    lease.identity,
                    [NewRecord(f"{record.key}:team", Kind.NOTE, {"text": problem})],
                    update=IdentityUpdate.NEVER,
                )
        return opened

    async def _open(self, lease: Lease, record: Record, pick: Pick) -> str:
        patch = plan.ticket_patch(record.payload, pick.team_id, await self._conversations.find_parking())
        made, sent = await send_with_fallbacks(
            patch,
            plan.TICKET_OPTIONAL,
            lambda smaller: self._client.update_conversation(str(lease.conversation_id), smaller),
        )
        if left_out := sorted(patch.keys() - sent.keys()):
            logger.warning("A ticket was opened without %s, which Kustomer refused.", ", ".join(left_out))
        return made.id

    async def _was_opened(self, found: Conversation, lease: Lease) -> bool:
        """Whether a ticket in doubt was opened; then it is left as agents have it."""
        if plan.people_have(found, await self._conversations.find_parking()):
            return True
        return found.status != "open" and await self._conversations.handed_off(found, lease.key)


def _problem(pick: Pick, record: Record) -> str | None:
    """What the agent should know of the team; the value of a hidden slot is not quoted."""
    hidden, wanted = record.payload.get("team_hidden"), record.payload.get("team")
    return pick.problem.replace(f'"{wanted}"', hidden) if pick.problem and hidden else pick.problem
