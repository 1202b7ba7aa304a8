"""Writing what compaction has made: one upsert a table for all series of a batch.

Arrays of various lengths travel as one long array a column, from which each row takes its slice.
"""

from dataclasses import dataclass

import numpy as np

from monitor import arrays
from monitor.ids import from_microseconds
from monitor.series.columns import Cursor, Float, Int
from monitor.series.stored import HOUR_US, MINUTE_US, Who
from monitor.series.summaries import Mask, Minutes, Points, Summaries, fold_minutes

_CHUNKS = """
    INSERT INTO sample_chunks AS old (tenant_id, series_id, hour, t, v)
    SELECT r.tenant_id, r.series_id, %s, (%s)[r.low:r.high], (%s)[r.low:r.high]
    FROM unnest(%s, %s, %s, %s) AS r (tenant_id, series_id, low, high)
    ON CONFLICT (tenant_id, series_id, hour) DO UPDATE SET t = excluded.t, v = excluded.v
"""
_MINUTES = """
    INSERT INTO rollups_minute AS old (tenant_id, series_id, hour, minute, sum, count, min, max)
    SELECT r.tenant_id, r.series_id, %s, (%s)[r.low:r.high], (%s)[r.low:r.high],
        CASE r.crowded WHEN 1 THEN (%s)[r.low:r.high] END, CASE r.crowded WHEN 1 THEN (%s)[r.low:r.high] END,
        CASE r.crowded WHEN 1 THEN (%s)[r.low:r.high] END
    FROM unnest(%s, %s, %s, %s, %s) AS r (tenant_id, series_id, low, high, crowded)
    ON CONFLICT (tenant_id, series_id, hour) DO UPDATE SET minute = excluded.minute, sum = excluded.sum,
        count = excluded.count, min = excluded.min, max = excluded.max
"""
_ROLLUPS = """
    INSERT INTO {table} AS old (tenant_id, series_id, at, histogram, first, increase,
        count, sum, sum_sq, min, max, last, last_at)
    SELECT r.tenant_id, r.series_id, %s, set_byte('\\x00', 0, r.width) || substring(%s FROM r.low FOR r.size),
        CASE r.counter WHEN 1 THEN r.first END, CASE r.counter WHEN 1 THEN r.increase END,
        r.count, r.sum, r.sum_sq, r.min, r.max, r.last, r.last_at
    FROM unnest(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) AS r (tenant_id, series_id, width, low,
        size, counter, first, increase, count, sum, sum_sq, min, max, last, last_at)
    ON CONFLICT (tenant_id, series_id, at) DO UPDATE SET histogram = excluded.histogram,
        first = excluded.first, increase = excluded.increase, count = excluded.count, sum = excluded.sum,
        sum_sq = excluded.sum_sq, min = excluded.min, max = excluded.max, last = excluded.last,
        last_at = excluded.last_at
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """Series of one hour; `counter` says which of them are counters."""

    who: Who
    counter: Mask
    hour_us: int


async def write_points(cur: Cursor, batch: Batch, points: Points) -> None:
    """All points of the hour as chunks, and its minutes."""
    hour = from_microseconds(batch.hour_us)
    t = arrays.int4s(points.at - (batch.hour_us + HOUR_US // 2))
    slices = _slices(_lengths(points.series, batch))
    await cur.execute(_CHUNKS, [hour, t, arrays.float8s(points.value), *batch.who.all, *slices], prepare=False)
    await write_minutes(cur, batch, fold_minutes(points))


async def write_minutes(cur: Cursor, batch: Batch, minutes: Minutes) -> None:
    """The minutes of the batch's hour, one row a series."""
    crowded = np.zeros(len(batch.who.ids), np.int16)
    crowded[minutes.series[minutes.count > 1]] = 1
    columns = [
        arrays.int2s_of((minutes.minute - batch.hour_us // MINUTE_US).astype(np.int16)),
        arrays.float8s(minutes.sum),
        arrays.int4s(minutes.count),
        arrays.float8s(minutes.min),
        arrays.float8s(minutes.max),
    ]
    slices = _slices(_lengths(minutes.series, batch))
    parameters = [from_microseconds(batch.hour_us), *columns, *batch.who.all, *slices, arrays.int2s_of(crowded)]
    await cur.execute(_MINUTES, parameters, prepare=False)


async def write_rollups(cur: Cursor, table: str, batch: Batch, *, at_us: int, made: Summaries) -> None:
    """One row a series of rollups_hour or rollups_day; `made` holds every series of the batch, in order."""
    if made.histograms is None:
        raise ValueError("rollups carry histograms")
    stored = made.histograms.encode()
    floats: list[Float] = [made.first, made.increase]
    moments: list[Float] = [made.sum, made.ss, made.min, made.max, made.last]
    parameters = [
        from_microseconds(at_us),
        stored.data,
        *batch.who.all,
        arrays.int2s_of(stored.widths),
        arrays.int4s(stored.offsets + 1),
        arrays.int4s(stored.sizes),
        arrays.int2s_of(batch.counter.astype(np.int16)),
        *map(arrays.float8s, floats),
        arrays.int8s(made.count),
        *map(arrays.float8s, moments),
        arrays.times(made.last_at),
    ]
    await cur.execute(_ROLLUPS.format(table=table), parameters, prepare=False)


def _lengths(series: Int, batch: Batch) -> Int:
    return np.bincount(series, minlength=len(batch.who.ids)).astype(np.int64)


def _slices(lengths: Int) -> tuple[arrays.Int4s, arrays.Int4s]:
    """First and last element of each row, counted from 1 as PostgreSQL does."""
    high = np.cumsum(lengths)
    return arrays.int4s(high - lengths + 1), arrays.int4s(high)
