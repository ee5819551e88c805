"""The examples for containers name nothing that does not exist: settings, commands, routes, files."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from ruamel.yaml import YAML

from rasa_kustomer.cli import app
from rasa_kustomer.server import HEALTH_ROUTE
from rasa_kustomer.settings import PREFIX, Settings

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
FILES = sorted(path for path in DEPLOY.iterdir() if path.is_file())
VARIABLES = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}


def load(name: str) -> list[Any]:
    return list(YAML(typ="safe").load_all((DEPLOY / name).read_text(encoding="utf-8")))


COMPOSE: dict[str, Any] = load("compose.yaml")[0]
OBJECTS: list[dict[str, Any]] = load("kubernetes.yaml")
DEPLOYMENTS = {one["metadata"]["name"]: one["spec"] for one in OBJECTS if one["kind"] == "Deployment"}
CONTAINERS = [one for spec in DEPLOYMENTS.values() for one in spec["template"]["spec"]["containers"]]


def commands() -> Iterator[list[str]]:
    for service in COMPOSE["services"].values():
        yield from (part for part in (service.get("command"), service["healthcheck"]["test"]) if part)
    yield from (one["command"] for one in CONTAINERS)
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    yield from (re.findall(r'"([^"]*)"', line) for line in text.splitlines() if line.startswith("CMD "))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_variable_is_a_setting(file: Path) -> None:
    named = set(re.findall(r"\bKUSTOMER_[A-Z_]+", file.read_text(encoding="utf-8")))
    assert named - VARIABLES == set()


def test_every_command_of_ours_exists() -> None:
    ours = [one[one.index("rasa-kustomer") + 1 :] for one in commands() if "rasa-kustomer" in one]
    assert sorted(ours) == [["outbox", "status"], ["worker"], ["worker"]]
    for arguments in ours:
        group: Any = typer.main.get_command(app)
        for name in arguments:
            group = group.get_command(None, name)
            assert group is not None, arguments


def test_the_action_servers_all_start_alike() -> None:
    servers = [one for one in commands() if "rasa_sdk" in one]
    assert len(servers) == 3
    assert {shlex.join(one) for one in servers} == {"python -m rasa_sdk --actions rasa_kustomer.actions --port 5055"}


def test_compose_waits_for_a_healthy_database_and_watches_every_service() -> None:
    services = COMPOSE["services"]
    assert set(services) == {"actions", "worker", "database"}
    assert [name for name, one in services.items() if "healthcheck" not in one] == []
    assert HEALTH_ROUTE in services["actions"]["healthcheck"]["test"][-1]
    for name in ("actions", "worker"):
        environment = services[name]["environment"]
        assert environment["KUSTOMER_COURIER"] == "external"
        assert environment["KUSTOMER_OUTBOX_URL"].startswith("postgresql://")
        assert services[name]["depends_on"]["database"]["condition"] == "service_healthy"


def test_on_kubernetes_secrets_come_from_a_secret_and_nothing_stands_still_during_an_update() -> None:
    assert set(DEPLOYMENTS) == {"rasa-kustomer-actions", "rasa-kustomer-worker"}
    for container in CONTAINERS:
        assert {one["name"] for one in container["env"]} == {"KUSTOMER_API_KEY", "KUSTOMER_OUTBOX_URL"}
        assert all("secretKeyRef" in one["valueFrom"] for one in container["env"])
    assert {spec["strategy"]["type"] for spec in DEPLOYMENTS.values()} == {"RollingUpdate"}
    (settings,) = [one["data"] for one in OBJECTS if one["kind"] == "ConfigMap"]
    assert settings["KUSTOMER_COURIER"] == "external"
    (probe,) = [one["readinessProbe"] for one in CONTAINERS if "readinessProbe" in one]
    assert probe["httpGet"]["path"] == HEALTH_ROUTE


def test_each_deployment_keeps_one_pod_when_machines_are_drained() -> None:
    kept = {one["metadata"]["name"]: one["spec"]["selector"] for one in OBJECTS if one["kind"] == "PodDisruptionBudget"}
    assert kept == {name: spec["selector"] for name, spec in DEPLOYMENTS.items()}
    assert all(spec["replicas"] > 1 for spec in DEPLOYMENTS.values())


def test_the_image_is_made_of_files_that_exist_and_of_locked_packages() -> None:
    lines = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = [
        word for line in lines if line.startswith("COPY ") and "--from" not in line for word in line.split()[1:-1]
    ]
    assert copied
    assert [name for name in copied if not (ROOT / name).exists()] == []
    allowed = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"}
    assert {name.split("/")[0] for name in copied} == allowed
    assert any("--require-hashes" in line for line in lines)
    assert re.search(r"^psycopg==", (ROOT / "requirements/postgres.txt").read_text(encoding="utf-8"), re.MULTILINE)
