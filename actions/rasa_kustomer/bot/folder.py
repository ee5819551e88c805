"""A bot's folder: its configuration, domain, data, endpoints and actions, wherever Rasa would read them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rasa_kustomer.bot.classes import Namesake, namesakes
from rasa_kustomer.bot.config import Config, read_config
from rasa_kustomer.bot.dialogue import DIALOGUE_SNIPPETS, FLOW_SNIPPET, OUR_INTENTS, Use, same_flows, uses
from rasa_kustomer.bot.domain import read_domain
from rasa_kustomer.bot.files import ENDINGS, Block, Items, Problem, Reader, bot_files, either, yaml_files

SNIPPETS = {
    *DIALOGUE_SNIPPETS,
    "kustomer_domain.yml",
    "kustomer_nlu.yml",
    "kustomer_domain_calm.yml",
    FLOW_SNIPPET,
}
DATA = {"rules", "stories", "flows", "nlu"}
# Looked for in the text first, so that files of other programs are not read as YAML.
SECTIONS = re.compile(r"""^[\s{,]*["']?(pipeline|policies|recipe|rules|stories|flows|nlu)["']?\s*:""", re.MULTILINE)


class NotABotError(Exception):
    """The folder holds nothing that Rasa would train; the message says what was looked for."""


@dataclass(frozen=True)
class Bot:
    """What was read from a bot's folder.

    Attributes:
        is_calm: Whether it runs flows; None when neither a configuration nor flows show it.
        domain: The bot's own domain files.
        slots: Of these; None when one of them could not be read.
        data: Files of training data with their content, also ours.
        taught: Our intents that the bot has examples of already, with the file.
        endpoints: The file, if there is one.
        endpoint: The section `action_endpoint` in it.
        namesakes: Action classes that have a name of ours.
        problems: What could not be read.
    """

    folder: Path
    config: Config
    is_calm: bool | None
    domain: list[Path]
    slots: frozenset[str] | None
    data: Mapping[Path, Block]
    taught: Mapping[str, Path]
    endpoints: Path | None
    endpoint: object
    namesakes: list[Namesake]
    problems: list[Problem]

    @property
    def has_rules(self) -> bool:
        """Whether its policies, or Rasa's default ones, follow rules."""
        return not self.config.policies or "RulePolicy" in self.config.policies

    def uses(self, more: Iterable[Path] = ()) -> list[Use]:
        """Each use of our intents in its rules and stories, and in files that it will have."""
        return uses(self._with(more), Reader())

    def same_flows(self, more: Iterable[Path] = ()) -> list[str]:
        """Its flows that have the name of a flow of ours, also of one that it will have."""
        return same_flows(self._with(more), self.folder)

    def _with(self, more: Iterable[Path]) -> dict[Path, Block]:
        return {**self.data, **{file: Reader().mapping(file) for file in more}}


def read_bot(folder: Path) -> Bot:
    """Read a bot's folder.

    Raises:
        NotABotError: There is no configuration, no domain and no flow.
    """
    reader, domains = Reader(), _domains(folder)
    nothing = NotABotError(f"{folder} is not a Rasa bot: it has no config.yml, no domain.yml and no folder domain")
    if not (domains or either(folder, "config") or (folder / "data").is_dir()):
        raise nothing  # before the whole of some other folder is searched
    elsewhere = _elsewhere(folder)
    config = read_config(folder, elsewhere, reader)
    data = {file: reader.mapping(file, ignored=True) for file in yaml_files(folder / "data")}
    data |= {file: content for file, content in elsewhere.items() if content.keys() & DATA}
    flows = any(content.get("flows") for file, content in data.items() if file.name not in SNIPPETS)
    if not (config.files or either(folder, "config") or domains or flows):
        raise nothing
    domain = [file for place in domains for file in yaml_files(place)]
    slots = read_domain(domain, reader)["slots"]
    uses(data, reader)  # for what it cannot read
    endpoints = next(iter(either(folder, "endpoints")), None)
    same_names, no_python = namesakes(bot_files(folder, ".py"))
    return Bot(
        folder=folder,
        config=config,
        is_calm=True if flows or config.has_flows else False if config.files else None,
        domain=[file for file in domain if file.name not in SNIPPETS],
        slots=None if any(map(reader.failed, domain)) else frozenset(slots),
        data=data,
        taught=_taught(data, reader),
        endpoints=endpoints,
        endpoint=reader.mapping(endpoints).get("action_endpoint") if endpoints else None,
        namesakes=same_names,
        problems=[*dict.fromkeys(reader.problems), *(one for one in no_python if _among_actions(one.file, folder))],
    )


def _domains(folder: Path) -> list[Path]:
    return [*either(folder, "domain"), *([folder / "domain"] if (folder / "domain").is_dir() else [])]


def _elsewhere(folder: Path) -> dict[Path, Block]:
    """Files outside the places that Rasa reads by default, which may be what it is told to read."""
    usual = {folder / "data", folder / "domain", *either(folder, "config")}
    reader, found = Reader(), {}
    for file in bot_files(folder, *ENDINGS):
        if not usual & {file, *file.parents} and SECTIONS.search(reader.text(file) or ""):
            found[file] = reader.mapping(file, ignored=True)
    return found


def _taught(data: Mapping[Path, Block], reader: Reader) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for file, content in data.items():
        listed = reader.section(file, content, "nlu", Items) if content.get("nlu") is not None else Items()
        for entry in listed if file.name not in SNIPPETS else []:
            name = entry.get("intent") if isinstance(entry, Block) else None
            if isinstance(name, str) and name in OUR_INTENTS:
                found.setdefault(name, file)
    return found


def _among_actions(file: Path, folder: Path) -> bool:
    return file.relative_to(folder).parts[0] in {"actions", "actions.py"}
