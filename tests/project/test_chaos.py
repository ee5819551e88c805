"""`make chaos` says how it ended: by its exit code and in a line for each part."""

import re
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))  # as make chaos does

from tests import servers
from tests.chaos import broker, run, units
from tests.chaos.harness import Report
from tests.chaos.run import Options


async def kept(report: Report, _: Options) -> None:
    report.check("a promise", holds=True)


async def broken(report: Report, _: Options) -> None:
    report.check("a promise", holds=False)


@pytest.fixture
def no_rabbitmq(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine on which there is no such program."""
    monkeypatch.setattr(servers, "RABBITMQ_PLACES", ())
    monkeypatch.setenv("PATH", str(tmp_path))


def outcome(parts: dict[str, run.Attempt], monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.setattr(run, "PARTS", parts)
    monkeypatch.setattr(sys, "argv", ["chaos"])
    with pytest.raises(SystemExit) as ended:
        run.main()
    return ended.value.code


async def needs_rabbitmq(report: Report, _: Options) -> None:
    await broker.run(report, seconds=0)


def test_where_a_server_is_missing_the_rest_is_run_and_one_line_says_what_to_install(
    no_rabbitmq: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome({"broker": needs_rabbitmq, "other": kept}, monkeypatch) == run.UNTRIED
    output = capsys.readouterr().out
    (told,) = [line for line in output.splitlines() if "rabbitmq-server" in line]
    assert "not tried: No RabbitMQ server was found: install one" in told
    assert "kept   a promise" in output
    assert "Not tried: broker" in output
    assert "All promises hold." not in output


def test_a_broken_promise_counts_for_more(
    no_rabbitmq: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome({"broker": needs_rabbitmq, "other": broken}, monkeypatch) == run.BROKEN
    assert "Broken: other" in capsys.readouterr().out


def test_all_is_well_with_0(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome({"other": kept}, monkeypatch) == run.HOLDS
    assert capsys.readouterr().out.endswith("All promises hold.\n")


def test_the_guide_to_sizing_states_the_limits_that_are_measured() -> None:
    page = (Path(__file__).parents[2] / "docs" / "sizing.md").read_text(encoding="utf-8")
    for kind in units.KINDS:
        limit, measured = re.findall(rf"^\| {kind.name} \| ([\d.]+) \| ([\d.]+) \|$", page, re.MULTILINE)[0]
        assert float(limit) == kind.most
        assert float(measured) <= kind.most
