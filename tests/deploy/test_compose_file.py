"""``docker-compose.yml`` is kept true by reading it: the stack runs what it says elsewhere."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from deploy.cli.main import app
from deploy.settings import Settings
from dev import stack
from shared.contracts.topics import SERVICES

ROOT = Path(__file__).parent.parent.parent
COMPOSE: dict[str, Any] = stack.compose_file()
OURS = {name: COMPOSE["services"][name] for name in (*SERVICES, "init", "leadloop")}


def known_settings() -> set[str]:
    """Every environment variable that the product or its images read."""
    return {str(field.validation_alias) for field in Settings.model_fields.values()}


def test_there_is_one_container_per_service_and_the_real_parts() -> None:
    assert set(COMPOSE["services"]) == {*SERVICES, "init", "leadloop", "kafka", "postgres"}
    assert COMPOSE["services"]["kafka"]["image"] == "apache/kafka:4.3.1"
    assert COMPOSE["services"]["postgres"]["image"] == "postgres:17"


@pytest.mark.parametrize("name", OURS)
def test_only_settings_that_exist_are_set(name: str) -> None:
    assert set(OURS[name]["environment"]) <= known_settings()


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_runs_alone_on_the_port_it_publishes(name: str) -> None:
    service = OURS[name]
    port = service["environment"]["PORT"]
    assert service["command"] == ["run", name]
    assert service["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert f":{port}/{name}/health/ready" in service["healthcheck"]["test"][-1]
    assert service["depends_on"]["init"] == {"condition": "service_completed_successfully"}


def test_ports_are_distinct_and_the_links_lead_to_them() -> None:
    ports = {name: OURS[name]["environment"]["PORT"] for name in SERVICES}
    assert len(set(ports.values())) == len(SERVICES)
    setting = OURS["capture"]["environment"]["LEADLOOP_SERVICE_URLS"]
    links = stack.interpolate(setting, {})
    assert links == ",".join(f"{name}=http://localhost:{port}" for name, port in ports.items())
    inside = OURS["leadloop"]["environment"]["LEADLOOP_SERVICE_URLS"]
    assert inside == ",".join(f"{name}=http://{name}:{port}" for name, port in ports.items())


@pytest.mark.parametrize("name", OURS)
def test_database_and_broker_are_the_containers_of_this_file(name: str) -> None:
    values = {k: stack.interpolate(str(v), {}) for k, v in OURS[name]["environment"].items()}
    postgres = COMPOSE["services"]["postgres"]["environment"]
    user, database = postgres["POSTGRES_USER"], postgres["POSTGRES_DB"]
    password = stack.interpolate(postgres["POSTGRES_PASSWORD"], {})
    assert (
        values["LEADLOOP_DATABASE_URL"]
        == f"postgresql://{user}:{password}@postgres:5432/{database}"
    )
    listener = COMPOSE["services"]["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert values["LEADLOOP_BROKER_URL"].removeprefix("kafka://") == listener.removeprefix(
        "PLAINTEXT://"
    )


def test_every_command_is_one_the_command_line_knows() -> None:
    commands = [tuple(OURS[name]["command"]) for name in (*SERVICES, "leadloop")]
    for part in OURS["init"]["command"][0].split("&&"):
        words = shlex.split(part)
        assert words[0] == "leadloop"
        commands.append(tuple(words[1:]))
    for command in commands:
        result = CliRunner().invoke(
            app, [command[0], "--help"] if command[0] != "--help" else ["--help"]
        )
        assert result.exit_code == 0, command


def test_data_is_on_volumes_and_everything_says_whether_it_is_healthy() -> None:
    for name, path in (("kafka", "/var/lib/kafka/data"), ("postgres", "/var/lib/postgresql/data")):
        assert COMPOSE["services"][name]["volumes"] == [f"{name}:{path}"]
        assert name in COMPOSE["volumes"]
    for name in (*SERVICES, "kafka", "postgres"):
        assert COMPOSE["services"][name]["healthcheck"]["test"], name
    assert COMPOSE["services"]["kafka"]["environment"]["KAFKA_LOG_DIRS"] == "/var/lib/kafka/data"


def test_the_stack_s_kafka_has_the_settings_of_the_container(tmp_path: Path) -> None:
    """Those that change behaviour; addresses and folders differ."""
    from dev.parts.kafka import Kafka

    ours = dict(
        line.split("=", 1) for line in Kafka(tmp_path, port=1)._settings().splitlines() if line
    )
    for name, value in COMPOSE["services"]["kafka"]["environment"].items():
        setting = name.removeprefix("KAFKA_").lower().replace("_", ".")
        if re.search(r"listener|log\.dirs|voters", setting):
            continue
        assert str(ours[setting]) == str(value), setting


def test_the_image_is_built_from_the_lock_and_does_not_run_as_root() -> None:
    lines = (ROOT / "deploy" / "Dockerfile").read_text()
    assert "--require-hashes -r requirements.lock" in lines
    assert re.search(r"^USER leadloop$", lines, re.M)
    copied = re.findall(r"^COPY (.+) \S+$", lines, re.M)
    for word in (word for line in copied for word in line.split()):
        assert (ROOT / word).exists(), word
    assert COMPOSE["x-leadloop"]["build"] == {"context": ".", "dockerfile": "deploy/Dockerfile"}


def test_the_file_is_plain_yaml_with_no_unknown_keys() -> None:
    allowed = {
        "image", "build", "restart", "environment", "volumes", "healthcheck", "command",
        "entrypoint", "depends_on", "ports", "profiles",
    }  # fmt: skip
    document = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    for name, service in document["services"].items():
        assert set(service) <= allowed, name
