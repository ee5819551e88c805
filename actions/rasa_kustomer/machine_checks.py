"""The part of the checklist about this machine: variables, the way to Kustomer, the outbox."""

import os
import shlex
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from rasa_kustomer.finding import Finding, fail, ok, warn
from rasa_kustomer.kustomer.network import Network, NetworkSettingError, read_network
from rasa_kustomer.outbox import Access, Outbox, OutboxUnavailableError
from rasa_kustomer.outbox_address import file_of, instead_of
from rasa_kustomer.settings import Settings, doubtful_variables, exposed_browser_keys
from rasa_kustomer.settings.loading import DEFAULT_ENV_FILE

OTHERS_READ = stat.S_IRGRP | stat.S_IROTH
WORKER_SECONDS = 120.0  # a running worker needs seconds, so something has been pending for too long after this


def check_environment(settings: Settings) -> Iterator[Finding]:
    """Switches, missing settings, and keys that a front-end build may have published."""
    if settings.disabled_reason:
        yield fail(
            "settings", f"The plugin does nothing: {settings.disabled_reason}. Fix that in .env (.env.template)."
        )
    else:
        yield ok("settings", f"Kustomer is at {settings.api_url}")
    if not settings.enable_sync:
        yield warn("mirror", "KUSTOMER_ENABLE_SYNC is false: turns are not mirrored, only handoffs.")
    if (share := settings.rollout_percent) < 100:
        yield warn("rollout", f"KUSTOMER_ROLLOUT_PERCENT: only {share} % of the senders are served.")
    if instead := instead_of(settings.outbox_url):
        yield warn("outbox", f"KUSTOMER_OUTBOX_URL: {instead}")
    yield from check_variables()
    for name in exposed_browser_keys():
        yield warn(
            "browser keys",
            f"{name} is set. That prefix ships its value to browsers: make a new key in Kustomer, delete the old one,"
            " and remove the variable.",
        )


def check_variables() -> Iterator[Finding]:
    """Variables that are not read, or not as they may have been meant."""
    yield from (warn("variables", line) for line in doubtful_variables())


def check_files(settings: Settings) -> Iterator[Finding]:
    """Files with the key or with what customers said, which nobody else on this machine should read."""
    for file in (DEFAULT_ENV_FILE, file_of(settings.outbox_url)):
        if file and file.is_file() and file.stat().st_mode & OTHERS_READ:
            cure = f"chmod 600 {shlex.quote(str(file))}"
            yield warn("files", f"{file} can be read by other users of this machine: {cure}")


def check_network(settings: Settings) -> tuple[Network | None, list[Finding]]:
    """How Kustomer is reached, None when the plugin is off or a variable cannot be used; and what was found."""
    if settings.disabled_reason:
        return None, []
    try:
        network = read_network(settings.api_url or "")
    except NetworkSettingError as error:
        return None, [fail("network", str(error))]
    return network, [warn("network", line) for line in network.skipped]


async def check_outbox(settings: Settings) -> Finding:
    """Whether the outbox works here, and whether a worker delivers it where the action server does not."""
    outbox = Outbox(settings.outbox_url, access=Access.LOOK)
    try:
        return await _check(outbox, external=settings.courier == "external")
    except OutboxUnavailableError as error:
        advice = "Choose a folder that the bot may write to." if outbox.path else f"Check {outbox.place}."
        return fail("outbox", f"KUSTOMER_OUTBOX_URL cannot be used: {error}. {advice}")
    finally:
        await outbox.close()


async def _check(outbox: Outbox, *, external: bool) -> Finding:
    if outbox.path is not None:
        if problem := _unwritable(outbox.path):
            raise OutboxUnavailableError(problem)
        if not outbox.path.exists():
            return ok("outbox", f"{outbox.place} is created with the first turn")
    counts = await outbox.counts()
    waits = 0.0 if counts.oldest_pending_at is None else time.time() - counts.oldest_pending_at
    if external and waits > WORKER_SECONDS:
        return warn(
            "outbox",
            f"KUSTOMER_COURIER is external and the oldest record has been pending for {waits / 60:.0f} minutes:"
            " is rasa-kustomer worker running?",
        )
    if counts.dead:
        return warn("outbox", f"Kustomer rejected {counts.dead} records: rasa-kustomer outbox list --dead")
    return ok("outbox", f"{outbox.place}: {counts.pending} records pending")


def _unwritable(file: Path) -> str | None:
    """Why the outbox's file cannot be written or created; None when it can. Creates nothing."""
    if file.exists() and not os.access(file, os.W_OK):
        return f"{file} cannot be written"
    folder = next(parent for parent in file.absolute().parents if parent.exists())
    if not folder.is_dir():
        return f"{folder} is not a folder"
    return None if os.access(folder, os.W_OK | os.X_OK) else f"the folder {folder} cannot be written"
