"""Rollups in InfluxDB: hours that are over become minutes and hours in buckets of their own, and days when over.

The same summaries as on PostgreSQL. What is done stands in PostgreSQL: everything before `rollup_progress`, but for
the hours in `rollup_dirty`, to which points came late. Both change in the transaction that begins before anything is
read and ends after all is written, so a crash leaves the work to be done again; and a mark that was made meanwhile
stays. Single points remain in the raw bucket until their time is over.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain, groupby
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
from psycopg import errors as pg

from monitor import arrays
from monitor.db import Database, Role
from monitor.errors import SeriesDown
from monitor.ids import from_microseconds, microseconds
from monitor.series.catalogue import Catalogue
from monitor.series.columns import Cursor, cursor, runs
from monitor.series.influx_client import Influx, Refusal
from monitor.series.influx_pieces import Piece, Weighed, minute_lines, pieces, rollup_lines
from monitor.series.influx_read import FEW_SERIES, InfluxSource, time_literal
from monitor.series.rollup import BATCH_POINTS, GRACE, boundary
from monitor.series.store import Report
from monitor.series.stored import DAY_US, HOUR_US, SCALARS, Span, Spans, Who
from monitor.series.summaries import Minutes, Points, Summaries, fold_minutes, join, merge, summarise

DIRTY_AT_ONCE = 20_000
_LOCK = 0x5E121E8
_ROWS_A_DAY = 24 * 12  # an hour comes as a row for each of its fields
_UNTIL = "SELECT until FROM rollup_progress WHERE level = %s"
_ADVANCE = """
    INSERT INTO rollup_progress (level, until) VALUES (%s, %s) ON CONFLICT (level) DO UPDATE SET until = excluded.until
"""
_SERIES = "SELECT id, tenant_id, metric, kind = 'counter' FROM series WHERE id = ANY(%s)"
_OF_HOUR = "SELECT tenant_id, series_id, hour, marks FROM rollup_dirty WHERE hour = %s"
_OLDEST = """
    SELECT tenant_id, series_id, hour, marks FROM rollup_dirty
    WHERE hour = (SELECT min(hour) FROM rollup_dirty WHERE hour < %s) LIMIT %s
"""
_FORGET = """
    WITH done AS (
        SELECT d.tenant_id, d.series_id, d.hour FROM rollup_dirty d
        JOIN unnest(%s, %s, %s, %s) AS n (tenant_id, series_id, hour, marks) USING (tenant_id, series_id, hour, marks)
        ORDER BY 1, 2, 3 FOR UPDATE OF d
    )
    DELETE FROM rollup_dirty d USING done
    WHERE d.tenant_id = done.tenant_id AND d.series_id = done.series_id AND d.hour = done.hour
"""
_PER_SERIES = '|> group(columns: ["_id"]) |> {what}() |> group() |> keep(columns: ["_id", "_time", "_value"])'
_ALL = "from(bucket: bucket) |> range(start: {low}, stop: {high}) |> filter(fn: (r) => r._field == field) {then}"

Marks = list[tuple[UUID, int, int, int]]
"""Rows of rollup_dirty: tenant, series, hour in microseconds, marks."""


async def run_once(
    db: Database,
    influx: Influx,
    catalogue: Catalogue,
    now: datetime,
    *,
    grace: timedelta = GRACE,
    batch_points: int = BATCH_POINTS,
) -> Report:
    """Roll up every hour and day that is over, and what came late. Safe beside ingest and beside itself.

    Raises SeriesDown when InfluxDB does not answer: what is done until then stays done.
    """
    before = microseconds(boundary(now, grace))
    async with db.driver(Role.OWNER) as connection:
        roller = _Roller(connection, influx, catalogue, before, batch_points)
        for step in (roller.hour, roller.late, roller.day):
            more: bool | None = True
            while more:
                try:
                    async with connection.transaction():
                        more = await step(cursor(connection)) if await _alone(connection) else None
                except (pg.LockNotAvailable, pg.DeadlockDetected):
                    # A late point of the same hour is being marked just now: the next run takes it.
                    roller.postponed += 1
                    break
            if more is None:
                return roller.report(busy=True)
    return roller.report(busy=False)


async def _alone(connection: psycopg.AsyncConnection[Any]) -> bool:
    """Whether nobody else rolls up; if so, nobody does until this transaction ends. An old summary must not be
    written over a newer one."""
    await connection.execute("SET LOCAL lock_timeout = '300ms'")
    found = await (await connection.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])).fetchone()
    return found is not None and bool(found[0])


@dataclass(slots=True)
class _Roller:
    """Each step does one unit of work within the caller's transaction; whether there was any."""

    connection: psycopg.AsyncConnection[Any]
    influx: Influx
    catalogue: Catalogue
    before: int
    batch_points: int
    batches: int = 0
    points: int = 0
    hours: int = 0
    postponed: int = 0

    def report(self, *, busy: bool) -> Report:
        """What was done; a chunk is an hour of a series."""
        return Report(self.batches, self.points, self.hours, self.postponed, busy=busy)

    async def hour(self, cur: Cursor) -> bool:
        """The first hour that is over and not rolled up."""
        until = await self._until(cur, "hour")
        if until is None:
            until = min(await self._first(), self.before)
            await self._advance(cur, "day", until // DAY_US * DAY_US)
            await self._advance(cur, "hour", until)
        if until >= self.before:
            return False
        await cur.execute(_OF_HOUR, [from_microseconds(until)])
        marks: Marks = await cur.fetchall()
        counts = await self._counts(self.influx.buckets.raw, "value", (until, until + HOUR_US))
        for piece in pieces(await self._weighed(cur, counts), self.batch_points):
            await self._roll(piece, until)
        await self._forget(cur, marks)
        await self._advance(cur, "hour", until + HOUR_US)
        return True

    async def late(self, cur: Cursor) -> bool:
        """The oldest hour to which points came late, some thousand series of it, and their day."""
        until, days = await self._until(cur, "hour"), await self._until(cur, "day")
        if until is None or days is None:
            return False
        await cur.execute(_OLDEST, [from_microseconds(until), DIRTY_AT_ONCE])
        marks: Marks = await cur.fetchall()
        if not marks:
            return False
        hour = marks[0][2]
        known = await self._weighed(cur, {series_id: 0 for _tenant, series_id, _hour, _marks in marks})
        span = hour, hour + HOUR_US
        counts = await self._counts(self.influx.buckets.raw, "value", span, only=known) if known else {}
        found = [one._replace(rows=counts[one.id]) for one in known if one.id in counts]
        for piece in pieces(found, self.batch_points):
            await self._roll(piece, hour)
            if hour < days:
                await self._day(piece, hour // DAY_US * DAY_US)
        await self._forget(cur, marks)
        return True

    async def day(self, cur: Cursor) -> bool:
        """The first day that is over and was not made."""
        until, day = await self._until(cur, "hour"), await self._until(cur, "day")
        if until is None or day is None or day + DAY_US > until:
            return False
        counts = await self._counts(self.influx.buckets.hour, "count", (day, day + DAY_US))
        known = await self._weighed(cur, dict.fromkeys(counts, _ROWS_A_DAY))
        for piece in pieces(known, self.batch_points):
            await self._day(piece, day)
        await self._advance(cur, "day", day + DAY_US)
        return True

    async def _roll(self, piece: Piece, hour_us: int) -> None:
        """Minutes and hours from single points."""
        source, parts = InfluxSource(self.influx, piece.who, metric=piece.metric), []
        keys = await self._keys(piece.who)
        for span in piece.spans((hour_us, hour_us + HOUR_US)):
            points = await source.points(Spans([span]))
            made, minutes = await asyncio.to_thread(_rolled, points)
            parts.append(made)
            self.points += len(points.at)
            lines = await asyncio.to_thread(minute_lines, keys, piece.who, minutes)
            await self._write(self.influx.buckets.minute, lines)
        hours = merge(join(parts, histograms=True)) if len(parts) > 1 else parts[0]
        lines = await asyncio.to_thread(rollup_lines, keys, piece, hours, at_us=hour_us)
        await self._write(self.influx.buckets.hour, lines)
        self.batches, self.hours = self.batches + 1, self.hours + len(hours.series)

    async def _day(self, piece: Piece, day_us: int) -> None:
        """A day from its hours."""
        source, parts = InfluxSource(self.influx, piece.who, metric=piece.metric), []
        for span in piece.spans((day_us, day_us + DAY_US), width=HOUR_US):
            hours = await source.rollups(HOUR_US, Spans([span]), scalars=SCALARS, histograms=True)
            parts.append(await asyncio.to_thread(merge, hours))
        made = merge(join(parts, histograms=True)) if len(parts) > 1 else parts[0]
        lines = await asyncio.to_thread(rollup_lines, await self._keys(piece.who), piece, made, at_us=day_us)
        await self._write(self.influx.buckets.day, lines)

    async def _write(self, bucket: str, lines: bytes) -> None:
        if not lines:
            return
        try:
            await self.influx.write(bucket, lines)
        except Refusal as fault:
            # Nobody but us writes here. What is older than the bucket keeps it is refused too, and rightly.
            if "retention" not in fault.message:
                raise SeriesDown(f"InfluxDB refuses rollups: {fault.message}") from fault

    async def _keys(self, who: Who) -> dict[int, bytes]:
        keys: dict[int, bytes] = {}
        pairs = sorted(zip(who.tenants, who.ids.tolist(), strict=True))
        for tenant_id, some in groupby(pairs, key=lambda pair: pair[0]):
            keys |= await self.catalogue.keys(tenant_id, [one for _tenant, one in some])
        return keys

    async def _until(self, cur: Cursor, level: str) -> int | None:
        await cur.execute(_UNTIL, [level])
        row = await cur.fetchone()
        return None if row is None else row[0]

    async def _advance(self, cur: Cursor, level: str, until_us: int) -> None:
        await cur.execute(_ADVANCE, [level, from_microseconds(until_us)])

    async def _forget(self, cur: Cursor, marks: Marks) -> None:
        if not marks:
            return
        tenants, ids, hours, counts = zip(*marks, strict=True)
        given = [arrays.uuids(tenants), arrays.int8s(np.array(ids)), arrays.times(np.array(hours))]
        await cur.execute(_FORGET, [*given, arrays.int8s(np.array(counts))], prepare=False)

    async def _first(self) -> int:
        """The hour of the oldest point; the open hour where there is none."""
        flux = _ALL.format(low="0", high=time_literal(self.before), then=_PER_SERIES.format(what="first"))
        frames = await self.influx.query(flux, bucket=self.influx.buckets.raw, field="value")
        oldest = [int(frame.times("_time").min()) for frame in frames.values()]
        return min(oldest, default=self.before) // HOUR_US * HOUR_US

    async def _counts(self, bucket: str, field: str, span: Span, *, only: Sequence[Weighed] = ()) -> dict[int, int]:
        """How many values each series has in a span: of these series at least, else of all."""
        low, high = map(time_literal, span)
        flux = _ALL.format(low=low, high=high, then=_narrowed(only) + _PER_SERIES.format(what="count"))
        frames = await self.influx.query(flux, bucket=bucket, field=field)
        pairs = [
            zip(frame.ints("_id").tolist(), frame.ints("_value").tolist(), strict=True) for frame in frames.values()
        ]
        return dict(chain.from_iterable(pairs))

    async def _weighed(self, cur: Cursor, counts: dict[int, int]) -> list[Weighed]:
        """The series that are still in the catalogue."""
        await cur.execute(_SERIES, [arrays.int8s(np.array(list(counts), np.int64))])
        return [Weighed._make((*row, counts[row[0]])) for row in await cur.fetchall()]


def _narrowed(only: Sequence[Weighed]) -> str:
    if not 0 < len(only) <= FEW_SERIES:
        return ""
    return "|> filter(fn: (r) => " + " or ".join(f'r._id == "{one.id}"' for one in only) + ") "


def _rolled(points: Points) -> tuple[Summaries, Minutes]:
    return summarise(points, runs(points.series)), fold_minutes(points)
