"""From points and summaries to values: one number for each line and step. Pure."""

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from monitor.series.columns import Float, Int, run_lengths
from monitor.series.gather import PERCENTS, RISES, Gathered
from monitor.series.histogram import ranks
from monitor.series.store import Answer, Reducer
from monitor.series.stored import HOUR_US, Span
from monitor.series.summaries import Mask, Points, Summaries, highest, join, lowest, squares, summarise

Label = TypeVar("Label", bound=tuple[Any, ...])


@dataclass(frozen=True, slots=True)
class Shape:
    """How values are asked for. `lines`: the line of each series. `step_us` None: one value for the whole span.

    `exact`: percentiles from single points, as nothing else was read; otherwise from histograms alone, also where
    points are at hand, so that an answer does not depend on what has been compacted already.
    """

    reduce: Reducer
    span: Span
    step_us: int | None
    lines: Int
    counters: Mask
    exact: bool


def answer(found: Gathered, shape: Shape) -> Answer:
    """Reduce. Lines and steps without points are absent, and so are increases of which only one point is known."""
    if shape.exact and shape.reduce in PERCENTS:
        return _exact(found.points, shape)
    histograms = shape.reduce in PERCENTS
    single = _summarised(found.points, shape, histograms=histograms)
    parts = join([single, *found.summaries], histograms=histograms) if found.summaries else single
    line, step = shape.lines[parts.series], _steps(parts.at, shape)
    order = np.lexsort((parts.at, parts.series))
    ordered = parts.take(order)
    rises = ordered.rises
    pairs = ordered.count - 1
    pairs[1:] += ordered.series[1:] == ordered.series[:-1]
    group, starts, lines, at = _grouped(line[order], step[order])
    if not len(starts):
        return Answer(lines, at, np.zeros(0), lines, at)
    rows = ordered.take(group)
    count, last_at = np.add.reduceat(rows.count, starts), np.maximum.reduceat(rows.last_at, starts)
    if histograms and parts.histograms is not None:
        place = np.empty(len(order), np.int64)
        place[order[group]] = np.repeat(np.arange(len(starts)), run_lengths(starts, len(group)))
        merged = parts.histograms.merge(place, len(starts))
        low, high = lowest(rows.min, starts), highest(rows.max, starts)
        value = merged.percentile(PERCENTS[shape.reduce], low=low, high=high)
        return Answer(lines, at, value, count, last_at)
    if shape.reduce in RISES:
        known = (pairs[group] > 0) | ~shape.counters[rows.series]
        rise = np.where(shape.counters[rows.series], rows.increase + rises[group], rows.sum)
        value, kept = np.add.reduceat(rise, starts), np.logical_or.reduceat(known, starts)
        if shape.reduce is Reducer.RATE:
            value = value / _seconds(at, shape)
        return Answer(lines[kept], at[kept], value[kept], count[kept], last_at[kept])
    return Answer(lines, at, _moment(shape.reduce, rows, starts, count), count, last_at)


def _steps(at: Int, shape: Shape) -> Int:
    return np.full(len(at), shape.span[0]) if shape.step_us is None else at // shape.step_us * shape.step_us


def _grouped(line: Int, step: Int) -> tuple[Int, Int, Int, Int]:
    """An order by line and step, the starts of its groups, and their lines and steps."""
    order = np.lexsort((step, line))
    line, step = line[order], step[order]
    change = np.ones(len(line), np.bool_)
    change[1:] = (line[1:] != line[:-1]) | (step[1:] != step[:-1])
    starts = np.flatnonzero(change)
    return order, starts, line[starts], step[starts]


def _seconds(at: Int, shape: Shape) -> Float:
    """How long each step is, cut to the span."""
    low, high = shape.span
    ends = np.full(len(at), high) if shape.step_us is None else np.minimum(at + shape.step_us, high)
    return (ends - np.maximum(at, low)) / 1e6


def _exact(points: Points, shape: Shape) -> Answer:
    order, starts, lines, at = _grouped(shape.lines[points.series], _steps(points.at, shape))
    if not len(starts):
        return Answer(lines, at, np.zeros(0), lines, at)
    count = run_lengths(starts, len(order))
    group = np.repeat(np.arange(len(starts)), count)
    value = points.value[order][np.lexsort((points.value[order], group))]
    picked = value[starts + ranks(count, PERCENTS[shape.reduce]) - 1]
    return Answer(lines, at, picked, count, np.maximum.reduceat(points.at[order], starts))


def _summarised(points: Points, shape: Shape, *, histograms: bool) -> Summaries:
    """Single points by series, step and hour: so that they stand between summaries of hours in order of time."""
    step, hour = _steps(points.at, shape), points.at // HOUR_US
    change = np.ones(len(step), np.bool_)
    change[1:] = (np.diff(points.series) != 0) | (np.diff(step) != 0) | (np.diff(hour) != 0)
    return summarise(points, np.flatnonzero(change), histograms=histograms)


def _moment(reduce: Reducer, rows: Summaries, starts: Int, count: Int) -> Float:
    with np.errstate(over="ignore", invalid="ignore"):
        total: Float = np.add.reduceat(rows.sum, starts)
        match reduce:
            case Reducer.COUNT:
                return count.astype(np.float64)
            case Reducer.SUM:
                return total
            case Reducer.MEAN:
                return total / count
            case Reducer.MIN:
                return lowest(rows.min, starts)
            case Reducer.MAX:
                return highest(rows.max, starts)
            case Reducer.STDDEV:
                return np.sqrt(squares(rows, starts) / count)
            case _:
                return _last(rows, starts)


def _last(rows: Summaries, starts: Int) -> Float:
    """The value at the newest time; of several series at that time, the youngest series'."""
    group = np.repeat(np.arange(len(starts)), run_lengths(starts, len(rows.series)))
    order = np.lexsort((rows.series, rows.last_at, group))
    ends = starts + run_lengths(starts, len(order)) - 1
    newest: Float = rows.last[order][ends]
    return newest


def line_ids(labels: list[Label]) -> tuple[Int, list[Label]]:
    """A line for each distinct label, ordered, and the line of each entry."""
    distinct = sorted(set(labels))
    number = {label: i for i, label in enumerate(distinct)}
    return np.array([number[label] for label in labels], np.int64), distinct
