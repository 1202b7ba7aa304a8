"""What agents sent, said in a test, as the tracks that rules would read. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from alerts.backtest.read import status_track
from alerts.backtest.rows import RowsTrack
from alerts.backtest.tracks import BeatTrack, Track, Tracks
from alerts.backtest.windows import MetricTrack
from alerts.core.condition import HeartbeatLeaf, Leaf, LogLeaf, MetricLeaf, RateLeaf, StatusLeaf
from alerts.core.labels import Labels, make_labels
from alerts.core.matching import has_tags
from alerts.core.reading import Reading
from alerts.core.terms import LogLevel
from monitor.ids import microseconds

_LEVELS = list(LogLevel)


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a metric."""

    metric: str
    tags: Mapping[str, str]
    at: datetime
    value: float
    counter: bool = False


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution that ended, or a log line."""

    at: datetime
    status: str
    message: str = ""
    kind: str = "execution"
    level: str | None = None


@dataclass(frozen=True, slots=True)
class Beat:
    """One heartbeat."""

    at: datetime


@dataclass(slots=True)
class Given:
    """All that one agent sent, in any order."""

    points: list[Point] = field(default_factory=list)
    executions: list[Execution] = field(default_factory=list)
    beats: list[Beat] = field(default_factory=list)


def tracks_for(leaves: Sequence[Leaf], given: Given) -> Tracks:
    """The tracks of these leaves; None for a leaf of which a test cannot say anything."""
    return {leaf: _tracks(leaf, given) for leaf in leaves}


def _tracks(leaf: Leaf, given: Given) -> dict[Labels, Track] | None:
    match leaf:
        case MetricLeaf():
            return _metric(leaf, given.points)
        case StatusLeaf():
            rows = [one for one in _ordered(given) if one.kind == "execution"]
            return {(): status_track(leaf, _times(rows), [one.status for one in rows])}
        case RateLeaf():
            rows = [one for one in _ordered(given) if one.kind == "execution"]
            return {(): RowsTrack(leaf, _times(rows), np.array([one.status == leaf.rate for one in rows], np.bool_))}
        case LogLeaf():
            rows = _ordered(given)
            return {(): RowsTrack(leaf, _times(rows), np.array([_matches(leaf, one) for one in rows], np.bool_))}
        case HeartbeatLeaf():
            return {(): _beats(leaf, sorted(one.at for one in given.beats))}
        case _:
            return None


def _metric(leaf: MetricLeaf, points: Sequence[Point]) -> dict[Labels, Track]:
    lines: dict[Labels, list[Point]] = defaultdict(list)
    for one in points:
        if one.metric == leaf.metric and has_tags(leaf.where, one.tags):
            lines[make_labels((name, one.tags.get(name, "")) for name in leaf.by)].append(one)
    return {labels: _line(leaf, sorted(mine, key=lambda one: one.at)) for labels, mine in lines.items()}


def _line(leaf: MetricLeaf, points: Sequence[Point]) -> MetricTrack:
    numbers: dict[Labels, int] = {}
    series = [numbers.setdefault(make_labels(one.tags), len(numbers)) for one in points]
    counters = np.zeros(len(numbers), np.bool_)
    for one, number in zip(points, series, strict=True):
        counters[number] = one.counter
    values = np.array([one.value for one in points], np.float64)
    times = np.array([microseconds(one.at) for one in points], np.int64)
    return MetricTrack(leaf, times, values, np.array(series, np.int64), counters)


def _beats(leaf: HeartbeatLeaf, times: Sequence[datetime]) -> BeatTrack:
    """The interval is learned as ingest learns it: a moving average in which a long gap counts as four at most."""
    interval: timedelta | None = None
    readings = []
    for number, at in enumerate(times):
        if number:
            gap = at - times[number - 1]
            interval = gap if interval is None else interval + (min(gap, 4 * interval) - interval) / 4
        readings.append(Reading(count=number + 1, last_at=at, interval=interval))
    return BeatTrack(leaf, np.array([microseconds(at) for at in times], np.int64), tuple(readings))


def _ordered(given: Given) -> list[Execution]:
    return sorted(given.executions, key=lambda one: one.at)


def _times(rows: Sequence[Execution]) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    return np.array([microseconds(one.at) for one in rows], np.int64)


def _matches(leaf: LogLeaf, one: Execution) -> bool:
    if leaf.contains not in one.message:
        return False
    if leaf.level is None:
        return True
    known = one.kind == "line" and one.level in list(LogLevel)
    return known and _LEVELS.index(LogLevel(str(one.level))) >= _LEVELS.index(leaf.level)
