"""Points and summaries of spans, in columns: what is stored in rollups, and what answers are put together from.

A summary of a span merges with its neighbours without its points: counts and sums add up, squares about the mean
by Chan's formula (Chan, Golub and LeVeque, 1979), what a counter rose by along the chain first → last → first.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from monitor.series.columns import Float, Int, run_lengths, runs
from monitor.series.histogram import Histograms, concatenate

Mask = npt.NDArray[np.bool_]

_COLUMNS = ("series", "at", "count", "sum", "ss", "min", "max", "first", "last", "last_at", "increase")


@dataclass(frozen=True, slots=True)
class Points:
    """Single points. `series` is the row of a list of series, `at` microseconds since the epoch."""

    series: Int
    at: Int
    value: Float

    @classmethod
    def join(cls, kept: "list[Points]") -> "Points":
        """All points, ordered by series and time. Of several at one time the first part's wins."""
        if not kept:
            return cls(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))
        if len(kept) == 1:
            series, at, value = kept[0].series, kept[0].at, kept[0].value
        else:
            series = np.concatenate([part.series for part in kept])
            at = np.concatenate([part.at for part in kept])
            value = np.concatenate([part.value for part in kept])
        if not ((series[1:] > series[:-1]) | ((series[1:] == series[:-1]) & (at[1:] >= at[:-1]))).all():
            order = np.lexsort((at, series))  # stable: earlier parts stay first among equals
            series, at, value = series[order], at[order], value[order]
        first = np.ones(len(series), np.bool_)
        first[1:] = (series[1:] != series[:-1]) | (at[1:] != at[:-1])
        return cls(series, at, value) if first.all() else cls(series[first], at[first], value[first])

    def where(self, mask: Mask) -> "Points":
        """Those that the mask keeps."""
        return Points(self.series[mask], self.at[mask], self.value[mask])


@dataclass(frozen=True, slots=True)
class Summaries:
    """One span of one series a row, none empty. `at` orders spans of a series; they do not overlap.

    `ss` is the sum of squares about the mean. `increase` is meant for counters alone and otherwise without meaning;
    levels that do not store a column have zeros there, and None for `histograms`.
    """

    series: Int
    at: Int
    count: Int
    sum: Float
    ss: Float
    min: Float
    max: Float
    first: Float
    last: Float
    last_at: Int
    increase: Float
    histograms: Histograms | None

    @property
    def rises(self) -> Float:
        """What a counter rose by between the row before of the same series and the start of each row, else 0."""
        rise = np.zeros(len(self.series))
        rise[1:] = np.where(self.series[1:] == self.series[:-1], steps(self.last[:-1], self.first[1:]), 0.0)
        return rise

    def where(self, mask: Mask) -> "Summaries":
        """Rows that the mask keeps, with their histograms."""
        kept = self.take(np.flatnonzero(mask))
        return kept if self.histograms is None else replace(kept, histograms=self.histograms.where(mask))

    def take(self, order: Int) -> "Summaries":
        """Rows in another order, without histograms."""
        return Summaries(**{name: getattr(self, name)[order] for name in _COLUMNS}, histograms=None)


def steps(before: Float, after: Float) -> Float:
    """What a counter rose by from one value to the next: after a drop it has restarted from zero."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where(after >= before, after - before, after)


def summarise(points: Points, starts: Int, *, histograms: bool = True) -> Summaries:
    """A summary of each run of points; `starts` are where they begin, each within one series, in order of time."""
    n, total = len(starts), len(points.value)
    counts = run_lengths(starts, total)
    rows = np.repeat(np.arange(n), counts)
    value, ends = points.value, starts + counts - 1
    rise = np.zeros(total)
    rise[1:] = steps(value[:-1], value[1:])
    rise[starts] = 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        sums = _sums(value, starts)
        off = value - (sums / np.maximum(counts, 1))[rows]
        squares, increase = _sums(off * off, starts), _sums(rise, starts)
    return Summaries(
        series=points.series[starts],
        at=points.at[starts],
        count=counts,
        sum=sums,
        ss=squares,
        min=lowest(value, starts),
        max=highest(value, starts),
        first=value[starts],
        last=value[ends],
        last_at=points.at[ends],
        increase=increase,
        histograms=Histograms.build(value, rows, n) if histograms else None,
    )


def merge(parts: Summaries) -> Summaries:
    """All spans of a series as one row, ordered by series."""
    ordered = parts.take(np.lexsort((parts.at, parts.series)))
    starts = runs(ordered.series)
    n, total = len(starts), len(ordered.series)
    ends = starts + run_lengths(starts, total) - 1
    series = ordered.series[starts]
    with np.errstate(over="ignore", invalid="ignore"):
        increase = _sums(ordered.increase + ordered.rises, starts)
        sums = _sums(ordered.sum, starts)
    return Summaries(
        series=series,
        at=ordered.at[starts],
        count=np.add.reduceat(ordered.count, starts) if n else ordered.count,
        sum=sums,
        ss=squares(ordered, starts),
        min=lowest(ordered.min, starts),
        max=highest(ordered.max, starts),
        first=ordered.first[starts],
        last=ordered.last[ends],
        last_at=ordered.last_at[ends],
        increase=increase,
        histograms=parts.histograms.merge(np.searchsorted(series, parts.series), n) if parts.histograms else None,
    )


def squares(parts: Summaries, starts: Int) -> Float:
    """The squares about the common mean of each run of rows, whatever their series."""
    rows = np.repeat(np.arange(len(starts)), run_lengths(starts, len(parts.series)))
    if not len(starts):
        return np.zeros(0)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = _sums(parts.sum, starts) / np.add.reduceat(parts.count, starts)
        off = parts.sum / parts.count - mean[rows]
        return _sums(parts.ss + parts.count * off * off, starts)


def join(parts: list[Summaries], *, histograms: bool) -> Summaries:
    """All rows, one part after another."""
    kept = [part.histograms for part in parts if part.histograms is not None] if histograms else []
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS}
    return Summaries(**columns, histograms=concatenate(kept) if kept else None)


def _sums(values: Float, starts: Int) -> Float:
    return np.add.reduceat(values, starts) if len(starts) else np.zeros(0)


def lowest(values: Float, starts: Int) -> Float:
    """The least value of each run."""
    return np.minimum.reduceat(values, starts) if len(starts) else np.zeros(0)


def highest(values: Float, starts: Int) -> Float:
    """The greatest value of each run."""
    return np.maximum.reduceat(values, starts) if len(starts) else np.zeros(0)


@dataclass(frozen=True, slots=True)
class Minutes:
    """Points folded by series and minute; a row a minute, ordered. `minute` is whole minutes since the epoch."""

    series: Int
    minute: Int
    count: Int
    sum: Float
    min: Float
    max: Float


def fold_minutes(points: Points) -> Minutes:
    """The minutes of points that are ordered by series and time."""
    minute = points.at // 60_000_000
    change = np.ones(len(minute), np.bool_)
    change[1:] = (minute[1:] != minute[:-1]) | (points.series[1:] != points.series[:-1])
    starts = np.flatnonzero(change)
    with np.errstate(over="ignore", invalid="ignore"):
        sums = _sums(points.value, starts)
    return Minutes(
        points.series[starts],
        minute[starts],
        run_lengths(starts, len(minute)),
        sums,
        lowest(points.value, starts),
        highest(points.value, starts),
    )
