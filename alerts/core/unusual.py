"""How unusual a value is among those of earlier days: robust, so that a bad day of the past hides nothing. Pure.

The deviation is the median absolute one, times 1.4826, which makes it the standard deviation where values are normally
distributed; where more than half of the values are equal it is zero, and the mean absolute one times 1.2533 is taken,
as in B. Iglewicz and D. C. Hoaglin, "How to Detect and Handle Outliers" (1993).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import fmean, median

from alerts.core.condition import AnomalyLeaf
from alerts.core.terms import Direction

DAYS_NEEDED = 3
VALUES_NEEDED = 5
"""With fewer earlier days or values than these nothing is said."""

FARTHEST = 1e6
"""Deviations of a value that differs where there was never a difference: more than anybody asks for."""

_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Usual:
    """What was seen at the same hour of earlier days: of `days` days, `values` windows."""

    days: int
    values: int
    middle: float
    deviation: float

    @property
    def enough(self) -> bool:
        """Whether something can be said."""
        return self.days >= DAYS_NEEDED and self.values >= VALUES_NEEDED


def values_of(leaf: AnomalyLeaf) -> int:
    """How many windows there are in that hour of all its earlier days, at most."""
    return (leaf.baseline // _DAY) * (_HOUR // leaf.window)


def usual(days: Sequence[Sequence[float]]) -> Usual:
    """What the values of each earlier day come to; a day without any does not count."""
    values = [value for day in days for value in day]
    if not values:
        return Usual(0, 0, 0.0, 0.0)
    middle = median(values)
    away = [abs(value - middle) for value in values]
    deviation = 1.4826 * median(away) or 1.2533 * fmean(away)
    return Usual(sum(bool(day) for day in days), len(values), middle, deviation)


def deviations(value: float, of: Usual, direction: Direction) -> float:
    """By how many deviations a value is away in this direction; zero where it is on the other side."""
    away = value - of.middle
    if direction is Direction.BELOW:
        away = -away
    elif direction is Direction.BOTH:
        away = abs(away)
    if away <= 0:
        return 0.0
    return min(away / of.deviation, FARTHEST) if of.deviation > 0 else FARTHEST
