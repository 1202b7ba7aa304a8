"""Points of metrics for a replay, and what was usual at the hours of earlier days."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
from sqlalchemy import text

from alerts.backtest.base import Wanted
from alerts.backtest.tracks import Grid, Int
from alerts.backtest.windows import MetricTrack
from alerts.core.condition import AnomalyLeaf, MetricLeaf
from alerts.core.labels import Labels, make_labels
from alerts.core.reading import Reading
from alerts.core.terms import Direction, Op
from alerts.core.unusual import Usual, usual
from alerts.sources.anomalies import reading_of
from monitor.errors import InvalidInput
from monitor.ids import microseconds
from monitor.series.store import Reducer, Reduction

POINTS_AT_MOST = 10_000_000
OTHERS_AT_MOST = 3_000_000
"""Points of metrics that a rule does not read, whose times count all the same."""

_METRICS = text("""
    SELECT metric, array_agg(DISTINCT agent_id) AS agents FROM series
    WHERE tenant_id = :tenant_id AND agent_id = ANY (:agents) AND metric <> ALL (:known)
    GROUP BY metric ORDER BY metric LIMIT :at_most
""")
_HOUR = 3_600_000_000
_DAY = 24 * _HOUR


async def read_metric(wanted: Wanted, leaf: MetricLeaf) -> None:
    """A track for each line of the points."""
    wanted.nothing(leaf)
    for agent, labels, track in await _lines(wanted, leaf, leaf.window):
        wanted.put(agent, leaf, track, labels)


async def read_anomaly(wanted: Wanted, leaf: AnomalyLeaf) -> None:
    """As of a metric, and the points of the days before, from which follows what is usual."""
    wanted.nothing(leaf)
    plain = MetricLeaf(
        metric=leaf.metric,
        threshold=0.0,
        reduce=leaf.reduce,
        window=leaf.window,
        by=leaf.by,
        where=leaf.where,
        min_count=leaf.min_count,
    )
    for agent, labels, track in await _lines(wanted, plain, leaf.baseline + timedelta(hours=1)):
        wanted.put(agent, leaf, AnomalyTrack(leaf, track), labels)


async def read_others(wanted: Wanted, leaves: Collection[MetricLeaf | AnomalyLeaf]) -> dict[UUID, Int]:
    """When points came of metrics that these leaves do not read, by agent: the alerter looks at its rules then too."""
    read = {leaf.metric for leaf in leaves}
    times: dict[UUID, list[Int]] = defaultdict(list)
    left = OTHERS_AT_MOST
    for row in await wanted.rows(_METRICS, {"known": sorted(read)}):
        shape = Reduction(metric=row.metric, reduce=Reducer.COUNT, window=wanted.end - wanted.start)
        try:
            past = await wanted.series.past(wanted.tenant_id, shape, row.agents, end=wanted.end, at_most=left)
        except InvalidInput:
            wanted.differs("other metrics of these agents have many points: the alerter may have looked sooner")
            return {}
        if past is not None:
            left -= len(past.points.at)
            line = past.lines[past.points.series]
            for number, (agent, _) in enumerate(past.labels):
                times[agent].append(past.points.at[line == number])
    return {agent: np.unique(np.concatenate(parts)) for agent, parts in times.items()}


async def _lines(wanted: Wanted, leaf: MetricLeaf, before: timedelta) -> list[tuple[UUID, Labels, MetricTrack]]:
    """Each line's points, from so long `before` the start on."""
    reduction = Reduction(
        metric=leaf.metric,
        reduce=leaf.reduce,
        window=wanted.end - wanted.start + before,
        by=leaf.by,
        where=leaf.where,
    )
    past = await wanted.series.past(
        wanted.tenant_id, reduction, list(wanted.agents), end=wanted.end, at_most=POINTS_AT_MOST
    )
    if past is None:
        return []
    line = past.lines[past.points.series]
    order = np.lexsort((past.points.series, past.points.at, line))
    edges = np.searchsorted(line[order], np.arange(len(past.labels) + 1))
    found = []
    for number, (agent, values) in enumerate(past.labels):
        mine = order[edges[number] : edges[number + 1]]
        of = past.points
        track = MetricTrack(leaf, of.at[mine], of.value[mine], of.series[mine], past.counters)
        if len(mine):
            found.append((agent, make_labels(zip(leaf.by, values, strict=True)), track))
    return found


@dataclass(slots=True)
class AnomalyTrack:
    """One line's points, and what was usual at each hour, which is found out once."""

    leaf: AnomalyLeaf
    track: MetricTrack
    _usual: dict[int, Usual] = field(default_factory=dict)

    def reading(self, now: datetime) -> Reading | None:
        """By how many deviations the window is away."""
        found = self.track.reading(now)
        if found is None or found.value is None or found.last_at is None:
            return None
        return reading_of(self.leaf, found.value, found.count, found.last_at, self._known(microseconds(now)))

    def looks(self, grid: Grid) -> Int:
        """In each hour, where the window goes over what is usual by too much, or under it."""
        edges = np.flatnonzero(np.diff(grid.us // _HOUR)) + 1
        starts, ends = np.append(0, edges), np.append(edges, grid.count)
        ticks = [starts, self.track.turns(grid)]
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            part = Grid(grid.at(start), grid.step, end - start)
            ticks += [start + track.looks(part) for track in self._bounds(part)]
        return np.unique(np.concatenate(ticks))

    def news(self, grid: Grid) -> Int:
        """Every point is."""
        return self.track.news(grid)

    def turns(self, grid: Grid) -> Int:
        """Where the window becomes empty."""
        return self.track.turns(grid)

    def _bounds(self, grid: Grid) -> Iterator[MetricTrack]:
        """For the ticks of one hour: its points against the values from which on they are unusual."""
        us, known = grid.us, self._known(int(grid.us[0]))
        if not known.enough:
            return
        away, direction = self.leaf.sigma * known.deviation, self.leaf.direction
        low = us[0] - self.leaf.window // timedelta(microseconds=1)
        points = self._between(int(low), int(us[-1]) + 1)
        if direction is not Direction.BELOW:
            yield replace(points, leaf=replace(points.leaf, op=Op.GT, threshold=known.middle + away))
        if direction is not Direction.ABOVE:
            yield replace(points, leaf=replace(points.leaf, op=Op.LT, threshold=known.middle - away))

    def _known(self, now_us: int) -> Usual:
        hour = now_us // _HOUR * _HOUR
        if hour not in self._usual:
            days = self.leaf.baseline // timedelta(days=1)
            self._usual[hour] = usual([self._values(hour - ago * _DAY) for ago in range(1, days + 1)])
        return self._usual[hour]

    def _values(self, start: int) -> list[float]:
        """The windows of one hour, as the history store would reduce them."""
        points, window = self._between(start, start + _HOUR), self.leaf.window // timedelta(microseconds=1)
        return [value for value, _, _ in points.reduced((start, start + _HOUR), step_us=window)]

    def _between(self, start: int, end: int) -> MetricTrack:
        low, high = np.searchsorted(self.track.at_us, (start, end), side="left").tolist()
        of = self.track
        return replace(of, at_us=of.at_us[low:high], values=of.values[low:high], series=of.series[low:high])
