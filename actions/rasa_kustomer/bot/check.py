"""What `rasa-kustomer check` finds in a bot's folder beside its domain."""

from collections.abc import Iterator
from pathlib import Path

from rasa_kustomer.bot.dialogue import contradictions, exceptions
from rasa_kustomer.bot.folder import Bot, NotABotError, read_bot
from rasa_kustomer.finding import Finding, Level, fail, ok, warn


def check_bot(folder: Path, domain: Path | None) -> Iterator[Finding]:
    """Rules, stories and actions that conflict with ours; nothing where there is no bot.

    Args:
        folder: Of the bot, maybe.
        domain: What was checked already, so that its files are not named again.
    """
    try:
        bot = read_bot(folder)
    except NotABotError:
        return
    findings = list(_conflicts(bot, domain))
    yield from findings or [ok("bot's files", "rules, stories and actions work together with ours")]


def _conflicts(bot: Bot, domain: Path | None) -> Iterator[Finding]:
    checked = domain and domain.resolve()
    for problem in bot.problems:
        if checked not in {path.resolve() for path in (problem.file, *problem.file.parents)}:
            level: Level = "warn" if problem.file.suffix == ".py" else "fail"
            yield Finding("bot's files", level, problem.at(bot.folder))
    uses = bot.uses() if bot.has_rules else []
    for use in contradictions(uses):
        yield fail("rules", f"{use.said(bot.folder)} continues differently from ours, which Rasa refuses: keep one")
    for use in exceptions(uses):
        yield warn("rules", f"{use.said(bot.folder)} overrides our rules under its conditions: no ticket then")
    for flow in bot.same_flows():
        yield fail("flows", f"{flow} is also the name of one of our flows, which Rasa refuses: keep one")
    yield from (warn("actions", namesake.said(bot.folder)) for namesake in bot.namesakes)
