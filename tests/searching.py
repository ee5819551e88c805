"""How far property tests search: a few fixed examples in `make test`, many random ones in `make chaos`."""

import os

from hypothesis import settings

EXAMPLES = "RASA_KUSTOMER_EXAMPLES"
"""How many examples a property test tries at least, chosen at random; unset, each tries the same few every time."""

_WIDE = int(os.environ.get(EXAMPLES, "0"))


def examples(few: int) -> int:
    """For `settings(max_examples=...)`: so few in `make test`, and as many as the wide search wants in `make chaos`."""
    return max(few, _WIDE)


def choose_profile() -> None:
    """Make `make test` and a plain `pytest` give the same result every time, on every machine."""
    settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
    settings.register_profile("wide", max_examples=examples(100), database=None, deadline=None, print_blob=True)
    settings.load_profile("wide" if _WIDE else "repeatable")
