"""Whether conditions hold at each tick of a world, worked out from what an agent did: none of the alerter's code."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from monitor.ids import microseconds
from tests.simulation.world import Float, Int, Life, Mask

Codes: TypeAlias = npt.NDArray[np.int8]

OVER, UNKNOWN, HOLDS = 0, 1, 2
_SAYS = (False, None, True)


@dataclass(frozen=True, slots=True)
class Ticks:
    """The ticks of a run: `count` of them, `step` apart, the first one a step after `start`."""

    start: datetime
    step: timedelta
    count: int

    @property
    def us(self) -> Int:
        """All of their times, in microseconds since the epoch."""
        step = self.step // timedelta(microseconds=1)
        return microseconds(self.start) + step * np.arange(1, self.count + 1, dtype=np.int64)

    def at(self, number: int) -> datetime:
        """When a tick is; the first one is number 0."""
        return self.start + (number + 1) * self.step


Judged: TypeAlias = Callable[[Life, Int], Codes]
"""A condition without a memory, at times in microseconds."""


class Cause:
    """A condition over all ticks. Two more things can matter: whether it fires, and whether history can be read."""

    def __init__(self, ticks: Ticks, calm: Codes, firing: Codes | None = None, blind: Codes | None = None) -> None:
        """`firing`: what holds while it fires; `blind`: what is known while the history store is away."""
        self._ticks = ticks
        self._calm = calm.tolist()
        self._firing = self._calm if firing is None else firing.tolist()
        self._blind = None if blind is None else blind.tolist()

    def __call__(self, now: datetime, firing: bool, readable: bool) -> bool | None:
        """Whether it holds at a tick."""
        number = (now - self._ticks.start) // self._ticks.step - 1
        codes = self._firing if firing else self._calm
        if not readable and self._blind is not None:
            codes = self._blind
        return _SAYS[codes[number]]


def unknown(life: Life, at_us: Int) -> Codes:
    """Nothing is known."""
    return np.full(len(at_us), UNKNOWN, np.int8)


def failures(times: int) -> Judged:
    """The newest executions failed, so many in a row."""

    def judged(life: Life, at_us: Int) -> Codes:
        streaks = np.zeros(len(life.executions) + 1, np.int64)
        for place, failed in enumerate(life.failed.tolist()):
            streaks[place + 1] = streaks[place] + 1 if failed else 0
        upto = np.searchsorted(life.executions, at_us)
        return np.where(upto == 0, UNKNOWN, _code(streaks[upto] >= times)).astype(np.int8)

    return judged


def silence(after: timedelta) -> Judged:
    """No heartbeat for longer than this, once there was one."""

    def judged(life: Life, at_us: Int) -> Codes:
        upto = np.searchsorted(life.beats, at_us)
        age = at_us - life.beats[np.maximum(upto, 1) - 1]
        return np.where(upto == 0, UNKNOWN, _code(age > after // timedelta(microseconds=1))).astype(np.int8)

    return judged


def last(window: timedelta, bound: float) -> Judged:
    """The newest point of a window is above a bound."""

    def judged(life: Life, at_us: Int) -> Codes:
        low, high = _window(life.points, at_us, window)
        above = life.values[np.maximum(high, 1) - 1] > bound
        return np.where(high == low, UNKNOWN, _code(above)).astype(np.int8)

    return judged


def mean(window: timedelta, bound: float, *, at_least: int) -> Judged:
    """The mean of a window that has enough points is above a bound."""

    def judged(life: Life, at_us: Int) -> Codes:
        return _average(life.values, _window(life.points, at_us, window), bound, at_least=at_least)

    return judged


def lines(window: timedelta, count: int) -> Judged:
    """So many lines with a trace of a fault; unknown where nothing at all was logged."""

    def judged(life: Life, at_us: Int) -> Codes:
        low, high = _window(life.traces, at_us, window)
        ran_low, ran_high = _window(life.executions, at_us, window)
        nothing = (high == low) & (ran_high == ran_low)
        return np.where(nothing, UNKNOWN, _code(high - low >= count)).astype(np.int8)

    return judged


def share(window: timedelta, bound: float, *, at_least: int) -> Judged:
    """More than this share of a window's executions failed, where there are enough."""

    def judged(life: Life, at_us: Int) -> Codes:
        return _average(life.failed, _window(life.executions, at_us, window), bound, at_least=at_least)

    return judged


def both(one: Judged, other: Judged) -> Judged:
    """Kleene's `and`."""

    def judged(life: Life, at_us: Int) -> Codes:
        return np.minimum(one(life, at_us), other(life, at_us))

    return judged


def _average(of: Float | Mask, places: tuple[Int, Int], bound: float, *, at_least: int) -> Codes:
    """Whether what lies between two places, each time at least so many, has a mean above a bound."""
    low, high = places
    sums = np.concatenate([[0], np.cumsum(of)])
    above = (sums[high] - sums[low]) / np.maximum(high - low, 1) > bound
    return np.where(high - low < at_least, UNKNOWN, _code(above)).astype(np.int8)


def _code(holds: npt.NDArray[np.bool_]) -> Codes:
    return np.where(holds, HOLDS, OVER).astype(np.int8)


def _window(times: Int, at_us: Int, window: timedelta) -> tuple[Int, Int]:
    low = np.searchsorted(times, at_us - window // timedelta(microseconds=1))
    return low, np.searchsorted(times, at_us)
