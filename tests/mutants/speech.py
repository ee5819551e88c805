"""What was said, on which channel, and what is carried into the next session."""

from tests.mutants.mutant import Mutant

CONVERSATION = "actions/rasa_kustomer/conversation"

MUTANTS = [
    Mutant(
        "F10: several turns that are taken back in a row are taken back one by one",
        f"{CONVERSATION}/carried.py",
        """            _take_back(steps, _USER)
            _take_back(steps, _ACTION)
""",
        """            _take_back(steps, _USER)
""",
        "tests/conversation/test_carried.py",
    ),
    Mutant(
        "F10: a form's repeated runs are one for what takes a turn back",
        f"{CONVERSATION}/carried.py",
        "and name in loops and _runs_again(steps, name)",
        "and name in loops and False",
        "tests/conversation/test_carried.py",
    ),
]
