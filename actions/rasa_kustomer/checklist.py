"""The deployment checklist, executed. Each finding says what to do; nothing is written to Kustomer."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from rasa_kustomer.bot.check import check_bot
from rasa_kustomer.bot.domain import check_domain
from rasa_kustomer.configuration import new_client
from rasa_kustomer.conversation.routing import Routing
from rasa_kustomer.conversation.routing_file import RoutingError, load_routing
from rasa_kustomer.finding import Finding, fail, ok, skip, warn
from rasa_kustomer.kustomer.client import KustomerClient
from rasa_kustomer.kustomer.errors import KeyRefused, KustomerError, NotAllowed, Untrusted
from rasa_kustomer.kustomer.models import Team, Token, User
from rasa_kustomer.machine_checks import check_environment, check_files, check_network, check_outbox, check_variables
from rasa_kustomer.settings import Settings, SettingsError, load_settings
from rasa_kustomer.teams import find_team


class Role(NamedTuple):
    """A permission of the API key.

    Attributes:
        legacy: The older role that grants the same.
        optional: Left out, a summary may be written twice after a lost answer, or messages are sent one by one.
    """

    name: str
    purpose: str
    legacy: str
    optional: bool = False


# Source: Kustomer API reference, Minimum role set and Old checklist names.
ROLES = (
    Role("org.permission.customer.read", "find customers", "org.user.customer.read"),
    Role("org.permission.customer.create", "create customers", "org.user.customer.write"),
    Role("org.permission.customer.update", "link customers to their external id", "org.user.customer.write"),
    Role("org.permission.conversation.read", "find conversations and ticket status", "org.user.conversation.read"),
    Role("org.permission.conversation.create", "create conversations", "org.user.conversation.write"),
    Role("org.permission.conversation.update", "hand off, assign, tag and close", "org.user.conversation.write"),
    Role("org.permission.message.read", "avoid doubles after a lost answer", "org.user.message.read"),
    Role("org.permission.message.create", "mirror messages", "org.user.message.write"),
    Role("org.permission.note.read", "avoid a second summary after a lost answer", "org.user.note.read", optional=True),
    Role("org.permission.note.create", "write the handoff summary", "org.user.note.write"),
    Role("org.permission.team.read", "resolve team names", "org.user.team.read"),
    Role(
        "org.permission.bulk.read",
        "send the messages of many chats together, at a tenth of the requests",
        "org.user.bulk.read",
        optional=True,
    ),
)


async def run_checklist(domain: Path | None) -> list[Finding]:
    """All findings, in the order in which an admin would fix them.

    Args:
        domain: A bot's domain, to compare with the snippets.
    """
    try:
        settings = load_settings()
    except SettingsError as error:
        return [*(fail("settings", problem) for problem in error.problems), *check_variables()]
    routing, routing_findings = check_routing_file(settings.routing_path)
    return [
        *check_environment(settings),
        await check_outbox(settings),
        *check_files(settings),
        *routing_findings,
        *await _check_kustomer(settings, routing),
        *check_domain(domain, settings.note_hidden_slots),
        *check_bot(Path(), domain),
    ]


def check_routing_file(path: Path | None) -> tuple[Routing, list[Finding]]:
    """Whether the routing file can be read."""
    if path is None:
        return Routing(), [skip("routing file", "none; every handoff gets the default team and priority")]
    try:
        return load_routing(path), [ok("routing file", str(path))]
    except RoutingError as error:
        return Routing(), [fail("routing file", problem) for problem in error.problems]


async def _check_kustomer(settings: Settings, routing: Routing) -> list[Finding]:
    network, findings = check_network(settings)
    if network is None:
        return [*findings, skip("connection", f"not tried: {settings.disabled_reason or 'see above'}")]
    async with new_client(settings, network) as client:
        return [*findings, *await _check_account(settings, client, routing)]


async def _check_account(settings: Settings, client: KustomerClient, routing: Routing) -> list[Finding]:
    try:
        token = await client.current_token()
    except KustomerError as error:
        return [fail("connection", f"{error}{_advice(error)}")]
    try:
        user = await client.current_user()
    except KustomerError:
        user = None
    return [
        ok("connection", f'the key "{token.name}" is accepted' if token.name else "the key is accepted"),
        *check_organization(settings.organization_id, user),
        *check_roles(token, user),
        *await _check_teams(settings, client, routing),
        check_parking(settings.parking, user),
    ]


def _advice(error: KustomerError) -> str:
    """What the error itself does not say."""
    if isinstance(error, (KeyRefused, Untrusted)):
        return ""
    if isinstance(error, NotAllowed):
        return " Is the key limited to other IP addresses?"
    return " Check KUSTOMER_SUBDOMAIN or KUSTOMER_BASE_URL, and the network."


def check_organization(expected: str | None, user: User | None) -> Iterator[Finding]:
    """Whether the key belongs to the organisation that the admin means."""
    actual = user.org_id if user else None
    if expected is None:
        return
    if actual is None:
        yield skip("organisation", "Kustomer did not say which organisation the key belongs to")
    elif actual != expected:
        yield fail(
            "organisation", f"The key belongs to organisation {actual}, KUSTOMER_ORGANIZATION_ID says {expected}."
        )
    else:
        yield ok("organisation", actual)


def check_roles(token: Token, user: User | None) -> Iterator[Finding]:
    """One finding per permission. A broader role grants a narrower one: `a.b` grants `a.b.c`."""
    held = {*token.roles, *(user.roles if user else [])}
    if not held:
        yield warn("permissions", "Kustomer did not list the key's roles; compare them with the admin guide.")
        return
    for role in ROLES:
        item = f"permission: {role.purpose}"
        if grants(held, role.name) or grants(held, role.legacy):
            yield ok(item, role.name)
        else:
            missing = f"Add the role {role.name}. Roles of a key cannot be changed: make a new key with it."
            yield Finding(item, "warn" if role.optional else "fail", missing)


def grants(held: Iterable[str], role: str) -> bool:
    """Whether any held role is the wanted one or a parent of it."""
    return any(role == name or role.startswith(f"{name}.") for name in held)


async def _check_teams(settings: Settings, client: KustomerClient, routing: Routing) -> list[Finding]:
    try:
        teams = [team for team in await client.teams() if not team.deleted]
    except KustomerError as error:
        return [fail("teams", str(error))]
    wanted = [(f"{settings.routing_path}, {line}", team) for line, team in routing.teams()]
    if settings.default_team_id:
        return [_team(*named, teams) for named in [("KUSTOMER_DEFAULT_TEAM_ID", settings.default_team_id), *wanted]]
    unset = "KUSTOMER_DEFAULT_TEAM_ID is not set: handoffs that match no rule get no team."
    return [*(_team(*named, teams) for named in wanted), warn("default team", unset)]


def _team(named_in: str, wanted: str, teams: list[Team]) -> Finding:
    if find_team(wanted, teams):
        return ok("team", f"{wanted} ({named_in})")
    known = ", ".join(sorted(team.name or team.id for team in teams)[:20]) or "none"
    return fail("team", f'{named_in}: there is no team "{wanted}". Teams: {known}.')


def check_parking(parking: str, user: User | None) -> Finding:
    """Whether bot chats can be kept away from agents."""
    if parking == "none":
        return warn("parking", "KUSTOMER_PARKING is none: every bot chat is routed to agents while the bot talks.")
    if parking == "assign-bot" and user is None:
        return warn("parking", "The key's own user cannot be read, so bot chats are created unparked.")
    return ok("parking", parking)
