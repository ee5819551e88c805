"""How far property tests search: a few fixed examples in `make test`, many random ones in `make chaos`."""

import os

from hypothesis import HealthCheck, settings

EXAMPLES = "RASA_KUSTOMER_EXAMPLES"
"""How many examples a property test tries at least, chosen at random; unset, each tries the same few every time."""

_WIDE = int(os.environ.get(EXAMPLES, "0"))


def examples(few: int) -> int:
    """For `settings(max_examples=...)`: so few in `make test`, and as many as the wide search wants in `make chaos`."""
    return max(few, _WIDE)


def choose_profile() -> None:
    """Make `make test` and a plain `pytest` give the same result every time, on every machine.

    Every choice is written out: where CI is set, Hypothesis has other defaults. Nothing depends on the machine's speed.
    """
    settings.register_profile(
        "repeatable", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.register_profile(
        "wide",
        settings.get_profile("repeatable"),
        derandomize=False,
        max_examples=examples(100),
        print_blob=True,
    )
    settings.load_profile("wide" if _WIDE else "repeatable")
