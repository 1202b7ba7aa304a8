"""The stack's services as processes: as docker-compose.yml says, but for addresses and where files lie."""

import asyncio
import os
from pathlib import Path

import httpx
from redis.asyncio import Redis
from redis.exceptions import RedisError

from monitor import pgcluster, secretfiles
from monitor.pgbinaries import environment, let_through, server_account, shipped, usable
from monitor.pgcluster import Cluster
from tests import parts
from tests.servers import influx
from tests.servers.process import Process, free_port
from tests.stack.composition import Service
from tests.stack.pooler import listens
from tests.stage import MAIN, Program

SECRETS = "/run/secrets/"
RUN_SECONDS = 180.0


class Addresses:
    """Where each `service:port` of the stack is on this machine, and its secrets with that written in."""

    def __init__(self, folder: Path) -> None:
        """Makes the secrets in `folder`."""
        self.folder = folder
        self.ports: dict[str, int] = {}
        secretfiles.make(folder)

    def place(self, service: str, port: int) -> int:
        """Take a port of this machine for one of a service."""
        return self.ports.setdefault(f"{service}:{port}", free_port())

    def here(self, text: str) -> str:
        """A text with addresses and paths of this machine in the place of the stack's."""
        for name, port in self.ports.items():
            text = text.replace(name, f"127.0.0.1:{port}")
        return text.replace(SECRETS, f"{self.folder}/")

    def secret(self, name: str) -> str:
        """The text of a secret."""
        return (self.folder / name).read_text().strip()

    def settle(self) -> None:
        """Write this machine's addresses into the secrets, when all are known."""
        for path in self.folder.iterdir():
            text = self.here(path.read_text())
            path.chmod(0o600)
            path.write_text(text)


class PostgresOfStack(Process):
    """The bundled PostgreSQL with the words of the stack's command."""

    def __init__(self, service: Service, at: Addresses, folder: Path) -> None:
        """Makes the cluster in `folder`, as the image does at its first start."""
        folder.mkdir()
        self.port = at.place("postgres", 5432)
        self.account = server_account(folder / "postgres")
        if self.account is not None:
            let_through(folder, self.account)
        binaries = shipped()
        chosen = usable(binaries[max(binaries)], account=self.account, copies=folder)
        cluster = Cluster(folder, self.account)
        password = Path(service.environment["POSTGRES_PASSWORD_FILE"]).name
        pgcluster.create(cluster, chosen, at.secret(password))
        ours = ["listen_addresses=127.0.0.1", f"port={self.port}", "unix_socket_directories="]
        words = [chosen.program("postgres"), *service.command[1:], "-D", str(cluster.pgdata)]
        words += [word for setting in ours for word in ("-c", setting)]
        super().__init__(words, log=folder / "postgres.log", env=dict(environment()))
        self.cwd = cluster.pgdata

    async def answers(self) -> bool:
        """Whether it listens."""
        return await listens(self.port)


class RedisOfStack(Process):
    """Redis with the words of the stack's command."""

    def __init__(self, service: Service, at: Addresses, folder: Path) -> None:
        """Its files lie in `folder`."""
        folder.mkdir()
        self.port = at.place("redis", 6379)
        words = [at.here(word) for word in service.command]
        words[0] = parts.program(words[0])
        words[words.index("/data")] = str(folder)
        words += ["--bind", "127.0.0.1", "--port", str(self.port)]
        super().__init__(words, log=folder / "redis.log")

    async def answers(self) -> bool:
        """Whether it answers as the stack's health check asks it: by the account that may do nothing else."""
        client = Redis(host="127.0.0.1", port=self.port, username="health", password="none")
        async with client:
            try:
                return bool(await client.ping())
            except RedisError:
                return False


class InfluxOfStack(Process):
    """InfluxDB, set up with what the image is given for its first start."""

    def __init__(self, service: Service, at: Addresses, folder: Path) -> None:
        """Its files lie in `folder`."""
        folder.mkdir()
        self.port = at.place("influxdb", 8086)
        self._given = {name.removeprefix("DOCKER_INFLUXDB_INIT_"): value for name, value in service.environment.items()}
        self._at = at
        words = [str(influx.needed()), f"--http-bind-address=127.0.0.1:{self.port}"]
        words += [f"--bolt-path={folder / 'influxd.bolt'}", f"--engine-path={folder / 'engine'}"]
        words += [f"--sqlite-path={folder / 'influxd.sqlite'}", "--log-level=warn"]
        env = {name: value for name, value in os.environ.items() if not name.startswith(("INFLUX", "AGENT_MONITOR_"))}
        super().__init__(words, log=folder / "influxd.log", env=env | {"INFLUXD_REPORTING_DISABLED": "true"})

    async def answers(self) -> bool:
        """Whether it takes requests; the first time it is set up then, as the image's start does."""
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", timeout=10) as client:
            try:
                if (await client.get("/ready")).status_code != 200:
                    return False
            except httpx.TransportError:
                return False
            if (await client.get("/api/v2/setup")).raise_for_status().json()["allowed"]:
                first = {
                    "username": self._given["USERNAME"],
                    "org": self._given["ORG"],
                    "bucket": self._given["BUCKET"],
                    "password": self._at.secret(Path(self._given["PASSWORD_FILE"]).name),
                    "token": self._at.secret(Path(self._given["ADMIN_TOKEN_FILE"]).name),
                }
                (await client.post("/api/v2/setup", json=first)).raise_for_status()
        return True


class Ours(Program):
    """A service of our own image: its command and its environment, and a port of this machine."""

    def __init__(self, service: Service, at: Addresses, log: Path, **more: str) -> None:
        """`more`: settings that the README lets people change."""
        words = [at.here(word).replace("0.0.0.0", "127.0.0.1") for word in service.command]
        url = ""
        if service.name in {"collector", "alerter"}:
            port = str(free_port())
            words = words if "--port" in words else [*words, "--port", ""]
            words[words.index("--port") + 1] = port
            url = f"http://127.0.0.1:{port}"
        env = {name: value for name, value in os.environ.items() if not name.startswith("AGENT_MONITOR_")}
        env |= {name: at.here(value) for name, value in service.environment.items()}
        env |= {f"AGENT_MONITOR_{name.upper()}": value for name, value in more.items()}
        super().__init__(["-c", MAIN, *words], env, log=log, url=url)


async def run_once(service: Service, at: Addresses, *words: str) -> str:
    """Run the one-shot service to its end, or another command in its place; what it said."""
    program = Ours(service, at, at.folder / "none")
    program.words = [*program.words[:3], *(words or service.command)]
    running = await asyncio.create_subprocess_exec(
        *program.words,
        env=program.env,
        cwd=program.cwd,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(running.communicate(), RUN_SECONDS)
    assert running.returncode == 0, said.decode(errors="replace")
    return said.decode()
