"""What every store must answer, computed the slow and plain way from all points."""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from monitor.ids import from_microseconds, microseconds
from monitor.series.store import Kind, Query, Reducer, Tags
from tests.points import Point

PERCENTS = {Reducer.P50: 50, Reducer.P90: 90, Reducer.P95: 95, Reducer.P99: 99}
Key = tuple[object, ...]
Series = tuple[UUID, str, Tags]


@dataclass(frozen=True)
class Expected:
    """A value with the number of points behind it and the time of the newest."""

    value: float
    count: int
    last_at: datetime


def distinct(points: Iterable[Point]) -> dict[Series, dict[int, float]]:
    """Points by series, the last one written at a time wins."""
    series: dict[Series, dict[int, float]] = {}
    for point in points:
        series.setdefault(point.series[:3], {})[point.at_us] = point.value
    return series


def increase(values: Sequence[float]) -> float:
    """What a counter rose by along its values; a drop is a restart from zero."""
    return math.fsum(b - a if b >= a else b for a, b in itertools.pairwise(values))


def nearest_rank(values: Sequence[float], percent: int) -> float:
    """The smallest value that at least `percent` of all values do not exceed."""
    return sorted(values)[max(1, math.ceil(percent * len(values) / 100)) - 1]


def _plain(reduce: Reducer, pairs: list[tuple[int, float]]) -> float:
    values = [value for _, value in pairs]
    mean = math.fsum(values) / len(values)
    if reduce in PERCENTS:
        return nearest_rank(values, PERCENTS[reduce])
    how: Mapping[Reducer, Callable[[], float]] = {
        Reducer.COUNT: lambda: float(len(values)),
        Reducer.SUM: lambda: math.fsum(values),
        Reducer.MEAN: lambda: mean,
        Reducer.MIN: lambda: min(values),
        Reducer.MAX: lambda: max(values),
        Reducer.LAST: lambda: max(pairs)[1],
        Reducer.STDDEV: lambda: math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values)),
    }
    return how[reduce]()


def answer(
    points: Iterable[Point],
    wanted: Query,
    *,
    kind: Kind = Kind.GAUGE,
    line: Callable[[Point], Key] = lambda _: (),
) -> dict[tuple[Key, datetime], Expected]:
    """Value for each line and step of a query whose metric and filters all `points` meet."""
    kept = [p for p in points if microseconds(wanted.start) <= p.at_us < microseconds(wanted.end)]
    line_of = {p.series[:3]: line(p) for p in kept}
    found: dict[tuple[Key, int], list[tuple[int, float]]] = {}
    rises: dict[tuple[Key, int], list[float]] = {}
    for key, values in distinct(kept).items():
        before: float | None = None
        for at, value in sorted(values.items()):
            place = line_of[key], _step(at, wanted)
            found.setdefault(place, []).append((at, value))
            if kind is Kind.DELTA:
                rises.setdefault(place, []).append(value)
            elif before is not None:
                rises.setdefault(place, []).append(increase([before, value]))
            before = value
    answers: dict[tuple[Key, datetime], Expected] = {}
    for place, pairs in found.items():
        if wanted.reduce in (Reducer.RATE, Reducer.INCREASE):
            if place not in rises:
                continue
            value = math.fsum(rises[place])
            if wanted.reduce is Reducer.RATE:
                value /= _length(place[1], wanted)
        else:
            value = _plain(wanted.reduce, pairs)
        answers[place[0], from_microseconds(place[1])] = Expected(value, len(pairs), from_microseconds(max(pairs)[0]))
    return answers


def _step(at: int, wanted: Query) -> int:
    if wanted.step is None:
        return microseconds(wanted.start)
    step = wanted.step // timedelta(microseconds=1)
    return at // step * step


def _length(at: int, wanted: Query) -> float:
    start, end = from_microseconds(at), wanted.end if wanted.step is None else from_microseconds(at) + wanted.step
    return (min(end, wanted.end) - max(start, wanted.start)).total_seconds()
