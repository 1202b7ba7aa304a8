"""Compaction: the samples of closed hours become chunks and rollups by minute, hour and day, and are deleted.

A sample older than the open hour is the work list itself, so nothing remembers what was done: a late point is one
more row, and the next pass recomputes its minute, hour and day. Days are made when they are over. A batch is one
transaction that deletes what it read: a crash leaves either the rows or their chunks, and a point that arrives
meanwhile stays a row.
"""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import psycopg
from psycopg import errors as pg
from psycopg import sql

from monitor.db import Database, Role
from monitor.ids import from_microseconds, microseconds
from monitor.series import stored
from monitor.series.columns import Cursor, Ragged, cursor, runs
from monitor.series.store import Report
from monitor.series.stored import DAY_US, HOUR_US, Spans, Who
from monitor.series.summaries import Points, Summaries, merge, summarise
from monitor.series.upserts import Batch, write_points, write_rollups

GRACE = timedelta(minutes=5)
BATCH_POINTS = 250_000
_LOCK = 0x5E121E5
_LOCK_WAIT = "SET LOCAL lock_timeout = '300ms'"
_MEMORY = "SET LOCAL work_mem = '64MB'"
_HOURS = """
    SELECT date_bin('1 hour', at, 'epoch'), count(*) FROM samples WHERE at < %s GROUP BY 1 ORDER BY 1
"""
_TAKE = """
    WITH gone AS (
        DELETE FROM samples WHERE at >= %s AND at < %s AND series_id %% %s = %s
        RETURNING tenant_id, series_id, at, value
    ), grouped AS (
        SELECT tenant_id, series_id, array_agg(at) AS at, array_agg(value) AS value FROM gone GROUP BY 1, 2
    )
    SELECT g.tenant_id, g.series_id, s.kind = 'counter', g.at, g.value
    FROM grouped g JOIN series s ON s.tenant_id = g.tenant_id AND s.id = g.series_id ORDER BY g.series_id
"""
_PAGE = 2_000
_UNCLOSED = """
    SELECT DISTINCT c.tenant_id, c.series_id, s.kind = 'counter'
    FROM sample_chunks c JOIN series s ON s.tenant_id = c.tenant_id AND s.id = c.series_id
    WHERE c.hour >= %s AND c.hour < %s AND (c.tenant_id, c.series_id) > (%s, %s) AND NOT EXISTS (
        SELECT FROM rollups_day d WHERE d.tenant_id = c.tenant_id AND d.series_id = c.series_id AND d.at = %s)
    ORDER BY 1, 2 LIMIT %s
"""
# Vacuum cuts an emptied heap to nothing; a B-tree once used keeps more than its first page until it is truncated.
_PAST_DAYS = """
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    JOIN pg_index x ON x.indrelid = c.oid AND x.indisprimary
    WHERE i.inhparent = 'samples'::regclass AND c.relname < %s
      AND pg_relation_size(x.indexrelid) > current_setting('block_size')::int ORDER BY 1
"""


class _Part(NamedTuple):
    """One batch: the series of an hour whose id leaves the remainder `part` when divided by `parts`."""

    hour_us: int
    parts: int
    part: int


def boundary(now: datetime, grace: timedelta = GRACE) -> datetime:
    """The start of the oldest hour that is still open: everything before it is compacted."""
    return from_microseconds(microseconds(now - grace) // HOUR_US * HOUR_US)


async def run_once(
    db: Database, now: datetime, *, grace: timedelta = GRACE, batch_points: int = BATCH_POINTS
) -> Report:
    """Compact every closed hour, then give back the space of past days. Safe beside ingest and beside itself."""
    before = boundary(now, grace)
    points = chunks = done = postponed = 0
    async with db.driver(Role.OWNER) as connection:
        for part in await _plan(connection, before, batch_points):
            try:
                async with connection.transaction():
                    taken = await _compact(cursor(connection), part)
            except (pg.LockNotAvailable, pg.DeadlockDetected):
                # Somebody overwrites a point of this hour just now: they go first, the next pass takes it.
                postponed += 1
                continue
            if taken is None:
                return Report(done, points, chunks, postponed, busy=True)
            done, points, chunks = done + 1, points + taken[0], chunks + taken[1]
        truncated = []
        for name in await _past_days(connection, before):
            # A past day that still takes space in samples is one that has changed: this is what marks the day as due.
            await _close_day(connection, _day_of(name))
            if await _truncate(connection, name):
                truncated.append(name)
    return Report(done, points, chunks, postponed, truncated=tuple(truncated))


async def _plan(connection: psycopg.AsyncConnection[Any], before: datetime, batch_points: int) -> list[_Part]:
    """An hour is a batch; one with too many points is split by series."""
    async with connection.transaction():
        cur = cursor(connection)
        await cur.execute(_HOURS, [before])
        hours = await cur.fetchall()
    return list(_split(hours, batch_points))


def _split(hours: list[tuple[int, int]], batch_points: int) -> Iterator[_Part]:
    for hour_us, count in hours:
        parts = -(-count // batch_points)
        for part in range(parts):
            yield _Part(hour_us, parts, part)


async def _alone(cur: Cursor) -> bool:
    """Whether no other pass is in the middle of a batch; if so, none is until this transaction ends."""
    await cur.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
    row = await cur.fetchone()
    return row is not None and bool(row[0])


async def _compact(cur: Cursor, part: _Part) -> tuple[int, int] | None:
    """One batch within the caller's transaction: points and series; None where another pass is at work."""
    if not await _alone(cur):
        return None
    # Shorter than the server's deadlock_timeout: in a cycle with ingest, compaction is the one that yields.
    await cur.execute(_LOCK_WAIT)
    await cur.execute(_MEMORY)
    batch, fresh = await _take(cur, part)
    if not len(batch.who.ids):
        return 0, 0
    old = await stored.chunks(cur, batch.who, Spans([(batch.hour_us, batch.hour_us + 1)]))
    points, hours = await asyncio.to_thread(_roll, fresh, old)
    await write_points(cur, batch, points)
    await write_rollups(cur, "rollups_hour", batch, at_us=batch.hour_us, made=hours)
    await _renew_days(cur, batch)
    return len(fresh.at), len(batch.who.ids)


async def _take(cur: Cursor, part: _Part) -> tuple[Batch, Points]:
    start, end = from_microseconds(part.hour_us), from_microseconds(part.hour_us + HOUR_US)
    await cur.execute(_TAKE, [start, end, part.parts, part.part], prepare=False)
    rows = await cur.fetchall()
    tenants, ids, counter, at, value = zip(*rows, strict=True) if rows else ((),) * 5
    times, values = Ragged.load(at, "timestamptz"), Ragged.load(value, "float8")
    batch = Batch(Who(tenants, np.array(ids, np.int64)), np.array(counter, np.bool_), part.hour_us)
    return batch, Points(times.rows, times.flat, values.flat)


def _roll(fresh: Points, old: Points) -> tuple[Points, Summaries]:
    points = Points.join([fresh, old])
    return points, summarise(points, runs(points.series))


async def _renew_days(cur: Cursor, batch: Batch) -> None:
    """The days that were put together before one of their hours changed, again from their hours."""
    day_us = batch.hour_us // DAY_US * DAY_US
    stale = await stored.rollups(
        cur, "rollups_day", batch.who, Spans([(day_us, day_us + 1)]), scalars=(), histograms=False
    )
    if len(stale.series):
        rows = np.sort(stale.series)
        some = Who([batch.who.tenants[row] for row in rows.tolist()], batch.who.ids[rows])
        await _write_days(cur, Batch(some, batch.counter[rows], batch.hour_us))


async def _write_days(cur: Cursor, batch: Batch) -> None:
    """The day that holds the batch's hour, from its hours."""
    day_us = batch.hour_us // DAY_US * DAY_US
    span = Spans([(day_us, day_us + DAY_US)])
    hours = await stored.rollups(cur, "rollups_hour", batch.who, span, histograms=True)
    made = await asyncio.to_thread(merge, hours)
    await write_rollups(cur, "rollups_day", batch, at_us=day_us, made=made)


async def _close_day(connection: psycopg.AsyncConnection[Any], day_us: int) -> None:
    """Make the day's rows that are missing, a page of series at a time.

    Once a day and not once an hour: a day's row is long, and rewriting it 24 times leaves 24 dead ones.
    """
    start, end = from_microseconds(day_us), from_microseconds(day_us + DAY_US)
    after: tuple[Any, ...] = (UUID(int=0), 0)
    while True:
        async with connection.transaction():
            cur = cursor(connection)
            if not await _alone(cur):
                return
            await cur.execute(_UNCLOSED, [start, end, *after, start, _PAGE], prepare=False)
            rows = await cur.fetchall()
            if not rows:
                return
            after = rows[-1][:2]
            rows.sort(key=lambda row: row[1])
            tenants, ids, counter = zip(*rows, strict=True)
            batch = Batch(Who(tenants, np.array(ids, np.int64)), np.array(counter, np.bool_), day_us)
            await _write_days(cur, batch)


async def _past_days(connection: psycopg.AsyncConnection[Any], before: datetime) -> list[str]:
    """Partitions of samples that lie wholly in compacted days and still take space."""
    async with connection.transaction():
        cur = connection.cursor()
        await cur.execute(_PAST_DAYS, [f"samples_p{before:%Y%m%d}"])
        return [name for (name,) in await cur.fetchall()]


def _day_of(name: str) -> int:
    return microseconds(datetime.strptime(name[-8:], "%Y%m%d").replace(tzinfo=UTC))


async def _truncate(connection: psycopg.AsyncConnection[Any], name: str) -> bool:
    """Give back the space of an empty partition, dead rows and index pages too. A late point keeps it as it is."""
    partition = sql.Identifier(name)
    try:
        async with connection.transaction():
            await connection.execute(_LOCK_WAIT)
            await connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(partition))
            cur = await connection.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(partition))
            row = await cur.fetchone()
            if row is None or row[0]:
                return False
            await connection.execute(sql.SQL("TRUNCATE {}").format(partition))
            return True
    except (pg.LockNotAvailable, pg.DeadlockDetected):
        return False
