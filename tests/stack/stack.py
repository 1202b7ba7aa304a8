"""The stack, started in the order of docker-compose.yml, with a mail server of the tests in Mailpit's place."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from tests.channels.servers import Mailbox
from tests.servers.process import Process
from tests.stack.composition import Composition, read
from tests.stack.pooler import StackPooler
from tests.stack.running import Addresses, InfluxOfStack, Ours, PostgresOfStack, RedisOfStack, run_once

NOT_HERE = ("grafana", "mailpit")
"""Services that run nowhere but in their images."""


class Stack:
    """What runs, and what is needed to use it."""

    def __init__(self, folder: Path, composition: Composition, mailbox: Mailbox) -> None:
        """Made by `running`."""
        self.folder = folder
        self.composition = composition
        self.mailbox = mailbox
        self.at = Addresses(folder / "secrets")
        self.at.ports["mailpit:1025"] = mailbox.controller.port
        services = composition.services
        self.postgres = PostgresOfStack(services["postgres"], self.at, folder / "postgres")
        self.influx = InfluxOfStack(services["influxdb"], self.at, folder / "influxdb")
        self.redis = RedisOfStack(services["redis"], self.at, folder / "redis")
        self.pooler = StackPooler(
            folder / "pgbouncer",
            f"postgresql://127.0.0.1:{self.postgres.port}",
            self.at.secret("pgbouncer_users"),
        )
        self.at.ports["pgbouncer:6432"] = self.pooler.port
        self.at.settle()
        self.servers: list[Process] = [self.postgres, self.influx, self.redis, self.pooler]
        self.collectors: list[Ours] = []
        self.alerters: list[Ours] = []

    async def command(self, *words: str) -> str:
        """`docker compose run --rm migrate …`."""
        return await run_once(self.composition.services["migrate"], self.at, *words)

    async def open(self, *, collectors: int, alerters: int, **more: str) -> None:
        """Servers, then `migrate`, then ours."""
        for server in self.servers:
            await server.start()
        await self.command()
        services = self.composition.services
        for number in range(collectors):
            log = self.folder / f"collector-{number}.log"
            self.collectors.append(Ours(services["collector"], self.at, log, **more))
        for number in range(alerters):
            log = self.folder / f"alerter-{number}.log"
            self.alerters.append(Ours(services["alerter"], self.at, log, **more))
        for program in (*self.collectors, *self.alerters):
            await program.start()

    async def close(self) -> None:
        """End what runs, in the opposite order."""
        for program in (*self.alerters, *self.collectors):
            await program.stop()
        for server in reversed(self.servers):
            server.kill()

    @property
    def redis_url(self) -> str:
        """Redis, as the collectors reach it."""
        return self.at.secret("redis_url")

    def database_url(self, role: str) -> str:
        """PostgreSQL itself, past the pooler, as one of the roles."""
        password = self.at.secret(f"{role}_password")
        return f"postgresql://{role}:{password}@127.0.0.1:{self.postgres.port}/agent_monitor"

    @property
    def influx_url(self) -> str:
        """InfluxDB."""
        return f"http://127.0.0.1:{self.influx.port}"


@contextlib.asynccontextmanager
async def running(
    folder: Path, mailbox: Mailbox, *, collectors: int, alerters: int, **more: str
) -> AsyncIterator[Stack]:
    """The stack with so many of ours. `mailbox` takes mail already; `more` are settings that differ."""
    stack = Stack(folder, read(), mailbox)
    try:
        await stack.open(collectors=collectors, alerters=alerters, **more)
        yield stack
    finally:
        await stack.close()
