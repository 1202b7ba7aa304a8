"""Reductions that InfluxDB computes itself, a number for each series, for windows that hold many points.

`count`, `sum`, `min`, `max` and `last` of a group are computed where the points are stored; what counters rose by in
the query engine, next to it. Percentiles and deviations of lines that join several series cannot be put together from
numbers of each: they are read as points. A table for each series costs InfluxDB as much as ten to thirty points of it:
shorter windows are cheaper as points, too.
"""

from collections.abc import Mapping
from datetime import timedelta

import numpy as np

from monitor.series.columns import Float, Int
from monitor.series.gather import RISES, Gathered
from monitor.series.influx_read import Scan
from monitor.series.read import RAW_SPAN
from monitor.series.store import Reducer, Reduction
from monitor.series.stored import SCALARS, Span
from monitor.series.summaries import Mask, Points, Summaries

SHORT = timedelta(minutes=5)
_OWN = {Reducer.SUM: "sum", Reducer.MEAN: "sum", Reducer.MIN: "min", Reducer.MAX: "max"}
_PUSHED = frozenset({Reducer.COUNT, Reducer.LAST, *_OWN, *RISES})
_GROUP = '|> filter(fn: (r) => r._field == "value") |> group(columns: ["_id"])'
_ONE_TABLE = '|> group() |> keep(columns: ["_id", "_time", "_value"])'
_RISE = 'keep(columns: ["_id", "_time", "_value"]) |> difference(nonNegative: true, initialZero: true) |> sum()'


def is_pushed(reduction: Reduction) -> bool:
    """Whether InfluxDB shall compute it."""
    return reduction.reduce in _PUSHED and SHORT < reduction.window <= RAW_SPAN


async def pushed(scan: Scan, reduce: Reducer, span: Span, *, counters: Mask) -> Gathered:
    """A summary of each series, in one query, with as much in it as `reduce` needs."""
    wanted = {"count": "count()", "last": "last()"}
    if reduce in _OWN:
        wanted[_OWN[reduce]] = f"{_OWN[reduce]}()"
    if reduce in RISES and counters.any():
        wanted["increase"] = _RISE
    if reduce in RISES and not counters.all():
        wanted["sum"] = "sum()"
    steps = {name: f"{_GROUP} |> {how} {_ONE_TABLE}" for name, how in wanted.items()}
    found = await scan.read(scan.influx.buckets.raw, [span], steps)
    columns = {name: np.zeros(len(scan.who.ids), np.float64) for name in SCALARS}
    newest = np.zeros(len(scan.who.ids), np.int64)
    for name, frames in found.items():
        for frame in frames:
            rows, ours = scan.known(frame)
            columns[name][rows[ours]] = frame.floats("_value")[ours]
            if name == "last":
                newest[rows[ours]] = frame.times("_time")[ours]
    return Gathered(Points.join([]), (_summaries(columns, newest, span),))


def _summaries(columns: Mapping[str, Float], newest: Int, span: Span) -> Summaries:
    # The parts of a query are read one after the other: a series whose first point came in between has not all.
    rows = np.flatnonzero((columns["count"] > 0) & (newest > 0))
    kept = {name: column[rows] for name, column in columns.items() if name not in ("count", "last_at")}
    at = np.full(len(rows), span[0])
    count = columns["count"][rows].astype(np.int64)
    return Summaries(series=rows, at=at, count=count, last_at=newest[rows], histograms=None, **kept)
