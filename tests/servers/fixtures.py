"""Fixtures of real servers: one server for each worker, a corner of it for each test.

A test that stops and starts a server has one of its own: `InfluxServer(folder)`, `RedisServer(folder)`.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from monitor import clock as wall
from monitor import partitions
from monitor.db import Database, Role
from monitor.embedded import EmbeddedPostgres
from sql import migrate
from tests.servers import influx as influxes
from tests.servers import postgres as postgreses
from tests.servers import redis
from tests.servers.influx import InfluxAddress
from tests.servers.pgbouncer import PgBouncer

ENOUGH_MEMORY = 6 << 30


@pytest.fixture(scope="session")
def servers_dir() -> Iterator[Path]:
    """Where this worker's servers keep their files."""
    with tempfile.TemporaryDirectory(prefix="agent-monitor-test-", ignore_cleanup_errors=True) as made:
        yield Path(made)


@pytest.fixture(scope="session")
def server_dir() -> Iterator[Path]:
    """Where the server keeps its files: in memory where there is room, since cloning makes a thousand of them."""
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free >= ENOUGH_MEMORY
    made = Path(tempfile.mkdtemp(prefix="agent-monitor-test-", dir=memory if roomy else None))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="session")
def template() -> str:
    """The name of the migrated database that each test's is a copy of. A server may be several workers'."""
    return f"agent_monitor_template_{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"


@pytest.fixture(scope="session")
def postgres(server_dir: Path, template: str) -> Iterator[EmbeddedPostgres]:
    """This worker's server."""

    async def start(server: EmbeddedPostgres) -> None:
        await server.start()
        await server.drop_database(template)
        await server.create_database(template)
        db = Database({role: server.url(role, template) for role in Role}, pool_size=2)
        await migrate.upgrade(db)
        await partitions.apply(db, wall.now(), retention={})
        await db.close()

    async def stop(server: EmbeddedPostgres) -> None:
        await server.drop_database(template)
        await server.stop()

    # One loop for start and stop: the server's keeper task lives on it, between the two it sleeps.
    with postgreses.anywhere(server_dir) as server, asyncio.Runner() as runner:
        runner.run(start(server))
        yield server
        runner.run(stop(server))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def influx_server(servers_dir: Path) -> AsyncIterator[InfluxAddress]:
    """This worker's InfluxDB."""
    async with influxes.anywhere(servers_dir / "influx") as found:
        yield found


@dataclass(frozen=True, slots=True)
class Influx:
    """A test's corner of an InfluxDB: its buckets' names begin with `bucket`."""

    url: str
    token: str
    org: str
    bucket: str


@pytest.fixture
async def influx(influx_server: InfluxAddress) -> AsyncIterator[Influx]:
    """This test's corner of InfluxDB; its buckets go when it ends."""
    bucket = f"t{uuid4().hex}"
    yield Influx(influx_server.url, influx_server.token, influx_server.org, bucket)
    await influx_server.drop(bucket)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def redis_server(servers_dir: Path) -> AsyncIterator[str]:
    """The URL of a database of this worker's in Redis."""
    async with redis.anywhere(servers_dir / "redis") as found:
        yield found


@pytest.fixture
async def redis_url(redis_server: str) -> str:
    """The same, empty."""
    await redis.flush(redis_server)
    return redis_server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def pgbouncer(servers_dir: Path, postgres: EmbeddedPostgres) -> AsyncIterator[PgBouncer]:
    """PgBouncer in transaction mode before this worker's PostgreSQL."""
    bouncer = await PgBouncer(servers_dir / "pgbouncer", postgres).start()
    yield bouncer
    bouncer.kill()
