"""Histories to test: each kind of SeriesStore behind the same few verbs."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from monitor import clock as wall
from monitor.db import Database, Role
from monitor.ids import microseconds
from monitor.pipeline import SET_TENANT, Pipeline
from monitor.series import influx_buckets
from monitor.series.catalogue import Catalogue
from monitor.series.influx import InfluxSeriesStore
from monitor.series.influx_client import Influx
from monitor.series.postgres import PostgresSeriesStore
from monitor.series.store import Kind, Report, SeriesName, SeriesStore, Tags
from monitor.settings import Settings
from tests.points import Point, Refused, columns_of
from tests.servers import fixtures as servers


@dataclass
class History:
    """A store and the ways to fill it."""

    db: Database
    store: SeriesStore

    async def write(self, tenant_id: UUID, points: Sequence[Point]) -> list[Refused]:
        """Write points in one transaction, as the batcher does."""
        prepared, refused = await columns_of(self.store, tenant_id, points)
        async with self.db.driver(Role.APP) as connection, Pipeline(connection) as pipeline:
            pipeline.add(SET_TENANT, tenant=str(tenant_id))
            await self.store.write(pipeline, tenant_id, prepared)
        return refused

    async def settle(self, now: datetime) -> Report:
        """Whatever the store does with hours that are over."""
        return await self.store.roll_up(now)


@pytest.fixture
def history_on_postgres(db: Database) -> History:
    """History in PostgreSQL."""
    return History(db, PostgresSeriesStore(db))


@pytest.fixture
async def influx_client(influx: servers.Influx) -> AsyncIterator[Influx]:
    """A client with buckets of this test's own, as `migrate` makes them."""
    client = Influx(influx.url, token=influx.token, org=influx.org, bucket=influx.bucket)
    await influx_buckets.ensure(client, Settings())
    yield client
    await client.close()


@pytest.fixture
def history_on_influx(db: Database, influx_client: Influx) -> History:
    """History in InfluxDB."""
    return History(db, InfluxSeriesStore(db, influx_client, Catalogue(db), wall.now))


@pytest.fixture(params=["postgres", "influx"])
def history(request: pytest.FixtureRequest) -> History:
    """Each store in turn."""
    made: History = request.getfixturevalue(f"history_on_{request.param}")
    return made


@pytest.fixture
def day() -> datetime:
    """Midnight, three days ago: its partitions stand ready and it is over."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=3)


def point(
    agent_id: UUID, at: datetime, value: float, *, metric: str = "m", tags: Tags = (), kind: Kind | None = None
) -> Point:
    """A point with defaults."""
    return Point(SeriesName(agent_id, metric, tags, kind, None), microseconds(at), value)
