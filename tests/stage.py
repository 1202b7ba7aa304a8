"""Whole processes on a durable PostgreSQL of their own: the stage of the fault tests and the bench."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import httpx
import psycopg

from monitor import clock as wall
from monitor import partitions
from monitor.db import Database, Role
from monitor.embedded import EmbeddedPostgres
from sql import migrate
from tests.servers.process import Process, free_port

ROOT = Path(__file__).parents[1]
MAIN = "from monitor.cli import main; main()"
VARIABLES = {
    Role.APP: "AGENT_MONITOR_DATABASE_URL",
    Role.ALERTER: "AGENT_MONITOR_DATABASE_ALERTER_URL",
    Role.DOORMAN: "AGENT_MONITOR_DATABASE_DOORMAN_URL",
    Role.OWNER: "AGENT_MONITOR_DATABASE_OWNER_URL",
}


async def until(check: Callable[[], bool | Awaitable[bool]], *, seconds: float = 60.0, every: float = 0.02) -> None:
    """Wait for something to become true; TimeoutError when it does not."""
    async with asyncio.timeout(seconds):
        while True:
            found = check()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(every)


class Program(Process):
    """One process of ours, which can be killed and started again at the same address."""

    def __init__(self, words: Sequence[str], env: Mapping[str, str], *, log: Path, url: str = "") -> None:
        """`words` follow Python's own. With a `url`, it is ready when `/readyz` answers 200 there."""
        super().__init__([sys.executable, *words], log=log, env=env)
        self.cwd = ROOT
        self.url = url

    async def answers(self) -> bool:
        """Whether it says that it is ready."""
        if not self.url:
            return True
        async with httpx.AsyncClient(timeout=5) as client:
            try:
                return (await client.get(f"{self.url}/readyz")).status_code == 200
            except httpx.HTTPError:
                return False


class Stage:
    """A PostgreSQL on disk that keeps its promises, and one migrated database in it."""

    def __init__(self, folder: Path, server: EmbeddedPostgres, database: str) -> None:
        """Made by `open_stage` and by `scene`."""
        self.folder = folder
        self.server = server
        self.database = database
        self.db = Database(self.urls, pool_size=10)
        self._programs: list[Program] = []

    @property
    def urls(self) -> dict[Role, str]:
        """By TCP, at an address that a stop of the server does not change."""
        return {role: self.server.tcp_url(role, self.database) for role in Role}

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of our programs: this database, a short log, and what the caller adds."""
        made = {name: value for name, value in os.environ.items() if not name.startswith("AGENT_MONITOR_")}
        made |= {VARIABLES[role]: url for role, url in self.urls.items()}
        made |= {
            "AGENT_MONITOR_DATA_DIR": str(self.folder),
            "AGENT_MONITOR_LOG_LEVEL": "warning",
            "AGENT_MONITOR_SECRET_KEYS": "a key for tests and nothing else",
        }
        return made | {f"AGENT_MONITOR_{name.upper()}": value for name, value in more.items()}

    def collector(self, **more: str) -> Program:
        """A collector of its own port, not yet started."""
        port = free_port()
        words = ["-c", MAIN, "serve", "--host", "127.0.0.1", "--port", str(port)]
        return self._program("collector", words, f"http://127.0.0.1:{port}", more)

    def script(self, module: str, *words: str, port: int, **more: str) -> Program:
        """A module of the tests that serves HTTP at `port`, not yet started."""
        name = module.rpartition(".")[2]
        return self._program(name, ["-m", module, *words], f"http://127.0.0.1:{port}", more)

    def alerter(self, port: int | None = None, /, **more: str) -> Program:
        """An alerter, not yet started. With a `port`, its figures are served there."""
        words = ["-c", MAIN, "alert"]
        if port is None:
            return self._program("alerter", words, "", more)
        return self._program("alerter", [*words, "--port", str(port)], f"http://127.0.0.1:{port}", more)

    def _program(self, name: str, words: list[str], url: str, more: Mapping[str, str]) -> Program:
        log = self.folder / f"{name}-{len(self._programs)}.log"
        log.touch()
        made = Program(words, self.environment(**more), log=log, url=url)
        self._programs.append(made)
        return made

    async def vacuum(self) -> None:
        """What autovacuum does in time, at once."""
        url = self.urls[Role.OWNER]
        async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
            await connection.execute("VACUUM (ANALYZE)")

    async def close(self) -> None:
        """End every program that still runs, and the connections."""
        for program in reversed(self._programs):
            await program.stop()
        await self.db.close()


@contextlib.asynccontextmanager
async def open_stage(folder: Path) -> AsyncIterator[Stage]:
    """Start the server in `folder` and bring its database to the newest revision."""
    async with EmbeddedPostgres(folder) as server:
        stage = Stage(folder, server, "agent_monitor")
        try:
            await migrate.upgrade(stage.db)
            await partitions.apply(stage.db, wall.now(), retention={})
            yield stage
        finally:
            await stage.close()


@contextlib.asynccontextmanager
async def scene(stage: Stage, name: str) -> AsyncIterator[Stage]:
    """A fresh copy of the stage's database, dropped in the end. Nobody may use the stage's own meanwhile."""
    await stage.db.close()
    await stage.server.create_database(name, template=stage.database)
    made = Stage(stage.folder, stage.server, name)
    try:
        yield made
    finally:
        await made.close()
        await stage.server.drop_database(name)
