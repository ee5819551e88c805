"""Where the scenarios are kept, by name."""

from collections.abc import Awaitable, Callable

from tests.golden.plant import Plant

Scenario = Callable[[Plant], Awaitable[None]]
SCENARIOS: dict[str, Scenario] = {}


def scenario(play: Scenario) -> Scenario:
    """Enter a scenario under the name of its function; its golden file bears the same name."""
    name = play.__name__.strip("_")
    assert name not in SCENARIOS, name
    SCENARIOS[name] = play
    return play
