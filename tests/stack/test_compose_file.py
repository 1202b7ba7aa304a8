"""docker-compose.yml names nothing that the settings, the secrets or the README do not know, and opens nothing more."""

import re
import shutil
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest

from monitor import secretfiles
from monitor.capacity import Pooler, rooms
from monitor.db import Role, shares
from monitor.settings import PREFIX, Settings
from tests import parts
from tests.stack.composition import Composition, Service, read
from tests.stage import ROOT
from tests.structure.tree import pyproject

SETTINGS = {PREFIX + item.name.upper() for item in fields(Settings)}
THEIRS = {
    "postgres": ("POSTGRES_",),
    "influxdb": ("DOCKER_INFLUXDB_INIT_", "INFLUXD_"),
    "mailpit": ("MP_",),
    "grafana": ("GF_", "AGENT_MONITOR_GRAFANA_"),
}
"""How the variables of other people's images begin."""


@pytest.fixture(scope="module")
def composition() -> Composition:
    return read()


@pytest.fixture(scope="module")
def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_image_is_of_a_version_and_in_the_readme(composition: Composition, readme: str) -> None:
    rows = dict(re.findall(r"^\| `([a-z]+)` \| `([^`]+)` \|", readme, re.M))
    assert rows == {name: service.image for name, service in composition.services.items()}
    for service in composition.services.values():
        tag = service.image.rpartition(":")[2]
        assert re.search(r"\d+\.\d+", tag), service.image


def test_our_image_is_this_version(composition: Composition) -> None:
    image = f"agent-monitor:{pyproject()['project']['version']}"
    assert {service.image for service in composition.services.values() if service.ours} == {image}
    assert f"\nIMAGE := {image}\n" in (ROOT / "Makefile").read_text()


def test_images_are_the_ones_that_tests_run_in_containers(composition: Composition) -> None:
    for part, service in (("INFLUX", "influxdb"), ("REDIS", "redis")):
        assert composition.services[service].image.startswith(parts.IMAGES[part])
    assert composition.services["postgres"].image.endswith(parts.IMAGES["POSTGRES"].rpartition(":")[2])


def test_only_collectors_and_grafana_are_published(composition: Composition, readme: str) -> None:
    ports = {name: service.said["ports"] for name, service in composition.services.items() if "ports" in service.said}
    assert ports == {"collector": ["127.0.0.1:4318-4327:4318"], "grafana": ["127.0.0.1:3000:3000"]}
    assert "| 4318–4327 |" in readme
    assert "| 3000 |" in readme
    assert composition.said["networks"]["inside"] == {"internal": True}
    outside = {name for name, service in composition.services.items() if "outside" in service.said["networks"]}
    assert outside == {"collector", "grafana", "alerter"}
    assert "network_mode" not in composition.text
    assert "container_name" not in composition.text


def test_every_variable_is_a_setting(composition: Composition) -> None:
    for service in composition.services.values():
        for name in service.environment:
            if service.ours:
                assert name.removesuffix("_FILE") in SETTINGS, f"{service.name}: {name}"
            else:
                assert name.startswith(THEIRS[service.name]), f"{service.name}: {name}"


def test_every_variable_of_the_file_itself_is_in_the_readme(composition: Composition, readme: str) -> None:
    assert {name for name in composition.variables if f"`{name}`" not in readme} == set()
    assert composition.variables <= SETTINGS | {"PUBLISH_ADDRESS"}


def test_grafana_has_what_its_provisioning_asks_for(composition: Composition) -> None:
    grafana = composition.services["grafana"]
    text = "".join(path.read_text() for path in (ROOT / "dashboards/provisioning").rglob("*.yaml"))
    assert set(re.findall(r"\$\{(\w+)\}", text)) <= set(grafana.environment)
    assert set(re.findall(r"\$__file\{/run/secrets/(\w+)\}", text)) <= set(grafana.secrets)


def _secrets_used(service: Service) -> set[str]:
    where = [*service.environment.values(), *service.command]
    for source, _target in service.mounts():
        path = ROOT / source
        files = [path] if path.is_file() else list(path.rglob("*.yaml")) if source.startswith("./") else []
        where += [file.read_text() for file in files]
    return {name for text in where for name in re.findall(r"/run/secrets/(\w+)", text)}


def test_secrets_come_from_files_and_none_is_mounted_without_need(composition: Composition) -> None:
    for service in composition.services.values():
        assert _secrets_used(service) == set(service.secrets), service.name
    files = composition.said["secrets"]
    assert files == {name: {"file": f"./.secrets/{name}"} for name in files}
    assert set(files) == {name for service in composition.services.values() for name in service.secrets}
    assert set(files) <= secretfiles.NAMES
    for service in composition.services.values():
        inline = [n for n in service.environment if re.search(r"PASSWORD|TOKEN|SECRET", n) and "FILE" not in n]
        assert inline == [], service.name


def test_the_owners_and_the_superusers_urls_are_where_they_are_needed(composition: Composition) -> None:
    holders = {name for name, service in composition.services.items() if "database_owner_url" in service.secrets}
    assert holders == {"alerter", "migrate"}
    holders = {name for name, service in composition.services.items() if "database_admin_url" in service.secrets}
    assert holders == {"migrate"}


def test_every_service_says_whether_it_is_well(composition: Composition) -> None:
    one_shot = {name for name, service in composition.services.items() if service.said.get("restart") == "no"}
    assert one_shot == {"migrate"}
    for name, service in composition.services.items():
        if name not in one_shot and not service.ours:  # ours has it in the image
            assert service.said["healthcheck"]["test"][0] == "CMD", name
        assert name in one_shot or service.said["restart"] == "unless-stopped", name


def test_the_order_of_the_start(composition: Composition) -> None:
    after = {
        name: {other: how["condition"] for other, how in service.said.get("depends_on", {}).items()}
        for name, service in composition.services.items()
    }
    assert after["migrate"] == {"postgres": "service_healthy", "influxdb": "service_healthy"}
    for name in ("collector", "alerter", "grafana"):
        assert after[name]["migrate"] == "service_completed_successfully"
    assert after["collector"]["pgbouncer"] == after["alerter"]["pgbouncer"] == "service_healthy"
    assert composition.services["alerter"].said["deploy"] == {"replicas": 2}


def test_ours_can_write_nowhere_and_may_do_nothing_special(composition: Composition) -> None:
    for service in composition.services.values():
        assert service.said.get("privileged") is None
        if service.ours:
            assert service.said["read_only"] is True
            assert service.said["tmpfs"] == ["/tmp"]
            assert service.said["cap_drop"] == ["ALL"]
            assert service.said["security_opt"] == ["no-new-privileges:true"]
            assert "volumes" not in service.said


def test_volumes_are_declared_used_once_and_in_the_readme(composition: Composition, readme: str) -> None:
    sources = [source for service in composition.services.values() for source, _target in service.mounts()]
    bound = [source for source in sources if source.startswith("./")]
    named = [source for source in sources if not source.startswith("./")]
    for service in composition.services.values():
        volumes = [source for source, _target in service.mounts() if not source.startswith("./")]
        kept = ", ".join(f"`{volume}`" for volume in volumes) or "–"
        assert f"| `{service.name}` | `{service.image}` | {kept} |" in readme
    assert sorted(named) == sorted(composition.said["volumes"])
    assert [path for path in bound if not (ROOT / path).exists()] == []
    assert all(":ro" in str(v) for s in composition.services.values() for v in s.said.get("volumes", []) if v[0] == ".")


def test_redis_keeps_what_it_has(composition: Composition) -> None:
    command = composition.services["redis"].command
    assert command[command.index("--appendonly") + 1] == "yes"


def test_there_is_room_for_every_connection(composition: Composition) -> None:
    ini = dict(re.findall(r"(?m)^(\w+) = (.*)$", (ROOT / "sql" / "pgbouncer.ini").read_text()))
    assert ini["pool_mode"] == "transaction"
    most = next(w for w in composition.services["postgres"].command if w.startswith("max_connections="))
    pool = int(composition.services["collector"].environment["AGENT_MONITOR_DATABASE_POOL_SIZE"])
    assert 20 <= pool <= 50
    pooler = Pooler(takes=int(ini["max_client_conn"]), opens=int(ini["max_db_connections"]))
    limit = int(most.partition("=")[2]) - 3
    direct = shares(pool)[Role.OWNER]
    assert all(room.enough for room in rooms(instances=3, pool=pool, limit=limit, pooler=pooler, direct=direct))


def test_docker_compose_takes_it(composition: Composition, tmp_path: Path) -> None:
    """`docker compose config`, by the plugin or by the program of its own that Debian has."""
    for file in ("docker-compose.yml", "Dockerfile"):
        shutil.copy(ROOT / file, tmp_path)
    secretfiles.make(tmp_path / ".secrets")
    client = ["docker", "compose"]
    if shutil.which("docker") is None or subprocess.run([*client, "version"], capture_output=True).returncode != 0:
        client = [parts.program("docker-compose")]
    done = subprocess.run([*client, "config"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(f"  {name}:" in done.stdout for name in composition.services)
