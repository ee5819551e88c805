"""`rasa-kustomer check`: every item of the deployment checklist, against a real sandbox."""

import asyncio
import json
import socket
import ssl
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.servers import PASSWORD, Postgres
from typer.testing import CliRunner

from kustomer_sandbox import Sandbox
from rasa_kustomer.checklist import ROLES, grants
from rasa_kustomer.cli import app
from rasa_kustomer.outbox import Kind, NewRecord, Outbox, SessionKey

SNIPPETS = Path(__file__).parents[2] / "domain_snippets"


@pytest.fixture(autouse=True)
def deployment(threaded_sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of its own, and settings that are ready."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):  # this machine's
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUSTOMER_API_KEY", threaded_sandbox.api_key)
    monkeypatch.setenv("KUSTOMER_BASE_URL", threaded_sandbox.url)
    monkeypatch.setenv("KUSTOMER_DEFAULT_TEAM_ID", "Support")


def check(*arguments: str) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(app, ["check", "--json", *arguments])
    return result.exit_code, json.loads(result.stdout)


def levels(report: dict[str, Any], level: str) -> list[str]:
    return [f"{one['item']}: {one['message']}" for one in report["findings"] if one["level"] == level]


def test_a_deployment_that_is_ready_exits_with_0() -> None:
    code, report = check("--domain", str(SNIPPETS / "kustomer_domain.yml"))

    assert (code, report["ready"], levels(report, "fail")) == (0, True, [])


def test_it_writes_nothing_to_kustomer(threaded_sandbox: Sandbox) -> None:
    check()

    assert {request.method for request in threaded_sandbox.requests} == {"GET"}


@pytest.mark.parametrize("role", [role.name for role in ROLES if not role.optional])
def test_each_missing_role_is_named_and_found_again_when_it_is_there(threaded_sandbox: Sandbox, role: str) -> None:
    threaded_sandbox.roles.discard(role)
    code, report = check()
    assert code == 1
    assert any(role in line for line in levels(report, "fail"))

    threaded_sandbox.roles.add(role)
    assert check()[0] == 0


def test_a_role_that_only_guards_against_a_second_summary_is_a_warning(threaded_sandbox: Sandbox) -> None:
    threaded_sandbox.roles.discard("org.permission.note.read")

    code, report = check()

    assert code == 0
    assert any("org.permission.note.read" in line for line in levels(report, "warn"))


@pytest.mark.parametrize(
    ("held", "role", "expected"),
    [
        ({"org.permission.customer.read"}, "org.permission.customer.read", True),
        ({"org.permission.customer"}, "org.permission.customer.read", True),
        ({"org.permission"}, "org.permission.customer.read", True),
        ({"org.permission.custom"}, "org.permission.customer.read", False),
        ({"org.permission.customer.read"}, "org.permission.customer.create", False),
    ],
)
def test_a_broader_role_grants_a_narrower_one(held: set[str], role: str, expected: bool) -> None:
    assert grants(held, role) is expected


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("wrong", "KUSTOMER_API_KEY"),
        ("sandbox-expired-key", "expired"),
        ("sandbox-other-pod-key", "another region"),
    ],
)
def test_a_refused_key_says_which_setting_to_mend_and_never_shows_the_key(
    monkeypatch: pytest.MonkeyPatch, key: str, words: str
) -> None:
    monkeypatch.setenv("KUSTOMER_API_KEY", key)

    code, report = check()

    assert code == 1
    (failure,) = levels(report, "fail")
    assert words in failure
    assert key not in failure


def test_without_a_connection_it_says_what_to_look_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUSTOMER_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("KUSTOMER_TIMEOUT_SECONDS", "0.5")

    code, report = check()

    assert code == 1
    assert "KUSTOMER_BASE_URL" in levels(report, "fail")[0]


def test_without_a_key_it_says_that_the_plugin_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUSTOMER_API_KEY")

    code, report = check()

    assert code == 1
    assert "KUSTOMER_API_KEY not set" in levels(report, "fail")[0]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ALL_PROXY", "socks5://bot:hunter2@127.0.0.1:7890"),
        ("https_proxy", "http://bot:hunter2@127.0.0.1:port"),
        ("SSL_CERT_FILE", "/no/such/file"),
        ("SSL_CERT_DIR", "/no/such/folder"),
        ("SSLKEYLOGFILE", "/no/such/folder/keys"),
    ],
)
def test_a_variable_of_the_machine_that_cannot_be_used_is_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    code, report = check()
    assert code == 1
    (failure,) = levels(report, "fail")
    assert failure.startswith(f"network: {name}: ")
    assert "hunter2" not in json.dumps(report)

    monkeypatch.delenv(name)
    assert check()[0] == 0


def test_while_the_plugin_is_off_the_machine_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUSTOMER_ENABLED", "false")
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file")

    assert "SSL_CERT_FILE" not in json.dumps(check()[1])


def test_names_that_are_no_setting_are_told_with_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUSTOMER_PHONE_REGOIN", "US")

    code, report = check()
    assert code == 0
    assert any("did you mean KUSTOMER_PHONE_REGION?" in line for line in levels(report, "warn"))


def test_a_hidden_slot_that_is_no_slot_of_the_domain_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "domain.yml").write_text("slots:\n  Password: {type: text}\n")
    monkeypatch.setenv("KUSTOMER_NOTE_HIDDEN_SLOTS", "password, ibna")
    code, report = check("--domain", str(tmp_path / "domain.yml"))
    assert code == 1
    hidden = [line for line in levels(report, "fail") if line.startswith("hidden slots")]
    assert len(hidden) == 1
    assert "ibna" in hidden[0]

    monkeypatch.setenv("KUSTOMER_NOTE_HIDDEN_SLOTS", "password")
    code, report = check("--domain", str(tmp_path / "domain.yml"))
    assert not [line for line in levels(report, "fail") if line.startswith("hidden slots")]


def test_a_certificate_that_is_not_accepted_is_said_with_its_cure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, threaded_sandbox: Sandbox
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    monkeypatch.setenv("KUSTOMER_TIMEOUT_SECONDS", "2")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    with context.wrap_socket(listener.accept()[0], server_side=True):
                        pass
                except ssl.SSLError:
                    continue
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        monkeypatch.setenv("KUSTOMER_BASE_URL", f"https://127.0.0.1:{listener.getsockname()[1]}")
        code, report = check()

    assert code == 1
    (failure,) = levels(report, "fail")
    assert "the certificate is not accepted" in failure
    assert "SSL_CERT_FILE" in failure
    assert "KUSTOMER_SUBDOMAIN" not in failure


def test_what_a_team_is_called_cannot_steer_the_terminal(
    monkeypatch: pytest.MonkeyPatch, threaded_sandbox: Sandbox
) -> None:
    threaded_sandbox.team("Support")["name"] = "\x1b[2J[red]Odd"
    monkeypatch.setenv("KUSTOMER_DEFAULT_TEAM_ID", "Suport")
    result = CliRunner().invoke(app, ["check"])

    assert "\x1b[2J" not in result.stdout
    assert "[red]Odd" in result.stdout.replace("\n", "")


def test_malformed_settings_are_listed_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUSTOMER_PARKING", "garage")
    monkeypatch.setenv("KUSTOMER_RATE_SHARE", "7")

    code, report = check()

    assert code == 1
    assert [line.split(":")[1].strip() for line in levels(report, "fail")] == [
        "KUSTOMER_PARKING",
        "KUSTOMER_RATE_SHARE",
    ]


def test_an_unknown_team_is_named_with_the_teams_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUSTOMER_DEFAULT_TEAM_ID", "Suport")

    code, report = check()

    assert code == 1
    assert 'no team "Suport"' in levels(report, "fail")[0]
    assert "Support" in levels(report, "fail")[0]


def test_a_team_of_the_routing_file_is_looked_up_too(tmp_path: Path) -> None:
    (tmp_path / "kustomer_routing.yml").write_text("rules:\n  - when: {intent: refund}\n    team: Moon\n")

    code, report = check()

    assert code == 1
    assert 'no team "Moon"' in levels(report, "fail")[0]


def test_a_broken_routing_file_is_reported_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "kustomer_routing.yml").write_text("rules:\n  - when: {intent: refund}\n    priorty: high\n")

    code, report = check()

    assert code == 1
    assert "kustomer_routing.yml:3" in levels(report, "fail")[0]


@pytest.mark.parametrize(("courier", "warned"), [("external", True), ("inline", False)])
@pytest.mark.parametrize(("waits", "long"), [(180, True), (60, False)])
def test_where_a_worker_should_deliver_and_nothing_moves_it_asks_for_the_worker(
    monkeypatch: pytest.MonkeyPatch, courier: str, warned: bool, waits: int, long: bool
) -> None:
    monkeypatch.setenv("KUSTOMER_COURIER", courier)

    async def wait() -> None:
        outbox = Outbox("sqlite:///.kustomer/outbox.db", now=lambda: time.time() - waits)
        await outbox.record(SessionKey("rasa:ann:1", "ann", 1), {}, [NewRecord("key", Kind.CLOSE, {})])
        await outbox.close()

    asyncio.run(wait())
    code, report = check()

    assert code == 0
    found = [line for line in levels(report, "warn") if "is rasa-kustomer worker running?" in line]
    assert bool(found) is (warned and long)


def test_an_outbox_that_cannot_be_written_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / ".kustomer").write_text("a file where the folder should be")

    code, report = check()

    assert code == 1
    assert "KUSTOMER_OUTBOX_URL" in levels(report, "fail")[0]


def test_an_outbox_on_postgresql_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch, postgres_server: Postgres
) -> None:
    url = postgres_server.fresh()
    monkeypatch.setenv("KUSTOMER_OUTBOX_URL", url)
    code, report = check()
    assert code == 0
    assert any("PostgreSQL 127.0.0.1" in line for line in levels(report, "ok"))
    assert PASSWORD not in json.dumps(report)

    monkeypatch.setenv("KUSTOMER_OUTBOX_URL", url.replace("/test_", "/missing_"))
    code, report = check()
    assert code == 1
    assert "does not exist" in levels(report, "fail")[0]
    assert PASSWORD not in json.dumps(report)


def test_a_key_that_a_front_end_build_may_have_published_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITE_KUSTOMER_API_KEY", "published-secret")

    code, report = check()

    assert code == 0
    assert any("VITE_KUSTOMER_API_KEY" in line for line in levels(report, "warn"))
    assert "published-secret" not in json.dumps(report)


def test_an_organisation_that_is_not_the_keys_is_a_failure(
    threaded_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUSTOMER_ORGANIZATION_ID", "0" * 24)
    code, report = check()
    assert code == 1
    assert "KUSTOMER_ORGANIZATION_ID" in levels(report, "fail")[0]

    monkeypatch.setenv("KUSTOMER_ORGANIZATION_ID", threaded_sandbox.state.org["id"])
    assert check()[0] == 0


def test_a_domain_that_lacks_the_snippets_is_told_what_is_missing(tmp_path: Path) -> None:
    domain = tmp_path / "domain.yml"
    domain.write_text("actions:\n  - action_kustomer_handoff\nslots:\n  kustomer_ticket:\n    type: text\n")

    code, report = check("--domain", str(domain))

    assert code == 1
    failures = " ".join(levels(report, "fail"))
    assert "action_kustomer_resolve" in failures
    assert "action_kustomer_handoff" not in failures
    assert "kustomer_handoff_status" in failures


def test_the_table_for_people_ends_with_the_verdict() -> None:
    result = CliRunner().invoke(app, ["check"])

    assert result.stdout.rstrip().endswith("Ready.")


def test_the_table_marks_what_to_fix_and_what_to_read_and_counts_the_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUSTOMER_DEFAULT_TEAM_ID", "Suport")
    monkeypatch.setenv("KUSTOMER_PARKING", "none")

    lines = CliRunner().invoke(app, ["check"]).stdout.rstrip().splitlines()

    assert any(line.split()[:2] == ["FAIL", "team"] for line in lines)
    assert any(line.split()[:2] == ["WARN", "parking"] for line in lines)
    assert any(line.split()[:2] == ["ok", "settings"] for line in lines)
    assert lines[-1] == "Not ready: 1 problem to fix."
