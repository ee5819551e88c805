"""The deployment checklist, executed. Each item is one finding that says what to do; nothing is written to Kustomer."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from rasa_kustomer.conversation.routing import Routing
from rasa_kustomer.conversation.routing_file import RoutingError, load_routing
from rasa_kustomer.delivery.outbox import Outbox, OutboxUnavailableError
from rasa_kustomer.delivery.teams import find_team
from rasa_kustomer.kustomer.client import KustomerClient
from rasa_kustomer.kustomer.errors import KeyRefused, KustomerError, NotAllowed
from rasa_kustomer.kustomer.models import Team, Token, User
from rasa_kustomer.settings import Settings, exposed_browser_keys

WORKER_SECONDS = 120.0  # a worker that runs needs seconds, so something has waited too long after this
Level = Literal["ok", "warn", "fail", "skip"]

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
ACTIONS = (
    "action_session_start",
    "action_listen",
    "action_kustomer_mirror",
    "action_kustomer_identify",
    "action_kustomer_handoff",
    "action_kustomer_resolve",
    "action_kustomer_ticket_status",
)
HOOKS = frozenset({"action_session_start", "action_listen", "action_kustomer_mirror"})  # any way to mirror will do
SLOTS = (
    "kustomer_customer_id",
    "kustomer_conversation_id",
    "kustomer_customer_name",
    "kustomer_open_conversations",
    "kustomer_last_conversation_at",
    "kustomer_handoff_status",
    "kustomer_ticket",
    "kustomer_team",
    "kustomer_priority",
    "kustomer_handoff_reason",
)
RESPONSES = (
    "utter_kustomer_handoff_created",
    "utter_kustomer_handoff_queued",
    "utter_kustomer_unavailable",
    "utter_kustomer_no_ticket",
    "utter_kustomer_ticket_status",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the checklist.

    Attributes:
        item: What was looked at.
        level: ok, warn (works, but look at it), fail (mend it), skip (could not be looked at, with the reason).
        message: What was found and, unless ok, what to do.
    """

    item: str
    level: Level
    message: str

    def as_dict(self) -> dict[str, str]:
        """For `--json`."""
        return asdict(self)


async def run_checklist(
    settings: Settings, client: KustomerClient, outbox: Outbox, domain: Path | None
) -> list[Finding]:
    """All findings, in the order in which an admin would mend them."""
    findings = [*check_environment(settings), await check_outbox(outbox, external=settings.courier == "external")]
    routing, routing_findings = check_routing_file(settings.routing_path)
    findings += routing_findings
    findings += await _check_kustomer(settings, client, routing)
    findings += check_domain(domain)
    return findings


def check_environment(settings: Settings) -> list[Finding]:
    """Switches, missing settings, and keys that a front-end build may have published."""
    found = []
    if settings.off_because:
        found.append(
            Finding("settings", "fail", f"The plugin does nothing: {settings.off_because}. Set it (.env.template).")
        )
    else:
        found.append(Finding("settings", "ok", f"Kustomer is at {settings.api_url}"))
    if not settings.enable_sync:
        found.append(Finding("mirror", "warn", "KUSTOMER_ENABLE_SYNC is false: turns are not mirrored, only handoffs."))
    if settings.rollout_percent < 100:
        share = settings.rollout_percent
        found.append(Finding("rollout", "warn", f"KUSTOMER_ROLLOUT_PERCENT: only {share} % of the senders are served."))
    found += [
        Finding(
            "browser keys",
            "warn",
            f"{name} is set. That prefix ships its value to browsers: make a new key in Kustomer,"
            " delete the old one, and remove the variable.",
        )
        for name in exposed_browser_keys()
    ]
    return found


async def check_outbox(outbox: Outbox, *, external: bool = False) -> Finding:
    """Whether turns can be kept here, and whether somebody delivers them where the action server does not."""
    try:
        counts = await outbox.counts()
    except OutboxUnavailableError as error:
        advice = "Choose a folder that the bot may write to." if outbox.path else f"Look at {outbox.place}."
        return Finding("outbox", "fail", f"KUSTOMER_OUTBOX_URL cannot be used: {error}. {advice}")
    waits = 0.0 if counts.oldest_pending_at is None else time.time() - counts.oldest_pending_at
    if external and waits > WORKER_SECONDS:
        return Finding(
            "outbox",
            "warn",
            f"KUSTOMER_COURIER is external and the oldest record has waited for {waits / 60:.0f} minutes:"
            " is rasa-kustomer worker running?",
        )
    if counts.dead:
        return Finding(
            "outbox", "warn", f"{counts.dead} records were refused by Kustomer: rasa-kustomer outbox list --dead"
        )
    return Finding("outbox", "ok", f"{outbox.place}: {counts.pending} records wait")


def check_routing_file(path: Path | None) -> tuple[Routing, list[Finding]]:
    """Whether the routing file can be read."""
    if path is None:
        return Routing(), [Finding("routing file", "skip", "none; every handoff gets the default team and priority")]
    try:
        return load_routing(path), [Finding("routing file", "ok", str(path))]
    except RoutingError as error:
        return Routing(), [Finding("routing file", "fail", problem) for problem in error.problems]


async def _check_kustomer(settings: Settings, client: KustomerClient, routing: Routing) -> list[Finding]:
    if settings.off_because:
        return [Finding("connection", "skip", f"not tried: {settings.off_because}")]
    try:
        token = await client.current_token()
    except KeyRefused as error:
        return [Finding("connection", "fail", str(error))]
    except NotAllowed as error:
        return [Finding("connection", "fail", f"{error} Is the key limited to other IP addresses?")]
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


def check_domain(path: Path | None) -> list[Finding]:
    """Whether a bot's domain (file or folder) declares what the snippets bring."""
    if path is None:
        return [Finding("domain", "skip", "give your bot's domain with --domain to compare it with the snippets")]
    if not path.exists():
        return [Finding("domain", "fail", f"{path} does not exist")]
    try:
        declared = _read_domain(path)
    except (YAMLError, OSError, UnicodeDecodeError) as error:
        return [Finding("domain", "fail", f"{path} cannot be read: {type(error).__name__}")]
    hooked = bool({"action_listen", "action_kustomer_mirror"} & declared["actions"])
    actions = [name for name in ACTIONS if name not in HOOKS or (name == "action_listen" and not hooked)]
    return [
        _declared(path, "actions", actions, declared, "fail"),
        _declared(path, "slots", SLOTS, declared, "fail"),
        _declared(path, "responses", RESPONSES, declared, "warn"),
    ]


def _declared(
    path: Path, section: str, names: Iterable[str], declared: Mapping[str, set[str]], level: Level
) -> Finding:
    missing = [name for name in names if name not in declared[section]]
    if missing:
        return Finding(f"domain: {section}", level, f"{path} lacks {', '.join(missing)} (see domain_snippets/)")
    return Finding(f"domain: {section}", "ok", "all there")


def _read_domain(path: Path) -> dict[str, set[str]]:
    files = sorted([*path.rglob("*.yml"), *path.rglob("*.yaml")]) if path.is_dir() else [path]
    declared: dict[str, set[str]] = {"actions": set(), "slots": set(), "responses": set()}
    for file in files:
        content: Any = YAML(typ="safe").load(file.read_text(encoding="utf-8"))
        if not isinstance(content, Mapping):
            continue
        for section, names in declared.items():
            listed = content.get(section) or ()
            names |= {next(iter(one)) if isinstance(one, Mapping) else str(one) for one in listed}
    return declared
