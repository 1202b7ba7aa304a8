"""The two stores as ends of a copy: each reads and writes single points and rollups of some series of one tenant."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import numpy as np

from monitor import arrays, partitions
from monitor.db import Database, Role
from monitor.errors import SeriesDown
from monitor.ids import from_microseconds
from monitor.pipeline import SET_TENANT, Pipeline
from monitor.series import stored
from monitor.series.catalogue import Catalogue
from monitor.series.columns import cursor
from monitor.series.influx_client import Influx, Refusal
from monitor.series.influx_pieces import Piece, minute_lines, rollup_lines
from monitor.series.influx_read import InfluxSource
from monitor.series.influx_write import MARK, late_hours, post
from monitor.series.store import Columns
from monitor.series.stored import DAY_US, HOUR_US, MINUTE_US, SCALARS, Span, Spans, Who
from monitor.series.summaries import Mask, Minutes, Points, Summaries, merge
from monitor.series.upserts import Batch, write_minutes, write_rollups
from monitor.series.write import upsert

_TABLES = {HOUR_US: "rollups_hour", DAY_US: "rollups_day"}


@dataclass(frozen=True, slots=True)
class Page:
    """Some series of one tenant."""

    tenant_id: UUID
    who: Who
    counter: Mask


class End(Protocol):
    """A store to copy from or to. `width` is a minute, an hour or a day in microseconds."""

    async def points(self, page: Page, span: Span) -> Points:
        """Single points."""
        ...

    async def rollups(self, page: Page, span: Span, *, width: int) -> Summaries:
        """Rollups."""
        ...

    async def write_points(self, page: Page, points: Points, *, before: int) -> int:
        """Write points, which are rolled up later; returns how many are refused. `before`: the open hour."""
        ...

    async def write_rollups(self, page: Page, made: Summaries, *, width: int) -> None:
        """Write rollups of spans that have no points any more."""
        ...


@dataclass(frozen=True, slots=True)
class PostgresEnd:
    """Samples, chunks and folded rollups."""

    db: Database

    async def points(self, page: Page, span: Span) -> Points:
        """Of open hours and of closed ones."""
        async with self.db.driver(Role.OWNER) as connection, connection.transaction():
            cur = cursor(connection)
            fresh = await stored.samples(cur, page.who, span)
            return Points.join([fresh, await stored.chunks(cur, page.who, Spans([span]))])

    async def rollups(self, page: Page, span: Span, *, width: int) -> Summaries:
        """Rows of one level."""
        async with self.db.driver(Role.OWNER) as connection, connection.transaction():
            cur = cursor(connection)
            if width == MINUTE_US:
                return await stored.minutes(cur, page.who, Spans([span]))
            return await stored.rollups(cur, _TABLES[width], page.who, Spans([span]), histograms=True)

    async def write_points(self, page: Page, points: Points, *, before: int) -> int:
        """Samples: those of closed hours are work for compaction."""
        if len(points.at):
            tables = ("samples", "sample_chunks", "rollups_minute", *_TABLES.values())
            await partitions.cover(self.db, tables, from_microseconds(int(points.at.min())))
            async with self.db.driver(Role.APP) as connection, Pipeline(connection) as pipeline:
                pipeline.add(SET_TENANT, tenant=str(page.tenant_id))
                upsert(pipeline, page.tenant_id, Columns(page.who.ids[points.series], points.at, points.value))
        return 0

    async def write_rollups(self, page: Page, made: Summaries, *, width: int) -> None:
        """An hour or a day at a time."""
        starts = made.at // HOUR_US * HOUR_US
        for start in np.unique(starts).tolist():
            here = made.where(starts == start)
            rows = np.unique(here.series)
            who = Who([page.tenant_id] * len(rows), page.who.ids[rows])
            batch, series = Batch(who, page.counter[rows], start), np.searchsorted(rows, here.series)
            order = np.lexsort((here.at, series))
            tables = ("rollups_minute",) if width == MINUTE_US else (_TABLES[width],)
            await partitions.cover(self.db, tables, from_microseconds(start))
            async with self.db.driver(Role.OWNER) as connection, connection.transaction():
                if width == MINUTE_US:
                    one = here.take(order)
                    minutes = Minutes(series[order], one.at // MINUTE_US, one.count, one.sum, one.min, one.max)
                    await write_minutes(cursor(connection), batch, minutes)
                else:
                    await write_rollups(cursor(connection), _TABLES[width], batch, at_us=start, made=merge(here))


@dataclass(frozen=True, slots=True)
class InfluxEnd:
    """Buckets; what is rolled up and what is not stands in PostgreSQL."""

    db: Database
    influx: Influx
    catalogue: Catalogue

    def _source(self, page: Page) -> InfluxSource:
        return InfluxSource(self.influx, page.who, metric=None)

    async def points(self, page: Page, span: Span) -> Points:
        """From the raw bucket."""
        return await self._source(page).points(Spans([span]))

    async def rollups(self, page: Page, span: Span, *, width: int) -> Summaries:
        """From the bucket of the level."""
        minutes = width == MINUTE_US
        scalars = ("count", "sum", "min", "max") if minutes else SCALARS
        return await self._source(page).rollups(width, Spans([span]), scalars=scalars, histograms=not minutes)

    async def write_points(self, page: Page, points: Points, *, before: int) -> int:
        """As ingest does: hours that are over are marked, to be rolled up."""
        if not len(points.at):
            return 0
        columns = Columns(page.who.ids[points.series], points.at, points.value)
        refused = await post(self.influx, self.catalogue, page.tenant_id, columns)
        series, hours = late_hours(columns, before=before)
        if len(series):
            async with self.db.driver(Role.APP) as connection, Pipeline(connection) as pipeline:
                pipeline.add(SET_TENANT, tenant=str(page.tenant_id))
                given = {"series": arrays.int8s(series), "hours": arrays.times(hours)}
                pipeline.add(MARK, tenant=page.tenant_id, **given)
        return int(np.isin(columns[0], list(refused)).sum()) if refused else 0

    async def write_rollups(self, page: Page, made: Summaries, *, width: int) -> None:
        """A span at a time."""
        keys = dict(await self.catalogue.keys(page.tenant_id, page.who.ids.tolist()))
        piece = Piece(page.who, page.counter, None, 1)
        if width == MINUTE_US:
            minutes = Minutes(made.series, made.at // MINUTE_US, made.count, made.sum, made.min, made.max)
            await self._write(self.influx.buckets.minute, minute_lines(keys, page.who, minutes))
            return
        bucket = self.influx.buckets.hour if width == HOUR_US else self.influx.buckets.day
        for start in np.unique(made.at).tolist():
            await self._write(bucket, rollup_lines(keys, piece, made.where(made.at == start), at_us=start))

    async def _write(self, bucket: str, lines: bytes) -> None:
        if lines:
            try:
                await self.influx.write(bucket, lines)
            except Refusal as fault:
                raise SeriesDown(f"InfluxDB refuses rollups: {fault.message}") from fault
