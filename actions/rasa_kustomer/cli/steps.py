"""What a bot still needs for Kustomer, as steps to follow; no step may lose the designer's work."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from rasa_kustomer.bot.dialogue import contradictions, exceptions
from rasa_kustomer.bot.files import either, place
from rasa_kustomer.bot.folder import Bot
from rasa_kustomer.cli.common import command, move
from rasa_kustomer.settings import Settings, SettingsError, load_settings

IMPORT_LINE = "from rasa_kustomer.actions import *"
IMPORTED = re.compile(r"^\s*(from|import)\s+rasa_kustomer\b", re.MULTILINE)
RULES, STORIES, FLOWS = "data/kustomer_rules.yml", "data/kustomer_stories.yml", "data/kustomer_flows.yml"


def left_to_do(bot: Bot, *, calm: bool, dialogue: Iterable[Path]) -> list[str]:
    """The steps that remain for exactly this bot, in their order; each is one paragraph.

    Args:
        bot: As it was before anything was copied.
        calm: Whether it gets flows.
        dialogue: Our rules and stories, or flows, that were copied since.
    """
    return [
        *(f"Fix {problem.at(bot.folder)}" for problem in bot.problems),
        *_domain(bot, calm=calm),
        *(_flows(bot, dialogue) if calm else _rules(bot, dialogue)),
        *_actions(bot),
        *(one.said(bot.folder) for one in bot.namesakes),
        *_endpoint(bot),
        *_identity(bot),
        *_settings(bot),
        _training(bot, calm=calm),
    ]


def _domain(bot: Bot, *, calm: bool) -> Iterator[str]:
    taken: set[Path] = set()
    names = [file.relative_to(bot.folder) for file in either(bot.folder, "domain")]
    both = bool(names) and any(bot.folder / "domain" in file.parents for file in bot.domain)
    for name in names:
        target = _free(bot.folder, Path("domain", name.name), taken)
        taken.add(target)
        link = (bot.folder / name).is_symlink()
        yield (
            "Rasa reads one domain file or one folder. "
            + (f"{name} is a link: put a link or a copy of its own into the folder domain" if link else
               f"Move yours beside the new one: {move(name, target)}")
            + ("\nThe folder domain already has files of yours; Rasa then reads them all together, so review them"
               if both else "")
            + ("" if calm else "\nFrom then on give the folder to rasa train, rasa test and rasa data: --domain domain")
        )  # fmt: skip
    if not bot.domain:
        yield (
            "No domain of yours was found in domain.yml, domain.yaml or the folder domain. If it is elsewhere, put the"
            " new file beside it and name that folder wherever these steps say --domain domain"
        )


def _free(folder: Path, target: Path, taken: set[Path]) -> Path:
    """The target, or the next name like it that nothing has."""
    number = 2
    free = target
    while free in taken or os.path.lexists(folder / free):
        free = target.with_name(f"{target.stem}_{number}{target.suffix}")
        number += 1
    return free


def _rules(bot: Bot, dialogue: Iterable[Path]) -> Iterator[str]:
    if not bot.has_rules:
        name = bot.config.files[0].relative_to(bot.folder)
        yield f"Add to `policies` in {name}, or else {RULES} has no effect: - name: RulePolicy"
    found = bot.uses(dialogue)
    if clashing := contradictions(found):
        yield (
            f"Rasa refuses to train these beside what {RULES} and {STORIES} say of the same intents. For each intent"
            " keep one: change yours so that it does what ours does, or delete the intent from both files of ours:\n"
            + "\n".join(use.said(bot.folder) for use in clashing)
        )
    if narrow := exceptions(found):
        yield (
            "These rules of yours override ours under their conditions; no ticket is created there. If you want one,"
            " use our action in them:\n" + "\n".join(use.said(bot.folder) for use in narrow)
        )
    for intent, file in bot.taught.items():
        yield f"Your bot has examples of {intent} in {place(file, None, bot.folder)}; both are trained together"


def _flows(bot: Bot, dialogue: Iterable[Path]) -> Iterator[str]:
    if same := bot.same_flows(dialogue):
        yield (
            f"Rasa refuses two flows of one name. Put our action into yours and delete ours from {FLOWS}:\n"
            + "\n".join(same)
        )


def _actions(bot: Bot) -> Iterator[str]:
    package, module = bot.folder / "actions", bot.folder / "actions.py"
    single = module.is_file() and not (package / "__init__.py").is_file()  # as Python chooses between the two
    sources = [module] if single else sorted(package.rglob("*.py"))
    if not sources:
        yield f"Start the action server: {command('python', '-m', 'rasa_sdk', '--actions', 'rasa_kustomer.actions')}"
    elif not any(IMPORTED.search(_text(source)) for source in sources):
        file = "actions.py" if single else "actions/__init__.py"
        yield f"Add to {file}: {IMPORT_LINE}\nThen start the action server: python -m rasa_sdk --actions actions"


def _text(source: Path) -> str:
    try:
        return source.read_text("utf-8", "replace")
    except OSError:
        return ""


def _endpoint(bot: Bot) -> Iterator[str]:
    if bot.endpoints is None or any(problem.file == bot.endpoints for problem in bot.problems):
        return
    name = bot.endpoints.name
    if not bot.endpoint:
        yield f'Put into {name} where the action server answers:\naction_endpoint:\n  url: "http://localhost:5055/webhook"'
    elif isinstance(bot.endpoint, Mapping) and bot.endpoint.get("enable_selective_domain"):
        yield f"Delete enable_selective_domain from {name}: with rasa-sdk 3.9 and later it makes every action fail"
    if name != "endpoints.yml":
        yield f"Rasa looks for endpoints.yml only. Start it with the name of yours: rasa run --endpoints {name}"


def _identity(bot: Bot) -> Iterator[str]:
    fields = Settings.model_fields
    names = [str(fields[f"slot_{field}"].default) for field in ("customer_id", "email", "phone")]
    if bot.slots is not None and not bot.slots & set(names):
        yield (
            f"Your bot has no slot named {', '.join(names[:-1])} or {names[-1]}: its users stay anonymous in Kustomer,"
            " unless your channel sends these as metadata. A form that asks for one is best followed by"
            " action_kustomer_identify"
        )


def _settings(bot: Bot) -> Iterator[str]:
    try:
        reason = load_settings(bot.folder / ".env").disabled_reason
    except SettingsError as error:
        yield "Fix the settings in the environment or .env:\n" + "\n".join(error.problems)
        return
    if reason is not None:
        yield f"Put the settings into .env or the action server's environment; so far the plugin does nothing: {reason}"


def _training(bot: Bot, *, calm: bool) -> str:
    domain = [] if calm else ["--domain", "domain"]  # Rasa Pro finds the folder by itself
    config = [file.relative_to(bot.folder) for file in bot.config.files]
    other = len(config) > 0 and config[0] != Path("config.yml")
    train = command("rasa", "train", *domain, *(["--config", str(config[0])] if other else []))
    more = f" (or another of your configurations: {', '.join(map(str, config[1:]))})" if other and config[1:] else ""
    return f"Train the bot: {train}{more}. Then verify: rasa-kustomer check --domain domain"
