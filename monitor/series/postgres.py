"""History in PostgreSQL: the SeriesStore that the embedded default uses."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from monitor.db import Database
from monitor.errors import DatabaseDown, SeriesDown
from monitor.pipeline import Pipeline
from monitor.series import read, reduce
from monitor.series.catalogue import Catalogue
from monitor.series.store import Line, Point, Prepared, Query, Reduced, Reduction, Refused, Tags
from monitor.series.write import upsert


@contextlib.contextmanager
def _series_down() -> Iterator[None]:
    try:
        yield
    except DatabaseDown as fault:
        raise SeriesDown(fault.message) from fault


class PostgresSeriesStore:
    """See SeriesStore. One for each process: it remembers the ids of series."""

    def __init__(self, db: Database, catalogue: Catalogue | None = None) -> None:
        """Uses the doors tenant and alerter."""
        self._db = db
        self._catalogue = catalogue or Catalogue(db)

    async def prepare(self, tenant_id: UUID, points: Sequence[Point]) -> tuple[Prepared, list[Refused]]:
        """Find or make the series of each point."""
        return await self._catalogue.prepare(tenant_id, points)

    async def write(self, pipeline: Pipeline, tenant_id: UUID, batch: Sequence[Prepared]) -> None:
        """Add to the caller's transaction."""
        upsert(pipeline, tenant_id, batch)

    async def query(self, tenant_id: UUID, query: Query) -> list[Line]:
        """Lines over time."""
        with _series_down():
            return await read.query(self._db, tenant_id, query)

    async def reduce(
        self, reduction: Reduction, targets: Mapping[UUID, Sequence[UUID]], *, now: datetime
    ) -> list[Reduced]:
        """One reading for many agents."""
        with _series_down():
            return await reduce.reduce(self._db, reduction, targets, now=now)

    async def last_values(self, tenant_id: UUID, agent_id: UUID) -> list[tuple[str, Tags, datetime, float, str | None]]:
        """The newest value of every series of an agent."""
        with _series_down():
            return await read.last_values(self._db, tenant_id, agent_id)
