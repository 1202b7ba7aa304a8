"""The points of a metric over time: what a window that ends at a tick reduces to, as the store would. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from alerts.backtest.tracks import (
    BREACHED,
    EMPTY,
    FEW,
    OK,
    UNSURE,
    Float,
    Grid,
    Int,
    Mask,
    bounds,
    changes,
    compare,
    emptied,
    ticks_after,
)
from alerts.core.condition import (
    MetricLeaf,
)
from alerts.core.reading import Reading
from alerts.core.terms import Op
from monitor.ids import from_microseconds, microseconds
from monitor.series.answer import Shape, answer
from monitor.series.gather import PERCENTS, Gathered
from monitor.series.store import Reducer
from monitor.series.summaries import Points

_NEARLY = 1e-9
"""Sums that are added in another order differ by less than this share of their largest part."""


@dataclass(frozen=True, slots=True)
class MetricTrack:
    """One line's points by time. `series`: the row of each in `counters`, which says what rises and may restart."""

    leaf: MetricLeaf
    at_us: Int
    values: Float
    series: Int
    counters: Mask

    def reading(self, now: datetime) -> Reading | None:
        """Reduced by the history store's own function."""
        end = microseconds(now)
        span = (end - self.leaf.window // timedelta(microseconds=1), end)
        found = next(self.reduced(span), None)
        return None if found is None else Reading(found[0], found[1], from_microseconds(found[2]))

    def reduced(self, span: tuple[int, int], *, step_us: int | None = None) -> Iterator[tuple[float, int, int]]:
        """What the points of a span come to, in all or for each step that has some: value, count and newest time."""
        low, high = np.searchsorted(self.at_us, span, side="left").tolist()
        order = np.lexsort((self.at_us[low:high], self.series[low:high]))
        points = Points(self.series[low:high][order], self.at_us[low:high][order], self.values[low:high][order])
        shape = Shape(
            reduce=Reducer(self.leaf.reduce),
            span=span,
            step_us=step_us,
            lines=np.zeros(len(self.counters), np.int64),
            counters=self.counters,
            exact=True,
        )
        found = answer(Gathered(points, ()), shape)
        return zip(found.value.tolist(), found.count.tolist(), found.last_at.tolist(), strict=True)

    def looks(self, grid: Grid) -> Int:
        """Where the window becomes empty or full enough, or its value crosses a bound."""
        now = grid.us
        low = np.searchsorted(self.at_us, now - self.leaf.window // timedelta(microseconds=1), side="left")
        high = np.searchsorted(self.at_us, now, side="left")
        count = high - low
        ticks = []
        for bound in bounds(self.leaf.threshold, self.leaf.recover):
            held = self._held(low, high, count, bound)
            classes = np.where(count < self.leaf.min_count, FEW, held)
            ticks.append(changes(np.where(count == 0, EMPTY, classes).astype(np.int8)))
        return np.unique(np.concatenate(ticks))

    def news(self, grid: Grid) -> Int:
        """Every point is."""
        return ticks_after(grid, self.at_us)

    def turns(self, grid: Grid) -> Int:
        """Where the window becomes empty."""
        return emptied(grid, self.at_us, self.leaf.window)

    def _held(self, low: Int, high: Int, count: Int, bound: float) -> npt.NDArray[np.int64]:
        """BREACHED or OK for every window, UNSURE where it takes the exact value to say."""
        op, some = self.leaf.op, np.maximum(count, 1)
        match Reducer(self.leaf.reduce):
            case Reducer.COUNT:
                return _verdicts(compare(op, count.astype(np.float64), bound))
            case Reducer.LAST:
                # Of several series at one time the youngest one's: points at one time are in the order of series.
                last = self.values[np.maximum(high - 1, 0)] if len(self.values) else np.zeros(len(high))
                return _verdicts(compare(op, last, bound))
            case Reducer.MIN:
                return _verdicts(self._ranked(low, high, np.ones(len(low), np.int64), bound))
            case Reducer.MAX:
                return _verdicts(self._ranked(low, high, some, bound))
            case Reducer.SUM | Reducer.MEAN as reduce:
                sums = np.concatenate([[0.0], np.cumsum(self.values)])
                about = (sums[high] - sums[low]) / (some if reduce is Reducer.MEAN else 1)
                error = _NEARLY * (np.abs(np.append(0.0, np.cumsum(np.abs(self.values))))[high] + abs(bound) + 1)
                return np.where(np.abs(about - bound) <= error, UNSURE, _verdicts(compare(op, about, bound)))
            case reduce if reduce in PERCENTS:
                rank = np.maximum(-(-PERCENTS[reduce] * some // 100), 1)
                return _verdicts(self._ranked(low, high, rank, bound))
            case _:
                return np.full(len(low), UNSURE)

    def _ranked(self, low: Int, high: Int, rank: Int, bound: float) -> Mask:
        """Whether the value of a rank in the window (1: the smallest) holds: by counting those below the bound."""
        below = np.concatenate([[0], np.cumsum(self.values < bound)])
        upto = np.concatenate([[0], np.cumsum(self.values <= bound)])
        at_least, above = below[high] - below[low] < rank, upto[high] - upto[low] < rank
        held: dict[Op, Mask] = {
            Op.GT: above,
            Op.GE: at_least,
            Op.LT: ~at_least,
            Op.LE: ~above,
            Op.EQ: at_least & ~above,
            Op.NE: ~at_least | above,
        }
        return held[self.leaf.op]


def _verdicts(held: Mask) -> npt.NDArray[np.int64]:
    return np.where(held, BREACHED, OK)
