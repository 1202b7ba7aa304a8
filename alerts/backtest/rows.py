"""Rows of logs in windows: what share of them, how many, and how fast they burn an objective. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from alerts.backtest.tracks import (
    BREACHED,
    EMPTY,
    FEW,
    OK,
    Grid,
    Int,
    Mask,
    Windowed,
    bounds,
    changes,
    compare,
)
from alerts.core.condition import BurnRateLeaf, LogLeaf, RateLeaf
from alerts.core.reading import Reading
from alerts.sources.rates import burning
from monitor.ids import from_microseconds, microseconds

_US = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class RowsTrack(Windowed):
    """Log rows in order of time: `chosen` are those that count, of all that the window holds."""

    leaf: RateLeaf | LogLeaf
    chosen: Mask

    def reading(self, now: datetime) -> Reading | None:
        """A share for a rate, a number for lines."""
        low, high = self._window(np.array([microseconds(now)]))
        first, end = int(low[0]), int(high[0])
        if first >= end:
            return None
        counted = int(self.chosen[first:end].sum())
        value = counted / (end - first) if isinstance(self.leaf, RateLeaf) else float(counted)
        return Reading(value, end - first, from_microseconds(int(self.at_us[end - 1])))

    def looks(self, grid: Grid) -> Int:
        """Exact: whole numbers are counted."""
        low, high = self._window(grid.us)
        sums = np.concatenate([[0], np.cumsum(self.chosen)])
        rows, counted = high - low, sums[high] - sums[low]
        if isinstance(self.leaf, LogLeaf):
            return changes(
                np.where(rows == 0, EMPTY, np.where(counted >= self.leaf.count, BREACHED, OK)).astype(np.int8)
            )
        share = counted / np.maximum(rows, 1)
        ticks = []
        for bound in bounds(self.leaf.threshold, self.leaf.recover):
            held = np.where(compare(self.leaf.op.value, share, bound), BREACHED, OK)
            few = np.where(rows < self.leaf.min_count, FEW, held)
            ticks.append(changes(np.where(rows == 0, EMPTY, few).astype(np.int8)))
        return np.unique(np.concatenate(ticks))

    def _window(self, now_us: Int) -> tuple[Int, Int]:
        low = np.searchsorted(self.at_us, now_us - self.leaf.window // _US, side="left")
        return low, np.searchsorted(self.at_us, now_us, side="left")


@dataclass(frozen=True, slots=True)
class BurnTrack(Windowed):
    """Executions in order of time: `bad` are those that the objective allows few of. Its window is the long one."""

    leaf: BurnRateLeaf
    bad: Mask

    def reading(self, now: datetime) -> Reading | None:
        """Both windows, as the live read puts them together."""
        long, short = (self._count(microseconds(now), window) for window in (self.leaf.long, self.leaf.short))
        if not long[0]:
            return None
        newest = int(self.at_us[np.searchsorted(self.at_us, microseconds(now), side="left") - 1])
        return burning(self.leaf, long, short, from_microseconds(newest))

    def looks(self, grid: Grid) -> Int:
        """Exact in whole numbers: where one window or the other goes over its share, or has nothing to say."""
        allowed = 1 - self.leaf.objective
        (rows, bad), (recent, recent_bad) = (self._counts(grid.us, one) for one in (self.leaf.long, self.leaf.short))
        fast = bad / np.maximum(rows, 1) / allowed > self.leaf.factor
        lasts = recent_bad / np.maximum(recent, 1) / allowed > self.leaf.factor
        known = np.where(fast & (recent == 0), EMPTY, np.where(fast & lasts, BREACHED, OK))
        classes = np.where(rows < self.leaf.min_count, FEW, known)
        return changes(np.where(rows == 0, EMPTY, classes).astype(np.int8))

    def _count(self, now_us: int, window: timedelta) -> tuple[int, int]:
        low, high = np.searchsorted(self.at_us, (now_us - window // _US, now_us), side="left").tolist()
        return high - low, int(self.bad[low:high].sum())

    def _counts(self, now_us: Int, window: timedelta) -> tuple[Int, Int]:
        low = np.searchsorted(self.at_us, now_us - window // _US, side="left")
        high = np.searchsorted(self.at_us, now_us, side="left")
        sums = np.concatenate([[0], np.cumsum(self.bad)])
        return high - low, sums[high] - sums[low]
