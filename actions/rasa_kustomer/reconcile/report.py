"""What a comparison found."""

from dataclasses import dataclass, field
from math import floor


@dataclass
class Report:
    """What a comparison found. Numbers are of messages and notes, unless they speak of conversations.

    Attributes:
        conversations: Conversations that were compared.
        checked: Delivered records that were looked for.
        present: Those that Kustomer holds.
        missing: Those that it does not hold.
        put_back: Missing ones that wait again.
        doubled: Those that it holds more than once, in one conversation or in two of the same externalId.
        doubled_conversations: Chats with more than one conversation.
        doubled_conversation_ids: Ids of the second and further ones.
        unsearched: Conversations of which it cannot be known whether there is a second one.
        out_of_order: Messages whose `sentAt` is before that of an earlier record.
        dead: Refused since the same moment.
        pending: What waits now; what was put back is not part of it.
        leased: Conversations that were left out, since a worker is at work on them.
        gone: Ids of conversations that Kustomer does not know any more; their records are left as they are.
        unreadable: Conversations that could not be listed, or not to the end.
        unread_notes: Notes that were left out, since the key may not read notes.
    """

    conversations: int = 0
    checked: int = 0
    present: int = 0
    missing: int = 0
    put_back: int = 0
    doubled: int = 0
    doubled_conversations: int = 0
    doubled_conversation_ids: list[str] = field(default_factory=list)
    unsearched: int = 0
    out_of_order: int = 0
    dead: int = 0
    pending: int = 0
    leased: int = 0
    gone: list[str] = field(default_factory=list)
    unreadable: int = 0
    unread_notes: int = 0

    @property
    def success_percent(self) -> float | None:
        """Of what was delivered or died, how much is present; cut to 2 decimals so that 100 is all.

        None when there is nothing to compare, and when something may stand twice that could not be looked for.
        """
        total = self.checked + self.dead
        return floor(self.present * 10_000 / total) / 100 if total and not self.unsearched else None
