"""The deployment checklist, executed. Each item is one finding that says what to do; nothing is written to Kustomer."""

from collections.abc import Iterable
from pathlib import Path

from rasa_kustomer.bot.check import check_bot
from rasa_kustomer.bot.domain import check_domain, read_domain
from rasa_kustomer.bot.files import Reader, yaml_files
from rasa_kustomer.conversation.routing import Routing
from rasa_kustomer.conversation.routing_file import RoutingError, load_routing
from rasa_kustomer.delivery.teams import find_team
from rasa_kustomer.finding import Finding
from rasa_kustomer.kustomer.client import KustomerClient
from rasa_kustomer.kustomer.errors import KeyRefused, KustomerError, NotAllowed, Untrusted
from rasa_kustomer.kustomer.models import Team, Token, User
from rasa_kustomer.machine_checks import check_environment, check_hidden_slots, check_outbox
from rasa_kustomer.outbox import Outbox
from rasa_kustomer.settings import Settings

# What each role is for. Source: Kustomer API reference, Minimum role set.
ROLES = {
    "org.permission.customer.read": "find customers",
    "org.permission.customer.create": "create customers",
    "org.permission.customer.update": "link customers to their external id",
    "org.permission.conversation.read": "find conversations and ticket status",
    "org.permission.conversation.create": "create conversations",
    "org.permission.conversation.update": "hand off, assign, tag and close",
    "org.permission.message.read": "avoid doubles after a lost answer",
    "org.permission.message.create": "mirror turns",
    "org.permission.note.read": "avoid a second summary after a lost answer",
    "org.permission.note.create": "write the handoff summary",
    "org.permission.team.read": "resolve team names",
    "org.permission.bulk.read": "send the turns of many chats together, at a tenth of the requests",
}
# Without the first a summary may come twice after a lost answer; without the second turns go one by one.
OPTIONAL_ROLES = frozenset({"org.permission.note.read", "org.permission.bulk.read"})
# Legacy roles that grant the same. Source: Kustomer API reference, Old checklist names.
LEGACY = {
    "org.permission.customer.read": "org.user.customer.read",
    "org.permission.customer.create": "org.user.customer.write",
    "org.permission.customer.update": "org.user.customer.write",
    "org.permission.conversation.read": "org.user.conversation.read",
    "org.permission.conversation.create": "org.user.conversation.write",
    "org.permission.conversation.update": "org.user.conversation.write",
    "org.permission.message.read": "org.user.message.read",
    "org.permission.message.create": "org.user.message.write",
    "org.permission.note.read": "org.user.note.read",
    "org.permission.note.create": "org.user.note.write",
    "org.permission.team.read": "org.user.team.read",
    "org.permission.bulk.read": "org.user.bulk.read",
}


async def run_checklist(
    settings: Settings, client: KustomerClient | None, outbox: Outbox, domain: Path | None
) -> list[Finding]:
    """All findings, in the order in which an admin would mend them; without a client nothing is asked of Kustomer."""
    findings = [*check_environment(settings), await check_outbox(outbox, external=settings.courier == "external")]
    routing, routing_findings = check_routing_file(settings.routing_path)
    findings += routing_findings
    findings += await _check_kustomer(settings, client, routing)
    findings += check_domain(domain)
    findings += check_bot(Path(), domain)
    findings += check_hidden_slots(settings.note_hidden_slots, _slots_of(domain))
    return findings


def check_routing_file(path: Path | None) -> tuple[Routing, list[Finding]]:
    """Whether the routing file can be read."""
    if path is None:
        return Routing(), [Finding("routing file", "skip", "none; every handoff gets the default team and priority")]
    try:
        return load_routing(path), [Finding("routing file", "ok", str(path))]
    except RoutingError as error:
        return Routing(), [Finding("routing file", "fail", problem) for problem in error.problems]


async def _check_kustomer(settings: Settings, client: KustomerClient | None, routing: Routing) -> list[Finding]:
    if client is None:
        return [Finding("connection", "skip", f"not tried: {settings.off_because or 'see above'}")]
    try:
        token = await client.current_token()
    except KeyRefused as error:
        return [Finding("connection", "fail", str(error))]
    except NotAllowed as error:
        return [Finding("connection", "fail", f"{error} Is the key limited to other IP addresses?")]
    except Untrusted as error:
        return [Finding("connection", "fail", str(error))]
    except KustomerError as error:
        return [
            Finding("connection", "fail", f"{error} Check KUSTOMER_SUBDOMAIN or KUSTOMER_BASE_URL, and the network.")
        ]
    user = await _user(client)
    findings = [
        Finding("connection", "ok", f'the key "{token.name}" is accepted' if token.name else "the key is accepted")
    ]
    findings += check_organization(settings.organization_id, user)
    findings += check_roles(token, user)
    findings += await _check_teams(settings, client, routing)
    findings.append(check_parking(settings.parking, user))
    return findings


async def _user(client: KustomerClient) -> User | None:
    try:
        return await client.current_user()
    except KustomerError:
        return None


def check_organization(expected: str | None, user: User | None) -> list[Finding]:
    """Whether the key belongs to the organisation that the admin means."""
    if expected is None:
        return []
    actual = user.org_id if user else None
    if actual is None:
        return [Finding("organisation", "skip", "Kustomer did not say which organisation the key belongs to")]
    if actual != expected:
        return [
            Finding(
                "organisation",
                "fail",
                f"The key belongs to organisation {actual}, KUSTOMER_ORGANIZATION_ID says {expected}.",
            )
        ]
    return [Finding("organisation", "ok", actual)]


def check_roles(token: Token, user: User | None) -> list[Finding]:
    """One finding per permission. A broader role grants a narrower one: `a.b` grants `a.b.c`."""
    held = {*token.roles, *(user.roles if user else [])}
    if not held:
        return [
            Finding("permissions", "warn", "Kustomer did not list the key's roles; compare them with the admin guide.")
        ]
    return [
        Finding(f"permission: {purpose}", "ok", role)
        if grants(held, role) or grants(held, LEGACY[role])
        else Finding(
            f"permission: {purpose}",
            "warn" if role in OPTIONAL_ROLES else "fail",
            f"Add the role {role}. Roles of a key cannot be changed: make a new key with it.",
        )
        for role, purpose in ROLES.items()
    ]


def grants(held: Iterable[str], role: str) -> bool:
    """Whether any held role is the wanted one or a parent of it."""
    return any(role == one or role.startswith(f"{one}.") for one in held)


async def _check_teams(settings: Settings, client: KustomerClient, routing: Routing) -> list[Finding]:
    try:
        teams = [team for team in await client.teams() if not team.deleted]
    except KustomerError as error:
        return [Finding("teams", "fail", str(error))]
    wanted = {"KUSTOMER_DEFAULT_TEAM_ID": settings.default_team_id} if settings.default_team_id else {}
    wanted |= {f"{settings.routing_path}, {where}": team for where, team in routing.teams()}
    findings = [_team(where, name, teams) for where, name in wanted.items()]
    if not settings.default_team_id:
        findings.append(
            Finding("default team", "warn", "KUSTOMER_DEFAULT_TEAM_ID is not set: handoffs without a rule get no team.")
        )
    return findings


def _team(where: str, wanted: str, teams: list[Team]) -> Finding:
    if find_team(wanted, teams):
        return Finding("team", "ok", f"{wanted} ({where})")
    known = ", ".join(sorted(team.name or team.id for team in teams)[:20]) or "none"
    return Finding("team", "fail", f'{where}: there is no team "{wanted}". Teams: {known}.')


def check_parking(parking: str, user: User | None) -> Finding:
    """Whether bot chats can be kept away from agents."""
    if parking == "none":
        return Finding(
            "parking", "warn", "KUSTOMER_PARKING is none: every bot chat is routed to agents while the bot talks."
        )
    if parking == "assign-bot" and user is None:
        return Finding("parking", "warn", "The key's own user cannot be read, so bot chats are created unparked.")
    return Finding("parking", "ok", parking)


def _slots_of(path: Path | None) -> set[str] | None:
    """The slots that a domain declares; None when some of it cannot be read, which `check_domain` says."""
    if path is None or not path.exists():
        return None
    reader = Reader()
    declared = read_domain(yaml_files(path), reader)
    return None if reader.problems else declared["slots"]
