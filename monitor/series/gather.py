"""From which level each part of a span is read, and reading it: whole days, hours and minutes, single points else.

What is fresh is asked first. An hour of a series that is `dirty` has rollups that may lack points, so it is read from
single points, and its day from its hours. Points may be rolled up between two reads: then what was seen as fresh
comes again and counts once, since its hour is dirty; nothing is missed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from monitor.series.columns import Int, runs
from monitor.series.source import Source, hour_keys, rows_and_hours
from monitor.series.store import Reducer
from monitor.series.stored import DAY_US, HOUR_US, MINUTE_US, Each, Ranges, Span, Spans, Which
from monitor.series.summaries import Mask, Points, Summaries, join

PERCENTS = {Reducer.P50: 50, Reducer.P90: 90, Reducer.P95: 95, Reducer.P99: 99}
RISES = frozenset({Reducer.RATE, Reducer.INCREASE})
_OF_MINUTES = frozenset({Reducer.COUNT, Reducer.SUM, Reducer.MEAN, Reducer.MIN, Reducer.MAX})
_NEEDS = {
    Reducer.COUNT: ("count",),
    Reducer.SUM: ("count", "sum"),
    Reducer.MEAN: ("count", "sum"),
    Reducer.MIN: ("count", "min"),
    Reducer.MAX: ("count", "max"),
    Reducer.LAST: ("count", "last"),
    Reducer.STDDEV: ("count", "sum", "ss"),
    Reducer.RATE: ("count", "sum", "first", "last", "increase"),
    Reducer.INCREASE: ("count", "sum", "first", "last", "increase"),
}


class Region(NamedTuple):
    """A part of a span and the width of what it is read from: a day, an hour, a minute, or 0 for single points."""

    width: int
    low: int
    high: int


def levels(reduce: Reducer, step_us: int | None) -> tuple[int, ...]:
    """The widths, coarsest first, from which this can be answered in steps that begin at multiples of `step_us`."""
    able = (DAY_US, HOUR_US, MINUTE_US) if reduce in _OF_MINUTES else (DAY_US, HOUR_US)
    return tuple(width for width in able if step_us is None or step_us % width == 0)


def regions(low: int, high: int, widths: tuple[int, ...]) -> list[Region]:
    """Cut [low, high): whole spans of the coarsest width in the middle, finer ones at the edges."""
    if low >= high:
        return []
    if not widths:
        return [Region(0, low, high)]
    width, finer = widths[0], widths[1:]
    first, last = -(-low // width) * width, high // width * width
    if first >= last:
        return regions(low, high, finer)
    return [*regions(low, first, finer), Region(width, first, last), *regions(last, high, finer)]


@dataclass(frozen=True, slots=True)
class Gathered:
    """Everything in a span, each point of it exactly once: single or in a summary. `summaries` may be empty."""

    points: Points
    summaries: tuple[Summaries, ...]


async def gather(source: Source, span: Span, *, reduce: Reducer, widths: tuple[int, ...]) -> Gathered:
    """Read what `reduce` needs of a span, at most five reads for all series together."""
    cut = regions(*span, widths)
    fresh, dirty = await source.fresh(span)
    single = [(part.low, part.high) for part in cut if part.width == 0]
    parts = [fresh]
    if single:
        parts.append(await source.points(Spans(single)))
    rows, hours = rows_and_hours(dirty)
    rest = ~_covered(hours, single, span)
    if rest.any():
        parts.append(await source.points(Each(rows[rest], hours[rest])))
    found = Points.join(parts)
    wanted = _within(found.at, single)
    others = np.flatnonzero(~wanted)
    wanted[others] = np.isin(hour_keys(found.series[others], found.at[others]), dirty)
    wanted &= _within(found.at, [span])
    points = found if wanted.all() else found.where(wanted)
    summaries: list[Summaries] = []
    reading = _Reading(source, dirty, _NEEDS.get(reduce, ("count", "min", "max")), reduce in PERCENTS)
    for width, read in ((MINUTE_US, reading.minutes), (HOUR_US, reading.hours), (DAY_US, reading.days)):
        spans = [(part.low, part.high) for part in cut if part.width == width]
        if spans:
            summaries.append(await read(spans))
    return Gathered(points, tuple(summaries))


def _within(at: Int, spans: Sequence[Span]) -> Mask:
    inside = np.zeros(len(at), np.bool_)
    for low, high in spans:
        inside |= (at >= low) & (at < high)
    return inside


def _covered(hours: Int, spans: Sequence[Span], whole: Span) -> Mask:
    """Which hours, as far as they lie in the whole, lie within one of the spans."""
    first, end = np.maximum(hours, whole[0]), np.minimum(hours + HOUR_US, whole[1])
    covered = np.zeros(len(hours), np.bool_)
    for low, high in spans:
        covered |= (first >= low) & (end <= high)
    return covered


@dataclass(frozen=True, slots=True)
class _Reading:
    source: Source
    dirty: Int
    scalars: tuple[str, ...]
    histograms: bool

    def clean(self, found: Summaries) -> Summaries:
        """Without what lies in dirty hours."""
        dirty = np.isin(hour_keys(found.series, found.at), self.dirty)
        return found.where(~dirty) if dirty.any() else found

    async def minutes(self, spans: list[Span]) -> Summaries:
        whole = [(low // HOUR_US * HOUR_US, high) for low, high in spans]
        found = self.clean(await self._rollups(MINUTE_US, Spans(whole)))
        return found.where(_within(found.at, spans))

    async def hours(self, spans: list[Span]) -> Summaries:
        n = len(self.source.who.ids)
        low, high = (np.repeat(np.array(ends, np.int64), n) for ends in zip(*spans, strict=True))
        ranges = Ranges(np.tile(np.arange(n), len(spans)), low, high)
        return self.clean(await self._rollups(HOUR_US, ranges))

    async def days(self, spans: list[Span]) -> Summaries:
        """Days; where a day is not over, was dirty or was never made, its hours."""
        ((low, high),) = spans
        found = await self._rollups(DAY_US, Spans(spans))
        n, days = len(self.source.who.ids), (high - low) // DAY_US
        open_days = np.ones((n, days), np.bool_)
        open_days[found.series, (found.at - low) // DAY_US] = False
        rows, hours = rows_and_hours(self.dirty)
        inside = _within(hours, spans)
        open_days[rows[inside], (hours[inside] - low) // DAY_US] = True
        keep = ~open_days[found.series, (found.at - low) // DAY_US]
        kept = found if keep.all() else found.where(keep)
        ranges = _ranges(open_days, low)
        if ranges is None:
            return kept
        hours_of = self.clean(await self._rollups(HOUR_US, ranges))
        return join([kept, hours_of], histograms=self.histograms)

    async def _rollups(self, width: int, which: Which) -> Summaries:
        scalars = ("last_at", *self.scalars)
        return await self.source.rollups(width, which, scalars=scalars, histograms=self.histograms)


def _ranges(open_days: Mask, low: int) -> Ranges | None:
    """Runs of days that are wanted, for each series: neighbours are one range, so that each is one look-up."""
    row, day = np.nonzero(open_days)
    if not len(row):
        return None
    # A run ends where the series changes or a day is left out: both break the sequence of row · (days + 1) + day.
    place = row * (open_days.shape[1] + 1) + day
    starts = runs(place - np.arange(len(place)))
    ends = np.append(starts[1:], len(place)) - 1
    return Ranges(row[starts], low + day[starts] * DAY_US, low + (day[ends] + 1) * DAY_US)
