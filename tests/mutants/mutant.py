"""A small defect of the product that a test must notice."""

from typing import NamedTuple


class Mutant(NamedTuple):
    """A rule, the change that breaks it, and the tests that must fail then.

    Attributes:
        rule: What holds, in a sentence; begins with the number of the defect or fault that it stands for, if any.
        file: The product's file, from the root of the repository.
        old: What stands there once, to the letter.
        new: What stands there instead.
        tests: What notices it, as arguments for pytest separated by blanks.
    """

    rule: str
    file: str
    old: str
    new: str
    tests: str
