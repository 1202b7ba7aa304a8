"""Fixtures of the servers beside PostgreSQL: one server for each worker, a corner of it for each test.

A test that stops and starts a server has one of its own: `InfluxServer(folder)`, `RedisServer(folder)`.
"""

import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from monitor.embedded import EmbeddedPostgres
from tests.servers import influx as influxes
from tests.servers import redis
from tests.servers.influx import InfluxAddress
from tests.servers.pgbouncer import PgBouncer


@pytest.fixture(scope="session")
def servers_dir() -> Iterator[Path]:
    """Where this worker's servers keep their files."""
    with tempfile.TemporaryDirectory(prefix="agent-monitor-test-", ignore_cleanup_errors=True) as made:
        yield Path(made)


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
