"""A bot's configuration, wherever it lies, and whether the bot runs flows (CALM) or rules and stories."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rasa_kustomer.bot.files import Block, Items, Reader, either

# Components that only work with flows. A component of the designer's own has such a word somewhere in its path.
CALM = re.compile(
    r"flow_?policy|command_?generator|nlu_?command_?adapter|(llm|intent)_?based_?router|enterprise_?search",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Config:
    """What Rasa trains the bot with.

    Attributes:
        files: The configurations that were read; `config.yml` or `config.yaml` if there is one, else those elsewhere.
        components: Names in their pipelines and policies.
        policies: Plain names of the policies; empty means Rasa's default, which works with rules and stories.
    """

    files: tuple[Path, ...]
    components: frozenset[str]
    policies: frozenset[str]

    @property
    def has_flows(self) -> bool:
        """Whether a component works with flows."""
        return any(CALM.search(name) for name in self.components)


def read_config(folder: Path, elsewhere: Mapping[Path, Block], reader: Reader) -> Config:
    """Read the configuration of a bot; `elsewhere` are further files that may be one."""
    main = {file: reader.mapping(file) for file in either(folder, "config")}
    read = {file: content for file, content in main.items() if not reader.failed(file)}
    found = read or {file: content for file, content in elsewhere.items() if _is_config(content)}
    policies = frozenset(name for content in found.values() for name in _names(content, "policies"))
    pipeline = frozenset(name for content in found.values() for name in _names(content, "pipeline"))
    return Config(tuple(found), pipeline | policies, frozenset(name.rsplit(".", 1)[-1] for name in policies))


def _is_config(content: Block) -> bool:
    """Other programs have a `pipeline` too."""
    named = any(CALM.search(name) for name in _names(content, "pipeline"))
    return named or bool(content.keys() & {"recipe", "policies"}) or {"language", "pipeline"} <= content.keys()


def _names(content: Block, section: str) -> Iterator[str]:
    listed = content.get(section)
    for one in listed if isinstance(listed, Items) else []:
        name = one.get("name") if isinstance(one, Block) else one
        if isinstance(name, str):
            yield name
