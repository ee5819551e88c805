"""What `rasa-kustomer check` finds in a bot's folder beside its domain."""

from pathlib import Path

from rasa_kustomer.bot.dialogue import contradictions, exceptions
from rasa_kustomer.bot.folder import NotABotError, read_bot
from rasa_kustomer.finding import Finding


def check_bot(folder: Path, domain: Path | None) -> list[Finding]:
    """Rules, stories and actions that do not go together with ours; nothing where there is no bot.

    Args:
        folder: Of the bot, maybe.
        domain: What was checked already, so that its files are not named again.
    """
    try:
        bot = read_bot(folder)
    except NotABotError:
        return []
    findings = [
        Finding("bot's files", "warn" if problem.file.suffix == ".py" else "fail", problem.at(folder))
        for problem in bot.problems
        if domain is None or domain.resolve() not in {one.resolve() for one in (problem.file, *problem.file.parents)}
    ]
    uses = bot.uses() if bot.has_rules else []
    findings += [
        Finding(
            "rules", "fail", f"{use.said(folder)} goes on otherwise than our rules: Rasa refuses. Keep one of the two"
        )
        for use in contradictions(uses)
    ]
    findings += [
        Finding(
            "rules", "warn", f"{use.said(folder)} goes before our rules under its conditions: no ticket is made there"
        )
        for use in exceptions(uses)
    ]
    findings += [
        Finding("flows", "fail", f"{flow} is the name of a flow of ours too: Rasa refuses. Keep one of the two")
        for flow in bot.same_flows()
    ]
    findings += [Finding("actions", "warn", one.said(folder)) for one in bot.namesakes]
    return findings or [Finding("bot's files", "ok", "rules, stories and actions go together with ours")]
