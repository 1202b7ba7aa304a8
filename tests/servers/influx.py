"""InfluxDB 2 for tests: a server of our own, one that the environment names, or one in a container."""

import contextlib
import os
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from tests import parts
from tests.servers.certificates import Identity
from tests.servers.process import Process, free_port
from tests.tools import influxd

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

ORG = "tests"
PORT = 8086
"""Its own, inside a container."""
TOKEN = "a-token-for-tests-and-nothing-else"
PASSWORD = "a password for tests"


@dataclass(frozen=True, slots=True)
class InfluxAddress:
    """Where a server is, and a token that may do everything in `org`."""

    url: str
    token: str
    org: str

    @property
    def headers(self) -> dict[str, str]:
        """What its HTTP API wants to see."""
        return {"Authorization": f"Token {self.token}"}

    async def drop(self, prefix: str) -> None:
        """Delete every bucket whose name begins so."""
        async with httpx.AsyncClient(base_url=self.url, headers=self.headers, timeout=30) as client:
            found = await client.get("/api/v2/buckets", params={"org": self.org, "limit": 100})
            for bucket in found.raise_for_status().json()["buckets"]:
                if bucket["name"].startswith(prefix):
                    (await client.delete(f"/api/v2/buckets/{bucket['id']}")).raise_for_status()


async def read_token(at: InfluxAddress, bucket: str) -> str:
    """A token that may read the buckets whose name begins so, and nothing else: what Grafana's data source holds."""
    async with httpx.AsyncClient(base_url=at.url, headers=at.headers, timeout=30) as client:
        found = (await client.get("/api/v2/buckets", params={"org": at.org, "limit": 100})).raise_for_status().json()
        ours = [one for one in found["buckets"] if one["name"].startswith(bucket)]
        permissions = [
            {"action": "read", "resource": {"type": "buckets", "id": one["id"], "orgID": one["orgID"]}} for one in ours
        ]
        body = {"orgID": ours[0]["orgID"], "permissions": permissions}
        made = (await client.post("/api/v2/authorizations", json=body)).raise_for_status().json()
    return str(made["token"])


class InfluxServer(Process):
    """A server with its files in `folder`, which a kill and a new start leave as they are."""

    def __init__(self, folder: Path, program: Path | None = None, *, tls: Identity | None = None) -> None:
        """With `tls` by that alone, at localhost. Ends the test where there is no program and none can be had."""
        folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        self.at = InfluxAddress(f"http://127.0.0.1:{port}", TOKEN, ORG)
        words = [
            str(program or needed()),
            f"--http-bind-address=127.0.0.1:{port}",
            f"--bolt-path={folder / 'influxd.bolt'}",
        ]
        words += [f"--engine-path={folder / 'engine'}", f"--sqlite-path={folder / 'influxd.sqlite'}"]
        words += ["--reporting-disabled", "--log-level=warn"]
        self._trusted: ssl.SSLContext | bool = True
        if tls is not None:
            self.at = InfluxAddress(f"https://localhost:{port}", TOKEN, ORG)
            self._trusted = ssl.create_default_context(cafile=str(tls.authority))
            words += [f"--tls-cert={tls.certificate}", f"--tls-key={tls.key}"]
        super().__init__(words, log=folder / "influxd.log", env=_environment())

    async def answers(self) -> bool:
        """Whether it takes requests; the first time it is set up then."""
        async with httpx.AsyncClient(base_url=self.at.url, timeout=10, verify=self._trusted) as client:
            try:
                if (await client.get("/ready")).status_code != 200:
                    return False
            except httpx.TransportError:
                return False
            if (await client.get("/api/v2/setup")).raise_for_status().json()["allowed"]:
                first = {"username": "tests", "password": PASSWORD, "org": ORG, "bucket": "first", "token": TOKEN}
                (await client.post("/api/v2/setup", json=first)).raise_for_status()
        return True


def _environment() -> dict[str, str]:
    """Ours, without what would configure the server."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("INFLUX", "AGENT_MONITOR_"))}


def needed() -> Path:
    """The server's program, or the end of this test."""
    try:
        return influxd.binary()
    except influxd.NotBuiltError as fault:
        parts.leave_out(str(fault))


@contextlib.asynccontextmanager
async def anywhere(folder: Path) -> AsyncIterator[InfluxAddress]:
    """A server: the environment's, one of our own in `folder`, or a container. Or the end of this test."""
    if url := parts.setting("INFLUX_URL"):
        yield InfluxAddress(url, parts.setting("INFLUX_TOKEN", TOKEN), parts.setting("INFLUX_ORG", ORG))
        return
    try:
        server = InfluxServer(folder, influxd.binary())
    except influxd.NotBuiltError as fault:
        if not parts.docker_runs():
            parts.leave_out(f"{fault}; and no Docker engine runs")
    else:
        await server.start()
        try:
            yield server.at
        finally:
            server.kill()
        return
    with _container() as container:
        at = f"http://{container.get_container_host_ip()}:{container.get_exposed_port(PORT)}"
        yield InfluxAddress(at, TOKEN, ORG)


def _container() -> "DockerContainer":
    """What testcontainers' InfluxDb2Container makes, which cannot be imported without the client of InfluxDB 1."""
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import HttpWaitStrategy

    first = {"MODE": "setup", "USERNAME": "tests", "PASSWORD": PASSWORD, "ORG": ORG, "BUCKET": "first"}
    container = DockerContainer(parts.image("INFLUX")).with_exposed_ports(PORT)
    for name, value in {**first, "ADMIN_TOKEN": TOKEN}.items():
        container = container.with_env(f"DOCKER_INFLUXDB_INIT_{name}", value)
    return container.waiting_for(HttpWaitStrategy(PORT, "/ready").for_status_code(200))
