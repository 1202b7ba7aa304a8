"""History in InfluxDB 2: the SeriesStore of a production stack. The catalogue of series stays in PostgreSQL."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from monitor.clock import Clock
from monitor.db import Database
from monitor.ids import from_microseconds
from monitor.pipeline import Pipeline
from monitor.series import influx_reduce, influx_rollup, read, reduce, spool
from monitor.series.catalogue import Catalogue
from monitor.series.columns import Cursor, cursor, driver
from monitor.series.influx_client import Frame, Influx
from monitor.series.influx_line import plain
from monitor.series.influx_read import InfluxSource, Scan, unsettled
from monitor.series.influx_write import InfluxWriter
from monitor.series.postgres import series_down, within
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

_SERIES = "SELECT id, metric, tags, unit FROM series WHERE agent_id = %s ORDER BY metric, id"
_AGENT = "SELECT external_id FROM agents WHERE id = %s"
_LAST = """
newest = (bucket, field) => from(bucket: bucket) |> range(start: 1970-01-01T00:00:00Z, stop: 2096-01-01T00:00:00Z)
    |> filter(fn: (r) => r.tenant == tenant and r.agent == agent and r._field == field)
    |> group(columns: ["_id"]) |> last() |> group() |> keep(columns: ["_id", "_time", "_value"])
newest(bucket: raw, field: "value") |> yield(name: "raw")
newest(bucket: hour, field: "last") |> yield(name: "last")
newest(bucket: hour, field: "last_at") |> yield(name: "last_at")
"""

_LATEST_SERIES = """
    SELECT s.id, a.external_id, s.metric, s.tags, s.kind
    FROM series s JOIN agents a ON a.tenant_id = s.tenant_id AND a.id = s.agent_id
    WHERE s.id = ANY(%s) AND (cardinality(%s::text[]) = 0 OR a.external_id = ANY(%s))
      AND (cardinality(%s::text[]) = 0 OR s.metric = ANY(%s))
    ORDER BY s.metric, s.id LIMIT %s + 1
"""
_LATEST = """
from(bucket: raw) |> range(start: since, stop: 2096-01-01T00:00:00Z)
    |> filter(fn: (r) => r.tenant == tenant and r._field == "value")
    |> group(columns: ["_id"]) |> last() |> group() |> keep(columns: ["_id", "_time", "_value"]) |> yield(name: "raw")
"""


class InfluxSeriesStore:
    """See SeriesStore. One for each process."""

    def __init__(self, db: Database, influx: Influx, catalogue: Catalogue, clock: Clock) -> None:
        """Uses the doors tenant, alerter and, for rolling up, owner. Closes `influx`."""
        self._db = db
        self.influx = influx
        self.catalogue = catalogue
        self._writer = InfluxWriter(influx, catalogue, clock)

    async def resolve(self, tenant_id: UUID, names: Sequence[SeriesName]) -> list[int | str]:
        """The ids of series."""
        return await self.catalogue.resolve(tenant_id, names)

    async def write(self, pipeline: Pipeline, tenant_id: UUID, points: Columns) -> None:
        """To InfluxDB, or to the spool in the caller's transaction."""
        await self._writer.write(pipeline, tenant_id, points)

    async def query(self, tenant_id: UUID, query: Query) -> list[Line]:
        """Lines over time."""
        # PostgreSQL's connection goes back before InfluxDB is asked, which may take long.
        async with self._tenant(tenant_id) as cur:
            reading = await read.plan(cur, tenant_id, query)
            if reading is None:
                return []
            left = await unsettled(cur, reading.who, reading.shape.span)
        found = await reading.gather(InfluxSource(self.influx, reading.who, metric=query.metric, left=left))
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
        async with self._alerter() as cur:
            return await reduce.select(cur, reduction, targets)

    async def read(self, wanted: Sequence[tuple[Reduction, Selection]], *, now: datetime) -> list[Answer]:
        """One after the other; windows up to two hours in one query each."""
        return [await self._read(*one, now=now) for one in wanted]

    async def _read(self, reduction: Reduction, selection: Selection, *, now: datetime) -> Answer:
        reading = reduce.plan(reduction, selection, now=now)
        if reading is None:
            return reduce.NOTHING
        with series_down():
            async with self._db.alerter() as connection:
                # What waits in PostgreSQL would be missing.
                await spool.check(connection, set(selection.who.tenants))
                cur = cursor(await driver(connection))
                left = await unsettled(cur, reading.who, reading.shape.span) if reading.widths else None
        if influx_reduce.is_pushed(reduction, reading):
            return await influx_reduce.pushed(Scan(self.influx, reading.who, reduction.metric), reading)
        source = InfluxSource(self.influx, reading.who, metric=reduction.metric, left=left)
        return await reading.answer(await reading.gather(source))

    async def past(
        self, tenant_id: UUID, reduction: Reduction, agents: Sequence[UUID], *, end: datetime, at_most: int
    ) -> Past | None:
        """Counted first, from rollups."""
        reduce.check_size(await self.query(tenant_id, reduce.counting(reduction, agents, end=end)), at_most)
        with series_down():
            async with self._db.tenant(tenant_id) as connection:
                cur = cursor(await driver(connection))
                reading = reduce.plan(reduction, await reduce.select(cur, reduction, {tenant_id: agents}), now=end)
        if reading is None:
            return None
        reading = reduce.single(reading)
        source = InfluxSource(self.influx, reading.who, metric=reduction.metric, left=None)
        return reduce.past(reading, await reading.gather(source))

    async def roll_up(self, now: datetime) -> Report:
        """Write the minutes and hours of what is over, and of what came late."""
        return await influx_rollup.run_once(self._db, self.influx, self.catalogue, now)

    async def close(self) -> None:
        """Close the connections to InfluxDB."""
        await self.influx.close()

    async def last_values(self, tenant_id: UUID, agent_id: UUID) -> list[tuple[str, Tags, datetime, float, str | None]]:
        """The newest value of every series of an agent, from single points or, where these are gone, from hours."""
        async with self._tenant(tenant_id) as cur:
            await cur.execute(_SERIES, [agent_id])
            names = {row[0]: row[1:] for row in await cur.fetchall()}
            await cur.execute(_AGENT, [agent_id])
            agent = await cur.fetchone()
        if not names or agent is None:
            return []
        buckets = self.influx.buckets
        parameters = {"raw": buckets.raw, "hour": buckets.hour, "tenant": str(tenant_id), "agent": plain(agent[0])}
        newest = _newest(await self.influx.query(_LAST, **parameters))
        answers: list[tuple[str, Tags, datetime, float, str | None]] = []
        for series_id, (metric, tags, unit) in names.items():
            if series_id in newest:
                at, value = newest[series_id]
                answers.append((metric, tuple(sorted(tags.items())), from_microseconds(at), value, unit))
        return answers

    async def latest(self, tenant_id: UUID, query: LatestQuery) -> list[Latest]:
        """The newest values of a tenant's series."""
        parameters = {"raw": self.influx.buckets.raw, "tenant": str(tenant_id), "since": query.since}
        newest = _newest(await self.influx.query(_LATEST, **parameters))
        agents, metrics = list(query.agents), list(query.metrics)
        async with self._tenant(tenant_id) as cur:
            await cur.execute(_LATEST_SERIES, [list(newest), agents, agents, metrics, metrics, query.limit])
            rows = await cur.fetchall()
        found = []
        for one, agent, metric, tags, kind in rows:
            at, value = newest[one]
            found.append(Latest(agent, metric, tuple(sorted(tags.items())), Kind(kind), from_microseconds(at), value))
        return within(found, query.limit)

    @contextlib.asynccontextmanager
    async def _alerter(self) -> AsyncIterator[Cursor]:
        with series_down():
            async with self._db.alerter() as connection:
                yield cursor(await driver(connection))

    @contextlib.asynccontextmanager
    async def _tenant(self, tenant_id: UUID) -> AsyncIterator[Cursor]:
        with series_down():
            async with self._db.tenant(tenant_id) as connection:
                yield cursor(await driver(connection))


def _newest(found: Mapping[str, Frame]) -> dict[int, tuple[int, float]]:
    """Time and value by series: the newest point, or what the newest hour says of it where that is newer."""
    newest: dict[int, tuple[int, float]] = {}
    times: dict[int, int] = {}
    if (frame := found.get("last_at")) is not None:
        times = dict(zip(frame.ints("_id").tolist(), map(int, frame.floats("_value").tolist()), strict=True))
    if (frame := found.get("last")) is not None:
        for series_id, value in zip(frame.ints("_id").tolist(), frame.floats("_value").tolist(), strict=True):
            if series_id in times:
                newest[series_id] = times[series_id], value
    if (frame := found.get("raw")) is not None:
        columns = frame.ints("_id").tolist(), frame.times("_time").tolist(), frame.floats("_value").tolist()
        for series_id, at, value in zip(*columns, strict=True):
            if series_id not in newest or at >= newest[series_id][0]:
                newest[series_id] = at, value
    return newest
