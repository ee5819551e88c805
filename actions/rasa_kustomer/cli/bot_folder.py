"""A designer's Rasa bot as it lies on disk, and what it still needs for Kustomer."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from rasa_kustomer.settings import Settings, SettingsError, load_settings

OUR_FILES = "kustomer_*"
OUR_INTENTS = ("human_handoff", "ticket_status", "problem_solved")
IMPORT_LINE = "from rasa_kustomer.actions import *"


class NotABotError(Exception):
    """The folder holds nothing that Rasa would train; the message says what was looked for."""


@dataclass(frozen=True)
class Bot:
    """What was read from a bot's folder; files that are not readable YAML count as empty (Rasa complains of them).

    Attributes:
        folder: Where `config.yml` and the domain are.
        config: Content of `config.yml`.
        endpoints: Content of `endpoints.yml`, or None when there is none.
        slots: Names of the slots in the bot's own domain files.
        taught: Our intents that the bot has examples of already, with the file.
    """

    folder: Path
    config: Mapping[str, Any]
    endpoints: Mapping[str, Any] | None
    slots: frozenset[str]
    taught: Mapping[str, Path]

    @property
    def policies(self) -> frozenset[str]:
        """Names of the policies in `config.yml`; empty means Rasa's default, which works with rules and stories."""
        listed = self.config.get("policies")
        named = [one.get("name") for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
        return frozenset(str(name).rsplit(".", 1)[-1] for name in named)

    @property
    def is_calm(self) -> bool:
        """Whether the bot runs flows."""
        return "FlowPolicy" in self.policies


def read_bot(folder: Path) -> Bot:
    """Read a bot's folder.

    Raises:
        NotABotError: There is neither `config.yml` nor a domain.
    """
    domain = [folder / "domain.yml", *_yaml_files(folder / "domain")]
    if not any((folder / name).exists() for name in ("config.yml", "domain.yml", "domain")):
        raise NotABotError(f"{folder} is not a Rasa bot: it has neither config.yml nor domain.yml nor a domain folder")
    endpoints = folder / "endpoints.yml"
    return Bot(
        folder=folder,
        config=_read(folder / "config.yml"),
        endpoints=_read(endpoints) if endpoints.exists() else None,
        slots=frozenset(name for file in domain for name in _mapping(_read(file).get("slots"))),
        taught=_taught(folder),
    )


def left_to_do(bot: Bot, *, calm: bool, endpoints_copied: bool) -> list[str]:
    """The steps that remain for exactly this bot, in their order; each is one paragraph."""
    steps = [
        *_domain(bot, calm=calm),
        *([] if calm else _rules(bot)),
        *_actions(bot),
        *([] if endpoints_copied else _endpoint(bot)),
        *_identity(bot),
        *_settings(bot),
    ]
    option = "" if calm else " --domain domain"  # Rasa Pro finds the folder by itself
    return [*steps, f"Train the bot: rasa train{option}. Then look whether all is well: rasa-kustomer check{option}"]


def _domain(bot: Bot, *, calm: bool) -> Iterator[str]:
    if (bot.folder / "domain.yml").exists():
        yield "Rasa reads one domain file or one folder. Move yours beside the new one: mv domain.yml domain/" + (
            "" if calm else "\nFrom then on give the folder to rasa train, rasa test and rasa data: --domain domain"
        )


def _rules(bot: Bot) -> Iterator[str]:
    if bot.policies and "RulePolicy" not in bot.policies:
        yield "Add to `policies` in config.yml, or else data/kustomer_rules.yml has no effect: - name: RulePolicy"
    for intent, file in bot.taught.items():
        yield (
            f"Your bot knows the intent {intent} from {file} already; both sets of examples are learned. If you have a"
            f" rule for {intent} too, Rasa refuses to train: keep yours or the one in data/kustomer_rules.yml"
        )


def _actions(bot: Bot) -> Iterator[str]:
    package, module = bot.folder / "actions", bot.folder / "actions.py"
    sources = [module] if module.is_file() else sorted(package.rglob("*.py"))
    if not sources:
        yield "Start the action server: python -m rasa_sdk --actions rasa_kustomer.actions"
    elif not any("rasa_kustomer" in _text(source) for source in sources):
        file = "actions.py" if module.is_file() else "actions/__init__.py"
        yield f"Add to {file}: {IMPORT_LINE}\nThen start the action server: python -m rasa_sdk --actions actions"


def _endpoint(bot: Bot) -> Iterator[str]:
    endpoint = bot.endpoints.get("action_endpoint") if bot.endpoints is not None else None
    if not endpoint:
        yield (
            "Add to endpoints.yml where the action server answers:\naction_endpoint:\n"
            '  url: "http://localhost:5055/webhook"'
        )
    elif isinstance(endpoint, Mapping) and endpoint.get("enable_selective_domain"):
        yield "Delete enable_selective_domain from endpoints.yml: with rasa-sdk 3.9 and later all actions fail with it"


def _identity(bot: Bot) -> Iterator[str]:
    fields = Settings.model_fields
    names = [str(fields[f"slot_{field}"].default) for field in ("customer_id", "email", "phone")]
    if not bot.slots & set(names):
        yield (
            f"Your bot has no slot named {', '.join(names[:-1])} or {names[-1]}: its users stay anonymous in Kustomer,"
            " unless your channel sends these as metadata. A form that asks for one is best followed by"
            " action_kustomer_identify"
        )


def _settings(bot: Bot) -> Iterator[str]:
    try:
        reason = load_settings(bot.folder / ".env").off_because
    except SettingsError as error:
        yield "Mend the settings in the environment or .env:\n" + "\n".join(error.problems)
        return
    if reason is not None:
        yield f"Put the settings into .env or the action server's environment; so far the plugin does nothing: {reason}"


def _taught(folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for file in _yaml_files(folder / "data"):
        listed = _read(file).get("nlu")
        for entry in listed if isinstance(listed, list) else []:
            name = entry.get("intent") if isinstance(entry, Mapping) else None
            if name in OUR_INTENTS:
                found.setdefault(name, file.relative_to(folder))
    return found


def _yaml_files(folder: Path) -> list[Path]:
    return sorted(
        path for ending in ("yml", "yaml") for path in folder.rglob(f"*.{ending}") if not path.match(OUR_FILES)
    )


def _read(file: Path) -> Mapping[str, Any]:
    try:
        return _mapping(YAML(typ="safe").load(_text(file)))
    except YAMLError:
        return {}


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
