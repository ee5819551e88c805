"""The switch that writes golden files anew."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regolden", action="store_true", help="write the files of tests/golden anew (CONTRIBUTING.md)")


@pytest.fixture
def regolden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--regolden"))
