"""A believable morning at the desk, for looking at the page without a bot: `rasa-kustomer sandbox --seed`."""

from dataclasses import dataclass
from typing import Any

from kustomer_sandbox import conversations, customers, messages
from kustomer_sandbox.calls import Call, Org

MINUTE, BETWEEN_TURNS = 60.0, 25


@dataclass(frozen=True)
class Example:
    """One conversation; `turns` are (who, text) with who `in`, `bot` or `agent`, half a minute apart."""

    customer: dict[str, Any]
    subject: str
    minutes_ago: float
    turns: tuple[tuple[str, str], ...]
    team: str | None = None
    priority: int = 3
    tags: tuple[str, ...] = ()
    note: str | None = None
    parked: bool = False
    status: str = "open"
    channel: str = "chat"


def add_examples(org: Org) -> None:
    """Adds the examples, through the same operations that the API uses."""
    for example in EXAMPLES:
        with org.state.back_dated(example.minutes_ago * MINUTE):
            _add(org, example)
    org.state.commit()


def _add(org: Org, example: Example) -> None:
    state, machine = org.state, org.state.machine_user["id"]
    known = state.customers.where("externalId", example.customer["externalId"])
    owner = known[0]["id"] if known else customers.create(org, Call(machine, example.customer)).body["data"]["id"]
    body = {"customer": owner, "name": example.subject, "priority": example.priority}
    body["externalId"] = f"{example.customer['externalId']}:chat"
    body["assignedUsers"] = [machine] if example.parked else []
    body["assignedTeams"] = [team["id"] for team in state.teams.values() if team["name"] == example.team]
    made = {"id": conversations.create(org, Call(machine, body)).body["data"]["id"]}
    _play(org, example, made)
    if example.tags:
        conversations.tag(org, Call(machine, list(example.tags), made))
    if example.status != "open":
        conversations.update(org, Call(machine, {"status": example.status}, made))


def _play(org: Org, example: Example, made: dict[str, str]) -> None:
    """What was said; the note is written when an agent takes over, else at the end."""
    speakers = [who for who, _ in example.turns]
    noted_at = speakers.index("agent") if "agent" in speakers else len(speakers)
    for place, (who, said) in enumerate((*example.turns, ("", ""))):
        with org.state.back_dated(example.minutes_ago * MINUTE - BETWEEN_TURNS * place):
            if example.note and place == noted_at:
                messages.create("notes")(org, Call(org.state.machine_user["id"], {"body": example.note}, made))
            if who:
                body = {"channel": example.channel, "app": "rasa", "preview": said, "auto": who == "bot"}
                body["direction"] = "in" if who == "in" else "out"
                author = org.state.agent if who == "agent" else org.state.machine_user
                messages.create("messages")(org, Call(author["id"], body, made))


def _person(name: str, key: str, email: str | None = None, phone: str | None = None) -> dict[str, Any]:
    person: dict[str, Any] = {"name": name, "externalId": key}
    if email:
        person["emails"] = [{"email": email, "type": "home"}]
    if phone:
        person["phones"] = [{"phone": phone, "type": "mobile"}]
    return person


_HANDOFF_NOTE = """Handed over by the assistant · RK-7F3K2Q

Why: the customer asked for a person
Wants: refund for a damaged item (request_refund 0.94, damaged_item 0.88)

What the assistant knows
  order number: A-20931
  item: Oak shelf, 80 cm
  photo sent: yes

Still missing
  preferred payout: card or voucher"""

EXAMPLES = (
    Example(
        _person("Tomás Oliveira", "cust-3381", "tomas.oliveira@example.org", "+351912345678"),
        "Invoice from May",
        1500,
        (("in", "Can you send me the invoice from May again?"), ("bot", "Sent to your e-mail address just now.")),
        status="done",
        priority=2,
        tags=("invoice",),
    ),
    Example(
        _person("Hannah Lindqvist", "cust-1042", "hannah.lindqvist@example.org", "+46701234567"),
        "Delivery address",
        2900,
        (("in", "How do I change my delivery address?"), ("bot", "Under Account > Addresses. It is valid at once.")),
        status="done",
        priority=2,
    ),
    Example(
        _person("Mei-Ling Zhao", "cust-2207", "meiling.zhao@example.org"),
        "Two parcels, one tracking number",
        48,
        (
            ("in", "I ordered two things but got one tracking number 📦📦"),
            ("bot", "Let me look. Which order is it?"),
            ("in", "A-21007"),
            ("bot", "Both items travel together. The parcel should arrive tomorrow."),
            ("in", "It says delivered already, and I only got the lamp."),
            ("agent", "Hi Mei-Ling, this is Dana. I have asked the depot to look for the second box."),
        ),
        team="Support",
        priority=3,
        tags=("parcel", "bot-handoff"),
        note="Handed over by the assistant · RK-2M9XTA\n\nWhy: the answer did not help\nOrder: A-21007",
    ),
    Example(
        _person("ليلى حداد", "cust-4410", "layla.haddad@example.org"),
        "أين طلبي؟",
        17,
        (
            ("in", "مرحبا، أين طلبي؟ رقم الطلب 20984"),
            ("bot", "طلبك في الطريق، ومن المتوقع وصوله يوم الخميس."),
            ("in", "أحتاجه قبل ذلك من فضلك 🙏 هل يمكنني التحدث مع موظف؟"),
            ("bot", "بالتأكيد، أحوّلك إلى زميل الآن."),
        ),
        team="Support",
        priority=4,
        tags=("bot-handoff",),
        channel="whatsapp",
        note="Handed over by the assistant · RK-5CJ4WD\n\nWhy: the customer asked for a person\nOrder: 20984",
    ),
    Example(
        _person("Hannah Lindqvist", "cust-1042"),
        "Refund for a damaged shelf",
        9,
        (
            ("in", "Hi! My shelf arrived with a broken corner 😕"),
            ("bot", "I am sorry to hear that, Hannah. Which order is it?"),
            ("in", "A-20931, the oak one"),
            ("bot", "Thank you. Would you like a replacement or a refund?\n• Replacement\n• Refund"),
            ("in", "Refund"),
            ("bot", "Could you send a photo of the damage?"),
            ("in", "[image] https://files.example.org/shelf-corner.jpg"),
            ("in", "Actually, can I talk to a person please? I need this sorted before Friday."),
            ("bot", "Of course. I have passed everything on to our returns team. Your ticket is RK-7F3K2Q."),
        ),
        team="Returns",
        priority=5,
        tags=("bot-handoff", "refund"),
        note=_HANDOFF_NOTE,
    ),
    Example(
        _person("Unknown visitor", "rasa:web-81f2"),
        "Which size fits?",
        3,
        (
            ("in", "hello, is the reading lamp ok for a bathroom?"),
            ("bot", "It is rated IP20, so please keep it dry. The Riva lamp is made for bathrooms."),
            ("in", "ok and is that one dimmable"),
            ("bot", "Yes, with any trailing-edge dimmer."),
        ),
        parked=True,
    ),
    Example(
        _person("Bartholomäus Freiherr von Donaudampfschifffahrtsgesellschaft", "cust-5120", phone="+4915112345678"),
        "Rechnung stimmt nicht",
        6,
        (
            ("in", "Auf meiner Rechnung steht der Versand doppelt."),
            ("bot", "Das prüfe ich gern. Wie lautet die Rechnungsnummer?"),
            ("in", "R-2026-000418"),
        ),
        parked=True,
        channel="sms",
    ),
)
