"""Histories to test: each kind of SeriesStore behind the same few verbs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from monitor.db import Database, Role
from monitor.ids import microseconds
from monitor.pipeline import SET_TENANT, Pipeline
from monitor.series import rollup
from monitor.series.postgres import PostgresSeriesStore
from monitor.series.store import Kind, Point, Refused, SeriesName, SeriesStore, Tags


@dataclass
class History:
    """A store and the ways to fill it."""

    db: Database
    store: SeriesStore

    async def write(self, tenant_id: UUID, points: Sequence[Point]) -> list[Refused]:
        """Write points in one transaction, as the batcher does."""
        prepared, refused = await self.store.prepare(tenant_id, points)
        async with self.db.driver(Role.APP) as connection, Pipeline(connection) as pipeline:
            pipeline.add(SET_TENANT, tenant=str(tenant_id))
            await self.store.write(pipeline, tenant_id, [prepared])
        return refused

    async def settle(self, now: datetime) -> rollup.Report:
        """Whatever the store does with hours that are over."""
        return await rollup.run_once(self.db, now)


@pytest.fixture(params=["postgres"])
def history(request: pytest.FixtureRequest, db: Database) -> History:
    """Each store in turn."""
    made: Mapping[str, SeriesStore] = {"postgres": PostgresSeriesStore(db)}
    return History(db, made[request.param])


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
