"""Lets `rasa run actions` and `python -m rasa_sdk --actions actions` work from the repository root.

The empty `__path__` keeps `actions.rasa_kustomer` from ever being imported as a second copy of `rasa_kustomer`.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

if find_spec("rasa_kustomer") is None:  # a checkout that was not pip-installed
    sys.path.insert(0, str(Path(__file__).parent))

from rasa_kustomer.actions import *

__path__: list[str] = []
