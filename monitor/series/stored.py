"""Stored rows of history into columns: samples, chunks of closed hours, folded minutes, hours and days.

Each function is one statement for any number of series, of one tenant or of many: which rows may be seen is the
connection's business.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np

from monitor import arrays
from monitor.ids import from_microseconds
from monitor.series.columns import EPOCH_2000_US, Cursor, Int, Ragged, column
from monitor.series.histogram import Histograms
from monitor.series.summaries import Points, Summaries

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US

Span = tuple[int, int]
"""From and up to (without), in microseconds since the epoch."""

# Strings and not arrays: half the work for a server that puts them together. All are in the order of one scan.
_POINTS = (
    "string_agg(int8send(x.series_id), ''), string_agg(timestamptz_send(x.at), ''), string_agg(float8send(x.value), '')"
)
MANY, _SHARE = 5_000, 0.3
"""From so many series on, and so large a part of all, looking at every point of a span is less work than a join."""

_WHO = "unnest(%s, %s) AS w (tenant_id, series_id) JOIN {table} x USING (tenant_id, series_id)"
_EACH = "unnest(%s, %s, %s) AS w (tenant_id, series_id, {key}) JOIN {table} x USING (tenant_id, series_id, {key})"
_RANGES = """unnest(%s, %s, %s, %s) AS w (tenant_id, series_id, low, high) JOIN {table} x
    ON x.tenant_id = w.tenant_id AND x.series_id = w.series_id AND x.{key} >= w.low AND x.{key} < w.high"""
_SCALARS = {
    "count": ("x.count", "int8"),
    "sum": ("x.sum", "float8"),
    "ss": ("x.sum_sq", "float8"),
    "min": ("x.min", "float8"),
    "max": ("x.max", "float8"),
    "first": ("coalesce(x.first, 0)", "float8"),
    "last": ("x.last", "float8"),
    "last_at": ("x.last_at", "timestamptz"),
    "increase": ("coalesce(x.increase, 0)", "float8"),
}
SCALARS = tuple(_SCALARS)


@dataclass(frozen=True, slots=True)
class Who:
    """The series to read: their tenants and ids, ascending by id. A row of it stands for a series from here on."""

    tenants: Sequence[UUID]
    ids: Int

    def rows(self, ids: Int) -> Int:
        """The row of each id."""
        return np.searchsorted(self.ids, ids)

    def pick(self, rows: Int) -> tuple[arrays.Uuids, arrays.Int8s]:
        """Parameters for some rows, with repetitions."""
        return arrays.uuids([self.tenants[row] for row in rows.tolist()]), arrays.int8s(self.ids[rows])

    @property
    def all(self) -> tuple[arrays.Uuids, arrays.Int8s]:
        """Parameters for all rows."""
        return arrays.uuids(self.tenants), arrays.int8s(self.ids)


@dataclass(frozen=True, slots=True)
class Spans:
    """Whatever lies in one of these spans of time, for every series."""

    spans: Sequence[Span]


@dataclass(frozen=True, slots=True)
class Each:
    """Named rows: pairs of a series' row and the time at which the stored span begins."""

    rows: Int
    at: Int


@dataclass(frozen=True, slots=True)
class Ranges:
    """A span of time for each of some rows of `Who`, which may come more than once."""

    rows: Int
    low: Int
    high: Int


Which = Spans | Each | Ranges


def _from(table: str, key: str, who: Who, which: Which) -> tuple[str, list[Any]]:
    """FROM and WHERE for the rows wanted. The outer bounds are there so that partitions are pruned."""
    if isinstance(which, Each):
        bounds = [from_microseconds(int(which.at.min())), from_microseconds(int(which.at.max()))]
        joined = _EACH.format(table=table, key=key)
        return f"{joined} WHERE x.{key} BETWEEN %s AND %s", [*who.pick(which.rows), arrays.times(which.at), *bounds]
    if isinstance(which, Ranges):
        bounds = [from_microseconds(int(which.low.min())), from_microseconds(int(which.high.max()))]
        joined = _RANGES.format(table=table, key=key)
        parameters = [*who.pick(which.rows), arrays.times(which.low), arrays.times(which.high), *bounds]
        return f"{joined} WHERE x.{key} >= %s AND x.{key} < %s", parameters
    bounds = [from_microseconds(at) for span in which.spans for at in span]
    either = " OR ".join([f"(x.{key} >= %s AND x.{key} < %s)"] * len(which.spans))
    return f"{_WHO.format(table=table)} WHERE ({either})", [*who.all, *bounds]


async def samples(cur: Cursor, who: Who, span: Span) -> Points:
    """Single points: those of open hours and those that came late."""
    whole = len(who.ids) >= MANY and len(who.ids) >= _SHARE * await _series(cur)
    if whole:
        bounds = [from_microseconds(at) for at in span]
        await cur.execute(f"SELECT {_POINTS} FROM samples x WHERE x.at >= %s AND x.at < %s", bounds, prepare=False)
    else:
        source, parameters = _from("samples", "at", who, Spans([span]))
        await cur.execute(f"SELECT {_POINTS} FROM {source}", parameters, prepare=False)
    sent = await cur.fetchone() or (None, None, None)
    ids = np.frombuffer(sent[0] or b"", ">i8").astype(np.int64)
    at = np.frombuffer(sent[1] or b"", ">i8") + np.int64(EPOCH_2000_US)
    value = np.frombuffer(sent[2] or b"", ">f8").astype(np.float64)
    rows = who.rows(ids)
    if whole:
        ours = who.ids[np.minimum(rows, len(who.ids) - 1)] == ids
        return Points(rows[ours], at[ours], value[ours])
    return Points(rows, at, value)


async def _series(cur: Cursor) -> float:
    """About how many series there are."""
    await cur.execute("SELECT reltuples FROM pg_class WHERE oid = 'series'::regclass")
    row = await cur.fetchone() or (-1.0,)
    return float(row[0]) if row[0] >= 0 else float("inf")


async def any_chunks(cur: Cursor, which: Spans) -> bool:
    """Whether any series has closed hours in these spans. Asked for many series: each look-up costs, found or not."""
    bounds = [from_microseconds(at) for span in which.spans for at in span]
    either = " OR ".join(["(x.hour >= %s AND x.hour < %s)"] * len(which.spans))
    await cur.execute(f"SELECT EXISTS (SELECT FROM sample_chunks x WHERE {either})", bounds)
    row = await cur.fetchone()
    return row is not None and bool(row[0])


async def chunks(cur: Cursor, who: Who, which: Which) -> Points:
    """The points of closed hours; `which` names the hours."""
    source, parameters = _from("sample_chunks", "hour", who, which)
    await cur.execute(f"SELECT x.series_id, x.hour, x.t, x.v FROM {source}", parameters, prepare=False)
    rows = await cur.fetchall()
    ids, hours, t, v = zip(*rows, strict=True) if rows else ((), (), (), ())
    offsets, values = Ragged.load(t, "int4"), Ragged.load(v, "float8")
    middle = np.array(hours, np.int64) + HOUR_US // 2
    return Points(
        np.repeat(who.rows(np.array(ids, np.int64)), offsets.lengths),
        offsets.flat + np.repeat(middle, offsets.lengths),
        values.flat,
    )


async def minutes(cur: Cursor, who: Who, which: Which) -> Summaries:
    """The minutes of closed hours; `which` names the hours. They hold no squares, ends, increase or histogram."""
    source, parameters = _from("rollups_minute", "hour", who, which)
    await cur.execute(
        "SELECT x.series_id, x.hour, x.minute, x.sum, coalesce(x.min, x.sum), coalesce(x.max, x.sum), "
        f"coalesce(x.count, array_fill(1, ARRAY[cardinality(x.minute)])) FROM {source}",
        parameters,
        prepare=False,
    )
    rows = await cur.fetchall()
    ids, hours, minute, total, low, high, count = zip(*rows, strict=True) if rows else ((),) * 7
    which_minute = Ragged.load(minute, "int2")
    at = np.repeat(np.array(hours, np.int64), which_minute.lengths) + which_minute.flat.astype(np.int64) * MINUTE_US
    nothing = np.zeros(len(at))
    return Summaries(
        series=np.repeat(who.rows(np.array(ids, np.int64)), which_minute.lengths),
        at=at,
        count=Ragged.load(count, "int4").flat.astype(np.int64),
        sum=Ragged.load(total, "float8").flat,
        ss=nothing,
        min=Ragged.load(low, "float8").flat,
        max=Ragged.load(high, "float8").flat,
        first=nothing,
        last=nothing,
        last_at=at,
        increase=nothing,
        histograms=None,
    )


async def rollups(
    cur: Cursor, table: str, who: Who, which: Which, *, scalars: Sequence[str] = SCALARS, histograms: bool
) -> Summaries:
    """Rows of rollups_hour or rollups_day with these columns; the others are zeros."""
    source, parameters = _from(table, "at", who, which)
    names = ["x.series_id", "x.at", *(_SCALARS[name][0] for name in scalars)]
    wanted = [f"array_agg({name})" for name in names]
    if histograms:
        wanted += ["array_agg(length(x.histogram))", "string_agg(x.histogram, '')"]
    # One row of columns and not a row for each rollup: with tens of thousands, rows cost more than all else.
    await cur.execute(f"SELECT {', '.join(wanted)} FROM {source}", parameters, prepare=False)
    row = await cur.fetchone() or (None,) * len(wanted)
    ids, at = column(row[0], "int8"), column(row[1], "timestamptz")
    values: dict[str, Any] = {
        name: np.zeros(len(ids), np.float64 if kind == "float8" else np.int64) for name, (_, kind) in _SCALARS.items()
    }
    for name, data in zip(scalars, row[2:], strict=False):
        values[name] = column(data, _SCALARS[name][1])
    made = Histograms.decode(row[-1] or b"", column(row[-2], "int4").astype(np.int64)) if histograms else None
    return Summaries(series=who.rows(ids), at=at, histograms=made, **values)
