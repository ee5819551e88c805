"""Settings out of what the environment and `.env` hold, or one line for each problem.

Precedence: environment over `.env` over default. Invalid values are rejected, never coerced.
"""

import difflib
import os
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from rasa_kustomer.settings.environment import HIDDEN_SLOTS, PREFIX, Variables, read_variables
from rasa_kustomer.settings.fields import SWITCHED_OFF, Settings

DEFAULT_ENV_FILE = Path(".env")
_KEY = f"{PREFIX}API_KEY"
_NEAR = 0.75  # how alike two names must be for one to be offered for the other
_FOREIGN_NEAR = 0.9  # the same for a name without our prefix


class SettingsError(ValueError):
    """The settings cannot be used as they are.

    Attributes:
        problems: One readable line per problem, each naming its variable. Never holds a secret's value.
        disabled_reason: Why the plugin is off in any case, so that the problems need not stop the server; None when
            it is on.
    """

    def __init__(self, problems: list[str], *, disabled_reason: str | None = None) -> None:
        self.problems = problems
        self.disabled_reason = disabled_reason
        super().__init__("\n".join(problems))


def load_settings(env_file: Path | Literal["default"] | None = "default") -> Settings:
    """Read the settings.

    Args:
        env_file: The `.env` file to read; None reads the environment only.

    Raises:
        SettingsError: At least one value is malformed.
    """
    found = read_variables(DEFAULT_ENV_FILE if env_file == "default" else env_file)
    problems = found.problems + [
        f"{name} ({place}) is not a setting: did you mean {HIDDEN_SLOTS}? Example: {HIDDEN_SLOTS}=iban"
        for name, (place, meant) in _misspelt(found).items()
        if meant == HIDDEN_SLOTS
    ]
    given = {name: found.values[one] for one, name in _variables().items() if one in found.values}
    try:
        settings = Settings(**given)  # type: ignore[arg-type]  # pydantic makes what it needs of texts
    except ValidationError as error:
        problems += [_problem(item) for item in error.errors(include_url=False, include_input=False)]
    if problems:
        raise SettingsError(problems, disabled_reason=_disabled_reason(found))
    return settings


def _variables() -> dict[str, str]:
    """Each setting's variable and field."""
    return {f"{PREFIX}{name.upper()}": name for name in Settings.model_fields}


def _disabled_reason(found: Variables) -> str | None:
    """Why the plugin is off, whatever else is wrong; a key that is there and cannot be read is no such reason."""
    try:
        if TypeAdapter(bool).validate_python(found.values.get(f"{PREFIX}ENABLED", "true")) is False:
            return SWITCHED_OFF
    except ValidationError:
        pass  # one of the problems
    given = _KEY in found.values or any(_KEY in problem for problem in found.problems)
    return None if given else f"{_KEY} not set"


def _misspelt(found: Variables) -> dict[str, tuple[str, str | None]]:
    """Names that seem to be meant for a setting and are none, with their place and the nearest setting."""
    known = _variables()
    misspelt: dict[str, tuple[str, str | None]] = {}
    for name, place in found.places.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=_NEAR)
            misspelt[name] = (place, near[0] if near else None)
    for name, place in found.foreign.items():
        near = difflib.get_close_matches(name, known, n=1, cutoff=_FOREIGN_NEAR)
        if near and f"_{PREFIX}" not in name:  # else it is another program's, such as a front-end build's
            misspelt[name] = (place, near[0])
    return misspelt


def doubtful_variables() -> list[str]:
    """One line for each variable that is not one of ours, or may be read differently from what was meant."""
    found = read_variables(DEFAULT_ENV_FILE)
    return found.notes + [
        f"{name} ({place}) is not a setting of the plugin; "
        + (f"did you mean {meant}?" if meant else "see .env.template for the valid ones")
        for name, (place, meant) in _misspelt(found).items()
    ]


def _problem(item: Any) -> str:
    name = str(item["loc"][0])
    what = str(item["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    field = Settings.model_fields[name]
    return f"{PREFIX}{name.upper()}: {what}. Example: {PREFIX}{name.upper()}={(field.examples or [''])[0]}"


def exposed_browser_keys() -> list[str]:
    """Names of `VITE_KUSTOMER_*` variables that are set.

    The plugin never reads them. A front-end build ships every `VITE_` variable to browsers, so a key that
    stands in one must be replaced in Kustomer.
    """
    return sorted(name for name in os.environ if name.startswith("VITE_KUSTOMER_"))
