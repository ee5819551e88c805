"""How strict the pretend Kustomer is where the reference leaves a question open, or an organisation may choose."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

MACHINE_USER_ROLES = frozenset(
    f"org.permission.{resource}.{action}"
    for resource, actions in {
        "customer": "read create update",
        "conversation": "read create update",
        "message": "read create",
        "note": "read create",
        "team": "read",
        "bulk": "read",
    }.items()
    for action in actions.split()
)
"""What a least-privilege key for mirroring and handing off holds (Kustomer API reference, API keys and roles)."""


_Told = Literal["reordered", "missing", "extra", "unknown", "repeated", "doubled", "anonymous", "untold"]
BulkFailure = Literal["", "stuck", "forgotten", "vanished", "half"] | _Told
BULK_FAILURES = tuple(kind for part in get_args(BulkFailure) for kind in get_args(part) if kind)


@dataclass
class Rules:
    """Switches of one sandbox; may be changed while it runs.

    Attributes:
        rate_limit: Requests per minute of the whole organisation (Kustomer API reference, Rate limits: 1,000 or 2,000).
        customer_limit: Conversations, messages and notes, each, per minute and customer (Rate limits: 120).
        retry_after: Whether a 429 carries `Retry-After`, which Kustomer does not promise.
        pod: Value of `X-Kustomer-Pod` on every answer.
        duplicate_status: Status of a duplicate e-mail, phone or external id; Kustomer does not say which.
        error_shape: `titled` is `{status, code, title, detail, source}`, `plain` is `{code, message, meta}`.
        message_lookup: Spelling of the message look-up path; the published lists disagree.
        unique_external_ids: Whether external ids of conversations, messages and notes are unique. Unknown, so off:
            a client that sends something twice is then seen to have sent it twice.
        bot_assignable: Whether the key's machine user may be an assignee; unknown.
        customer_movable: Whether PATCH may move a conversation to another customer; unknown.
        customer_counts: Whether a customer's record has `conversationCounts` and `lastMessageAt`; seen, not documented.
        imported_reopens: Whether an inbound message with `importedAt` reopens its conversation; unknown.
        bulk_seconds: How long a bulk job takes at least; completion times are unknown.
        bulk_nested: Whether a job's attributes sit in `attributes` or beside its id; uncertain.
        bulk_batch: How many items of a bulk job make one batch; unknown.
        bulk_failure: What goes wrong with every bulk job that has no fault of its own (`faults`): `stuck` never
            completes; `forgotten` is answered with 404 and never done, `vanished` is done and answered with 404; `half`
            fails every second item. Or the work is done and the results come `reordered`, with `missing` or `extra`
            ones, every second one under an `unknown` reference, all under the first one's (`repeated`), each first as
            a failure and then as it is (`doubled`), without references (`anonymous`), or not at all (`untold`).
        custom: Defined custom attributes by resource; any other fails the whole write.
    """

    rate_limit: int = 1000
    customer_limit: int = 120
    retry_after: bool = False
    pod: str = "prod1"
    duplicate_status: int = 409
    error_shape: Literal["titled", "plain"] = "titled"
    message_lookup: Literal["externalId", "externalid"] = "externalId"
    unique_external_ids: bool = False
    bot_assignable: bool = True
    customer_movable: bool = True
    customer_counts: bool = True
    imported_reopens: bool = True
    bulk_seconds: float = 0.2
    bulk_nested: bool = True
    bulk_batch: int = 100
    bulk_failure: BulkFailure = ""
    custom: Mapping[str, frozenset[str]] = field(default_factory=dict)
