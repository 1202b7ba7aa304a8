"""History in PostgreSQL: the SeriesStore that the embedded default uses."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

from monitor.db import Database
from monitor.errors import DatabaseDown, InvalidInput, SeriesDown
from monitor.pipeline import Pipeline
from monitor.series import read, reduce, rollup
from monitor.series.catalogue import Catalogue
from monitor.series.columns import cursor, driver
from monitor.series.source import PostgresSource
from monitor.series.store import (
    Answer,
    Columns,
    Kind,
    Latest,
    LatestQuery,
    Line,
    Past,
    Query,
    Reduced,
    Reduction,
    Report,
    Selection,
    SeriesName,
    Tags,
)
from monitor.series.write import upsert

_LAST = """
    SELECT s.metric, s.tags, s.unit, coalesce(p.at, h.last_at), coalesce(p.value, h.last), p.at, h.last_at, h.last
    FROM series s
    LEFT JOIN LATERAL (
        SELECT x.at, x.value FROM samples x
        WHERE x.tenant_id = s.tenant_id AND x.series_id = s.id ORDER BY x.at DESC LIMIT 1
    ) p ON true
    LEFT JOIN LATERAL (
        SELECT x.last_at, x.last FROM rollups_hour x
        WHERE x.tenant_id = s.tenant_id AND x.series_id = s.id ORDER BY x.at DESC LIMIT 1
    ) h ON true
    WHERE s.agent_id = %s AND coalesce(p.at, h.last_at) IS NOT NULL
    ORDER BY s.metric, s.id
"""

_LATEST = """
    SELECT a.external_id, s.metric, s.tags, s.kind, n.at, n.value
    FROM series s
    JOIN agents a ON a.tenant_id = s.tenant_id AND a.id = s.agent_id
    JOIN LATERAL (
        (SELECT x.at, x.value FROM samples x
         WHERE x.tenant_id = s.tenant_id AND x.series_id = s.id AND x.at >= %(since)s ORDER BY x.at DESC LIMIT 1)
        UNION ALL
        (SELECT x.last_at, x.last FROM rollups_hour x
         WHERE x.tenant_id = s.tenant_id AND x.series_id = s.id AND x.at >= %(since)s - interval '1 hour'
         ORDER BY x.at DESC LIMIT 1)
        ORDER BY 1 DESC LIMIT 1
    ) n ON n.at >= %(since)s
    WHERE (cardinality(%(agents)s::text[]) = 0 OR a.external_id = ANY(%(agents)s))
      AND (cardinality(%(metrics)s::text[]) = 0 OR s.metric = ANY(%(metrics)s))
    ORDER BY s.metric, s.id LIMIT %(limit)s + 1
"""


@contextlib.contextmanager
def series_down() -> Iterator[None]:
    """What a store says when PostgreSQL does not answer."""
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

    async def resolve(self, tenant_id: UUID, names: Sequence[SeriesName]) -> list[int | str]:
        """The ids of series."""
        return await self._catalogue.resolve(tenant_id, names)

    async def write(self, pipeline: Pipeline, tenant_id: UUID, points: Columns) -> None:
        """Add to the caller's transaction."""
        upsert(pipeline, tenant_id, points)

    async def query(self, tenant_id: UUID, query: Query) -> list[Line]:
        """Lines over time."""
        with series_down():
            async with self._db.tenant(tenant_id) as connection:
                cur = cursor(await driver(connection))
                reading = await read.plan(cur, tenant_id, query)
                if reading is None:
                    return []
                found = await reading.gather(PostgresSource(cur, reading.who))
        return read.lines_of(await reading.answer(found), reading.labels, query.by)

    async def reduce(
        self, reduction: Reduction, targets: Mapping[UUID, Sequence[UUID]], *, now: datetime
    ) -> list[Reduced]:
        """One reading for many agents."""
        selection = await self.select(reduction, targets)
        (answer,) = await self.read([(reduction, selection)], now=now)
        return reduce.reduced(answer, selection.labels)

    async def select(self, reduction: Reduction, targets: Mapping[UUID, Sequence[UUID]]) -> Selection:
        """The series of agents by tenant."""
        with series_down():
            async with self._db.alerter() as connection:
                return await reduce.select(cursor(await driver(connection)), reduction, targets)

    async def read(self, wanted: Sequence[tuple[Reduction, Selection]], *, now: datetime) -> list[Answer]:
        """One statement for all that read single points over the same span."""
        answers = [reduce.NOTHING] * len(wanted)
        plans = {place: reduce.plan(*one, now=now) for place, one in enumerate(wanted)}
        made = [(place, one) for place, one in plans.items() if one is not None]
        readings = [one for _, one in made]
        for who, places in reduce.together(readings):
            first = readings[places[0]]
            with series_down():
                async with self._db.alerter() as connection:
                    found = await first.gather(PostgresSource(cursor(await driver(connection)), who))
            for place in places:
                one = readings[place]
                answers[made[place][0]] = await one.answer(reduce.share(found, who, one.who))
        return answers

    async def past(
        self, tenant_id: UUID, reduction: Reduction, agents: Sequence[UUID], *, end: datetime, at_most: int
    ) -> Past | None:
        """Counted first, from rollups."""
        reduce.check_size(await self.query(tenant_id, reduce.counting(reduction, agents, end=end)), at_most)
        with series_down():
            async with self._db.tenant(tenant_id) as connection:
                cur = cursor(await driver(connection))
                selection = await reduce.select(cur, reduction, {tenant_id: agents})
                reading = reduce.plan(reduction, selection, now=end)
                if reading is None:
                    return None
                reading = reduce.single(reading)
                return reduce.past(reading, await reading.gather(PostgresSource(cur, reading.who)))

    async def roll_up(self, now: datetime) -> Report:
        """Compact the hours that are over."""
        return await rollup.run_once(self._db, now)

    async def close(self) -> None:
        """The doors stay the caller's."""

    async def last_values(self, tenant_id: UUID, agent_id: UUID) -> list[tuple[str, Tags, datetime, float, str | None]]:
        """The newest value of every series of an agent."""
        with series_down():
            async with self._db.tenant(tenant_id) as connection:
                cur = (await driver(connection)).cursor(binary=True)
                await cur.execute(_LAST, [agent_id])
                rows = await cur.fetchall()
        answers: list[tuple[str, Tags, datetime, float, str | None]] = []
        for metric, tags, unit, at, value, single, rolled, last in rows:
            # A late point may be the only single one and yet older than what its series had before.
            if single is not None and rolled is not None and rolled > single:
                at, value = rolled, last
            answers.append((metric, tuple(sorted(tags.items())), at.astimezone(UTC), value, unit))
        return answers

    async def latest(self, tenant_id: UUID, query: LatestQuery) -> list[Latest]:
        """The newest values of a tenant's series."""
        given = {
            "since": query.since,
            "agents": list(query.agents),
            "metrics": list(query.metrics),
            "limit": query.limit,
        }
        with series_down():
            async with self._db.tenant(tenant_id) as connection:
                cur = (await driver(connection)).cursor(binary=True)
                await cur.execute(_LATEST, given)
                rows = await cur.fetchall()
        return within(
            [
                Latest(agent, metric, tuple(sorted(tags.items())), Kind(kind), at.astimezone(UTC), value)
                for agent, metric, tags, kind, at, value in rows
            ],
            query.limit,
        )


def within(found: list[Latest], limit: int) -> list[Latest]:
    """All of them. Raises InvalidInput where there are more than the limit."""
    if len(found) > limit:
        raise InvalidInput(f"there are more than {limit:,} series: ask for some agents or metrics", path="limit")
    return found
