"""A whole installation to back up: a durable server of its own with a tenant, and somebody who writes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import text

from monitor import clock, firsttime, partitions
from monitor.backup import fingerprint
from monitor.backup.fingerprint import TableSum
from monitor.backup.take import Source
from monitor.db import Database, Role
from monitor.embedded import EmbeddedPostgres
from monitor.pgroles import BACKUP
from sql import migrate
from tests.conftest import urls
from tests.stage import MAIN, ROOT, Program

INSERT = """
    INSERT INTO agent_types (tenant_id, id, slug, name, description)
    SELECT :tenant, gen_random_uuid(), 'type-' || :number || '-' || n, 'written', repeat('x', 200)
    FROM generate_series(1, :rows) n
"""


@dataclass(frozen=True, slots=True)
class Installation:
    """The server, its database and the tenant."""

    server: EmbeddedPostgres
    db: Database
    tenant: object

    def source(self, *, secret: str | None = None) -> Source:
        """What to back up."""
        url = self.server.url(Role.OWNER)
        return Source(db=self.db, owner_url=url, backup_url=self.server.url(BACKUP), influx=None, secret=secret)

    @property
    def environment(self) -> dict[str, str]:
        """What a command must know."""
        server = self.server
        named = {"DATABASE": Role.APP, "DATABASE_OWNER": Role.OWNER, "DATABASE_ALERTER": Role.ALERTER}
        named |= {"DATABASE_DOORMAN": Role.DOORMAN}
        said = {f"AGENT_MONITOR_{name}_URL": server.url(role) for name, role in named.items()}
        return {**said, "AGENT_MONITOR_DATABASE_BACKUP_URL": server.url(BACKUP)}

    def command(self, *words: str, log: Path) -> Program:
        """`agent-monitor …` as a process."""
        return Program(["-c", MAIN, *words], {**self.environment, "PYTHONPATH": str(ROOT)}, log=log)

    async def write(self, number: int, rows: int = 20) -> datetime:
        """Commit some rows; the time after it."""
        async with self.db.owner() as connection:
            await connection.execute(text(INSERT), {"tenant": self.tenant, "number": number, "rows": rows})
            await connection.execute(text("DELETE FROM agent_types WHERE name = 'written' AND slug LIKE '%-1'"))
        return clock.now()

    async def sums(self) -> dict[str, TableSum]:
        """What all tables hold now."""
        async with self.db.owner() as connection:
            return await fingerprint.take(connection)


@contextlib.asynccontextmanager
async def installed(data: Path, *, durable: bool = True) -> AsyncIterator[Installation]:
    """An installation in a directory: made in an empty one, taken as it is in another."""
    async with EmbeddedPostgres(data, durable=durable) as server:
        db = Database(urls(server, "agent_monitor"), pool_size=4)
        try:
            await migrate.upgrade(db)
            await partitions.apply(db, clock.now(), retention={})
            tenant, _ = await firsttime.ensure_tenant(db, clock.now)
            yield Installation(server, db, tenant)
        finally:
            await db.close()


@contextlib.asynccontextmanager
async def writing(one: Installation, numbers: Sequence[int] = range(1_000_000)) -> AsyncIterator[list[int]]:
    """Two who write all the time; the numbers that they have written so far."""
    done: list[int] = []
    waiting = iter(numbers)

    async def write() -> None:
        for number in waiting:
            await one.write(number)
            done.append(number)

    tasks = [asyncio.create_task(write()) for _ in range(2)]
    try:
        yield done
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(one, asyncio.CancelledError) for one in ended), ended
