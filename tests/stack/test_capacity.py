"""`doctor` reckons connections: instances × pool size + buffer, against the servers' own limits."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from monitor.capacity import Pooler, look, rooms
from monitor.compose import database
from monitor.db import Role
from monitor.doctor import examine
from monitor.embedded import EmbeddedPostgres
from monitor.inspection import Finding
from monitor.settings import Settings
from tests.stack.pooler import StackPooler


def test_without_a_pooler_every_process_counts_in_full() -> None:
    (room,) = rooms(instances=5, pool=20, limit=117)
    assert (room.needed, room.enough) == (110, True)
    assert str(room) == "5 processes × 20 + 10 = 110 of PostgreSQL's 117"
    (room,) = rooms(instances=6, pool=20, limit=117)
    assert (room.needed, room.enough) == (130, False)


def test_behind_a_pooler_it_and_the_server_count_apart() -> None:
    pooler, server = rooms(instances=20, pool=50, limit=117, pooler=Pooler(takes=1000, opens=90), direct=4)
    assert str(pooler) == "20 processes × 50 + 10 = 1010 of PgBouncer's 1000"
    assert str(server) == "90 from PgBouncer + 20 × 4 + 10 = 180 of PostgreSQL's 117"
    assert (pooler.enough, server.enough) == (False, False)


def settings_for(postgres: EmbeddedPostgres, database_name: str, port: int | None = None) -> Settings:
    """Settings that reach the database, by the pooler at `port` if there is one; the owner goes around it."""

    def url(role: Role) -> str:
        direct = postgres.tcp_url(role, database_name)
        return (
            direct if port is None or role is Role.OWNER else direct.replace(f":{urlsplit(direct).port}/", f":{port}/")
        )

    return Settings(
        database_url=url(Role.APP),
        database_alerter_url=url(Role.ALERTER),
        database_doorman_url=url(Role.DOORMAN),
        database_owner_url=url(Role.OWNER),
        database_prepare=port is None,
        secret_keys=("a key for tests and nothing else",),
    )


@asynccontextmanager
async def pooled(postgres: EmbeddedPostgres, folder: Path, **changed: str) -> AsyncIterator[StackPooler]:
    """The stack's pooler before this server, for all of its databases."""
    users = "".join(f'"{role}" "{unquote(urlsplit(postgres.tcp_url(role)).password or "")}"\n' for role in Role)
    made = StackPooler(folder, postgres.tcp_url(), users, **changed)
    await made.start()
    try:
        yield made
    finally:
        made.kill()


async def connections(settings: Settings) -> Finding:
    """What `doctor` finds about them."""
    return next(finding for finding in await examine(settings) if finding.subject == "connections")


async def test_doctor_names_the_numbers(postgres: EmbeddedPostgres, database_name: str) -> None:
    settings = settings_for(postgres, database_name)
    finding = await connections(settings)
    assert finding == Finding("connections", well=True, detail="3 processes × 20 + 10 = 70 of PostgreSQL's 197")
    finding = await connections(replace(settings, instances=10))
    assert not finding.well
    assert "10 processes × 20 + 10 = 210 of PostgreSQL's 197" in finding.detail


@pytest.mark.parametrize("size", [5, 51])
async def test_doctor_minds_the_size_of_a_pool(postgres: EmbeddedPostgres, database_name: str, size: int) -> None:
    finding = await connections(replace(settings_for(postgres, database_name), database_pool_size=size, instances=1))
    assert not finding.well
    assert "20 to 50" in finding.detail


async def test_doctor_asks_the_pooler(postgres: EmbeddedPostgres, data_dir: Path) -> None:
    async with pooled(postgres, data_dir) as pooler:
        settings = settings_for(postgres, "agent_monitor", pooler.port)
        async with database(settings) as db:
            await db.ping()
            clients, server = await look(settings, db)
    assert str(clients) == "3 processes × 20 + 10 = 70 of PgBouncer's 1000"
    assert str(server) == "90 from PgBouncer + 3 × 4 + 10 = 112 of PostgreSQL's 197"


async def test_a_pooler_that_does_not_tell_is_a_finding(postgres: EmbeddedPostgres, data_dir: Path) -> None:
    async with pooled(postgres, data_dir, stats_users="somebody_else") as pooler:
        finding = await connections(settings_for(postgres, "agent_monitor", pooler.port))
    assert not finding.well
    assert "stats_users" in finding.detail
