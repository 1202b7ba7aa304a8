"""Reductions that InfluxDB computes itself, a number for each series, for windows that hold many points.

`count`, `sum`, `min`, `max` and `last` of a group are computed where the points are stored; percentiles and what
counters rose by in the query engine, next to it. Deviations, and percentiles of lines that join several series, cannot
be put together from such numbers: they are read as points. A table for each series costs InfluxDB as much as ten to
thirty points of it: shorter windows are cheaper as points, too.
"""

from datetime import timedelta

import numpy as np

from monitor.series.gather import PERCENTS, RISES, Gathered
from monitor.series.influx_read import Scan
from monitor.series.read import RAW_SPAN, Reading
from monitor.series.reduce import Agent
from monitor.series.store import Answer, Reducer, Reduction
from monitor.series.stored import SCALARS
from monitor.series.summaries import Mask, Points, Summaries

SHORT = timedelta(minutes=5)
_OWN = {Reducer.SUM: "sum", Reducer.MEAN: "sum", Reducer.MIN: "min", Reducer.MAX: "max"}
_PUSHED = frozenset({Reducer.COUNT, Reducer.LAST, *_OWN, *RISES})
_GROUP = '|> filter(fn: (r) => r._field == "value") |> group(columns: ["_id"])'
_ONE_TABLE = '|> group() |> keep(columns: ["_id", "_time", "_value"])'
_KEEP = 'keep(columns: ["_id", "_time", "_value"])'
_RANKED = "ranked"


def is_pushed(reduction: Reduction, reading: Reading[Agent]) -> bool:
    """Whether InfluxDB shall compute it."""
    if not SHORT < reduction.window <= RAW_SPAN:
        return False
    alone = len(np.unique(reading.shape.lines)) == len(reading.who.ids)
    return reduction.reduce in _PUSHED or (reduction.reduce in PERCENTS and alone)


async def pushed(scan: Scan, reading: Reading[Agent]) -> Answer:
    """A number of each series, in one query, with as much beside it as `reduce` needs."""
    shape = reading.shape
    found = await scan.read(scan.influx.buckets.raw, [shape.span], _steps(shape.reduce, shape.counters))
    columns = {name: np.zeros(len(scan.who.ids), np.float64) for name in (*SCALARS, _RANKED)}
    newest = np.zeros(len(scan.who.ids), np.int64)
    for name, frames in found.items():
        for frame in frames:
            rows, ours = scan.known(frame)
            columns[name][rows[ours]] = frame.floats("_value")[ours]
            if name == "last":
                newest[rows[ours]] = frame.times("_time")[ours]
    # The parts of a query are read one after the other: a series whose first point came in between has not all.
    rows = np.flatnonzero((columns["count"] > 0) & (newest > 0))
    count, at = columns["count"][rows].astype(np.int64), np.full(len(rows), shape.span[0])
    if shape.reduce in PERCENTS:
        order = np.argsort(shape.lines[rows])
        rows, count = rows[order], count[order]
        return Answer(shape.lines[rows], at, columns[_RANKED][rows], count, newest[rows])
    kept = {name: columns[name][rows] for name in SCALARS if name not in ("count", "last_at")}
    made = Summaries(series=rows, at=at, count=count, last_at=newest[rows], histograms=None, **kept)
    return await reading.answer(Gathered(Points.join([]), (made,)))


def _steps(reduce: Reducer, counters: Mask) -> dict[str, str]:
    wanted = {"count": "count()", "last": "last()"}
    if reduce in _OWN:
        wanted[_OWN[reduce]] = f"{_OWN[reduce]}()"
    if reduce in PERCENTS:
        # The rank is the ceiling of q · n, which is nearest rank; in doubles too, for as many points as fit two hours.
        wanted[_RANKED] = f'{_KEEP} |> quantile(q: {PERCENTS[reduce] / 100}, method: "exact_selector")'
    if reduce in RISES and counters.any():
        wanted["increase"] = f"{_KEEP} |> difference(nonNegative: true, initialZero: true) |> sum()"
    if reduce in RISES and not counters.all():
        wanted["sum"] = "sum()"
    return {name: f"{_GROUP} |> {how} {_ONE_TABLE}" for name, how in wanted.items()}
