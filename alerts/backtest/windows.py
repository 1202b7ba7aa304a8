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
    Windowed,
    bounds,
    changes,
    compare,
)
from alerts.core.condition import MetricLeaf
from alerts.core.reading import Reading
from alerts.core.terms import Op
from monitor.ids import from_microseconds, microseconds
from monitor.series.answer import Shape, answer
from monitor.series.gather import PERCENTS, Gathered
from monitor.series.store import Reducer
from monitor.series.summaries import Points, steps

_NEARLY = 1e-9
"""Sums that are added in another order differ by less than this share of their largest part."""


@dataclass(frozen=True, slots=True)
class MetricTrack(Windowed):
    """One line's points by time. `series`: the row of each in `counters`, which says what rises and may restart."""

    leaf: MetricLeaf
    values: Float
    series: Int
    counters: Mask

    def reading(self, now: datetime) -> Reading | None:
        """Reduced by the history store's own function."""
        end = microseconds(now)
        span = (end - self.leaf.window // timedelta(microseconds=1), end)
        low, high = np.searchsorted(self.at_us, span, side="left").tolist()
        value = self._picked(low, high) if low < high else None
        if value is not None:
            return Reading(value, high - low, from_microseconds(int(self.at_us[high - 1])))
        found = next(self.reduced(span), None)
        return None if found is None else Reading(found[0], found[1], from_microseconds(found[2]))

    def _picked(self, low: int, high: int) -> float | None:
        """The value where it is one of the points' or their number: those need no sums, and are the same however they
        are found."""
        match self.leaf.reduce:
            case Reducer.COUNT:
                return float(high - low)
            case Reducer.LAST:
                # Of several series at one time the youngest one's: points at one time are in the order of series.
                return float(self.values[high - 1])
            case Reducer.MIN:
                return float(self.values[low:high].min())
            case Reducer.MAX:
                return float(self.values[low:high].max())
            case reduce if reduce in PERCENTS:
                rank = max(-(-PERCENTS[reduce] * (high - low) // 100), 1)
                return float(np.partition(self.values[low:high], rank - 1)[rank - 1])
            case _:
                return None

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
            # A window may have points and say nothing all the same: one point of a counter does not rise.
            classes = np.where((count < self.leaf.min_count) & (held >= OK), FEW, held)
            ticks.append(changes(np.where(count == 0, EMPTY, classes).astype(np.int8)))
        return np.unique(np.concatenate(ticks))

    def _held(self, low: Int, high: Int, count: Int, bound: float) -> npt.NDArray[np.int64]:
        """BREACHED or OK for every window, UNSURE where it takes the exact value to say."""
        op, some = self.leaf.op, np.maximum(count, 1)
        match Reducer(self.leaf.reduce):
            case Reducer.COUNT:
                return _verdicts(compare(op, count.astype(np.float64), bound))
            case Reducer.LAST:
                last = self.values[np.maximum(high - 1, 0)] if len(self.values) else np.zeros(len(high))
                return _verdicts(compare(op, last, bound))
            case Reducer.MIN:
                return _verdicts(self._ranked(low, high, np.ones(len(low), np.int64), bound))
            case Reducer.MAX:
                return _verdicts(self._ranked(low, high, some, bound))
            case Reducer.SUM | Reducer.MEAN as reduce:
                parts = some if reduce is Reducer.MEAN else np.ones_like(some)
                return self._nearly(
                    _sums(self.values, low, high) / parts, _sums(np.abs(self.values), low * 0, high), bound
                )
            case Reducer.STDDEV:
                return self._spread(low, high, some, bound)
            case Reducer.INCREASE | Reducer.RATE if len(self.series) and np.ptp(self.series) == 0:
                return self._risen(low, high, bound)
            case reduce if reduce in PERCENTS:
                rank = np.maximum(-(-PERCENTS[reduce] * some // 100), 1)
                return _verdicts(self._ranked(low, high, rank, bound))
            case _:
                return np.full(len(low), UNSURE)

    def _nearly(self, about: Float, parts: Float, bound: float) -> npt.NDArray[np.int64]:
        """What sums in another order say, where that cannot matter."""
        error = _NEARLY * (parts + abs(bound) + 1)
        return np.where(np.abs(about - bound) <= error, UNSURE, _verdicts(compare(self.leaf.op, about, bound)))

    def _spread(self, low: Int, high: Int, some: Int, bound: float) -> npt.NDArray[np.int64]:
        """Of squares, around the middle of all points: that keeps them small."""
        if bound < 0:
            return np.full(len(low), UNSURE)
        away = self.values - (self.values.mean() if len(self.values) else 0.0)
        mean = _sums(away, low, high) / some
        squares = _sums(away**2, low, high) / some - mean**2
        return self._nearly(squares, _sums(away**2, low * 0, high) / some, bound**2)

    def _risen(self, low: Int, high: Int, bound: float) -> npt.NDArray[np.int64]:
        """What the only series rose by; one point of a counter says nothing."""
        is_counter = bool(self.counters[self.series[0]])
        rises = self.values
        if is_counter:
            rises = np.append(0.0, steps(self.values[:-1], self.values[1:]))
            low = np.minimum(low + 1, high)
        seconds = self.leaf.window.total_seconds() if Reducer(self.leaf.reduce) is Reducer.RATE else 1.0
        held = self._nearly(_sums(rises, low, high) / seconds, _sums(np.abs(rises), low * 0, high) / seconds, bound)
        return np.where(high <= low, EMPTY, held) if is_counter else held

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


def _sums(values: Float, low: Int, high: Int) -> Float:
    """Of each window."""
    upto = np.concatenate([[0.0], np.cumsum(values)])
    sums: Float = upto[high] - upto[low]
    return sums


def _verdicts(held: Mask) -> npt.NDArray[np.int64]:
    return np.where(held, BREACHED, OK)
