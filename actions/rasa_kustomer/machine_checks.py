"""What the checklist finds on this machine: variables, the way to Kustomer, the outbox."""

import os
import time
from collections.abc import Set as AbstractSet
from pathlib import Path

from rasa_kustomer.conversation.names import folded
from rasa_kustomer.finding import Finding
from rasa_kustomer.kustomer.network import Network, NetworkSettingError, read_network
from rasa_kustomer.outbox import Outbox, OutboxUnavailableError
from rasa_kustomer.outbox_address import instead_of
from rasa_kustomer.settings import Settings, doubtful_variables, exposed_browser_keys

WRITABLE = "Choose a folder that the bot may write to."
WORKER_SECONDS = 120.0  # a worker that runs needs seconds, so something has waited too long after this
BUILT_IN_SLOTS = frozenset({"requested_slot", "session_started_metadata"})  # Rasa's own, in every domain


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
    if instead := instead_of(settings.outbox_url):
        found.append(Finding("outbox", "warn", f"KUSTOMER_OUTBOX_URL: {instead}"))
    found += [Finding("variables", "warn", line) for line in doubtful_variables()]
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
    if outbox.path is not None:
        if problem := unwritable(outbox.path):
            return Finding("outbox", "fail", f"KUSTOMER_OUTBOX_URL cannot be used: {problem}. {WRITABLE}")
        if not outbox.path.exists():
            return Finding("outbox", "ok", f"{outbox.place} is made when the first turn is recorded")
    try:
        counts = await outbox.counts()
    except OutboxUnavailableError as error:
        advice = WRITABLE if outbox.path else f"Look at {outbox.place}."
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


def unwritable(file: Path) -> str | None:
    """Why the outbox's file could not be written or made; None when it could. Makes nothing."""
    if file.exists() and not os.access(file, os.W_OK):
        return f"{file} cannot be written"
    folder = next(one for one in file.absolute().parents if one.exists())
    if not folder.is_dir():
        return f"{folder} is no folder"
    return None if os.access(folder, os.W_OK | os.X_OK) else f"the folder {folder} cannot be written"


def read_machine(settings: Settings) -> tuple[Network | None, list[Finding]]:
    """How Kustomer is reached, None when the plugin is off or a variable cannot be used; and what was found."""
    if settings.off_because:
        return None, []
    try:
        network = read_network(settings.api_url or "")
    except NetworkSettingError as error:
        return None, [Finding("network", "fail", str(error))]
    return network, [Finding("network", "warn", line) for line in network.skipped]


def check_hidden_slots(hidden: tuple[str, ...], declared: AbstractSet[str] | None) -> list[Finding]:
    """Whether each slot that is to be hidden is one; a misspelt one would be shown."""
    if not hidden or declared is None:
        return []
    known = {folded(name) for name in declared | BUILT_IN_SLOTS}
    return [
        Finding(
            "hidden slots",
            "fail",
            f"KUSTOMER_NOTE_HIDDEN_SLOTS: {name} is no slot of the domain, so another one may be shown in its place.",
        )
        for name in hidden
        if folded(name) not in known
    ]
