"""What conversations cost of the request budget: 100 of 6 turns at once, with and without a handoff."""

import asyncio
import json
import random

import httpx
from payloads import Payloads  # benchmarks/
from tests.chaos.harness import Report, Site, Visitor, judge, site

TURNS = 6
MOST_PLAIN, MOST_ESCALATED = 1.0, 5.0
payloads = Payloads()


async def run(report: Report, *, conversations: int, pause_seconds: float) -> None:
    """Play both, one after the other."""
    for escalated, most in ((False, MOST_PLAIN), (True, MOST_ESCALATED)):
        async with site(rate_limit=1_000) as place:
            visitors = [Visitor(f"visitor-{number}") for number in range(conversations)]
            await asyncio.gather(*(_talk(place, one, pause_seconds, escalated=escalated) for one in visitors))
            report.check("everything is delivered", holds=await place.drained())
            await judge(report, place, visitors)
            calls = await place.units()
            kind = "escalated" if escalated else "un-escalated"
            report.say(f"{conversations} conversations of {TURNS} turns, {kind}, a turn each {pause_seconds:g} s:")
            for call, number in calls.most_common():
                report.say(f"    {number:5d}  {call}")
            each = calls.total() / conversations
            report.check(f"{each:.2f} units a conversation, {kind} (at most {most:g})", holds=each <= most)


async def _talk(place: Site, visitor: Visitor, pause_seconds: float, *, escalated: bool) -> None:
    await asyncio.sleep(random.uniform(0, pause_seconds))
    async with httpx.AsyncClient(timeout=30) as http:
        for _ in range(TURNS):
            if not await visitor.turn(http, place.url()):
                raise RuntimeError("the action server did not answer")
            await asyncio.sleep(pause_seconds * random.uniform(0.7, 1.3))
        if escalated:
            await hand_off(http, place.url(), visitor)


async def hand_off(http: httpx.AsyncClient, url: str, visitor: Visitor) -> str:
    """The visitor asks for a human; returns the status that the bot reports."""
    call = json.loads(payloads.body(visitor.sender_id, visitor.said)) | {"next_action": "action_kustomer_handoff"}
    answer = (await http.post(f"{url}/webhook", json=call)).json()
    return str(next(one["value"] for one in answer["events"] if one.get("name") == "kustomer_handoff_status"))
