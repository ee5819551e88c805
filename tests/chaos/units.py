"""What a conversation costs of the request budget as it ships, with snippets and defaults: 100 of 6 turns at once."""

import asyncio
import random
from collections.abc import Mapping
from typing import Any, NamedTuple

import httpx
from payloads import Payloads  # benchmarks/
from tests.chaos.harness import KEY, Report, Site, Visitor, judge, site

TURNS = 6
PAUSE_AFTER_START = 2.0  # seconds: what is as old as the outbox itself is looked up, which a running one does not do
TRUST = {"KUSTOMER_TRUST_METADATA": "true"}


class Kind(NamedTuple):
    """Who comes, and what one conversation of theirs may cost.

    Attributes:
        most: Units of the organisation's budget, on average.
        identified: The channel tells a customer id, an e-mail address and a name.
        known: Kustomer has the customer already, with a closed conversation.
        settings: Further settings of the action server.
        escalated: The visitor asks for a human in the end.
    """

    name: str
    most: float
    identified: bool = False
    known: bool = False
    settings: Mapping[str, str] = {}
    escalated: bool = False


KINDS = (
    Kind("anonymous", 1.0),
    Kind("identified, new", 1.5, identified=True),
    Kind("identified, known and trusted", 1.5, identified=True, known=True, settings=TRUST),
    Kind("anonymous, handed off", 4.0, escalated=True),
)


async def run(report: Report, *, conversations: int, pause_seconds: float) -> None:
    """Play each kind, one after the other."""
    for kind in KINDS:
        async with site(rate_limit=1_000, settings=dict(kind.settings)) as place:
            if kind.known:
                await _introduce(place, conversations)
            before = (await place.units()).total()
            talks = (_talk(place, kind, number, pause_seconds) for number in range(conversations))
            visitors = await asyncio.gather(*talks)
            report.check("everything is delivered", holds=await place.drained())
            await judge(report, place, visitors)
            calls = await place.units()
            report.say(f"{conversations} conversations of {TURNS} turns, {kind.name}, a turn each {pause_seconds:g} s:")
            for call, number in calls.most_common():
                report.say(f"    {number:5d}  {call}")
            each = (calls.total() - before) / conversations
            report.check(
                f"{each:.2f} units a conversation, {kind.name} (at most {kind.most:g})", holds=each <= kind.most
            )


def _payloads(kind: Kind, number: int) -> Payloads:
    who = {"customer_id": f"C-{number}", "email": f"c{number}@example.com", "name": f"Customer {number}"}
    return Payloads(who if kind.identified else {"page": "/home"})


async def _introduce(place: Site, customers: int) -> None:
    """Customers whom Kustomer has, each with a conversation that is closed."""
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=place.kustomer_url, headers=headers, timeout=30) as http:

        async def make(path: str, body: dict[str, Any]) -> str:
            return str((await http.post(path, json=body)).raise_for_status().json()["data"]["id"])

        for number in range(customers):
            person = {"externalId": f"C-{number}", "emails": [{"email": f"c{number}@example.com", "type": "work"}]}
            customer = await make("/v1/customers", person)
            conversation = await make("/v1/conversations", {"customer": customer, "name": "An order", "status": "done"})
            said = {"channel": "email", "app": "mail", "direction": "out", "preview": "It is on its way."}
            await make(f"/v1/conversations/{conversation}/messages", said)


async def _talk(place: Site, kind: Kind, number: int, pause_seconds: float) -> Visitor:
    await asyncio.sleep(PAUSE_AFTER_START + random.uniform(0, pause_seconds))
    visitor = Visitor(f"visitor-{number}", _payloads(kind, number))
    async with httpx.AsyncClient(timeout=30) as http:
        for _ in range(TURNS):
            if not await visitor.turn(http, place.url()):
                raise RuntimeError("the action server did not answer")
            await asyncio.sleep(pause_seconds * random.uniform(0.7, 1.3))
        if kind.escalated:
            await visitor.hand_off(http, place.url())
    return visitor
