"""Histograms that others have counted: the difference of two of one stream, and quantiles of it. Pure.

Within a bucket, values are taken to be spread evenly, as Prometheus' `histogram_quantile` has it
(https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile): over a bucket of explicit
bounds evenly by difference, over one of an exponential histogram evenly by factor.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

QUANTILES = {0.5: "0.5", 0.9: "0.9", 0.95: "0.95", 0.99: "0.99"}
"""The quantiles that are computed, and how the tag `quantile` spells them."""

Count = int | float


class Cell(NamedTuple):
    """`held` values lie above `low` and up to `high`. `by_factor`: spread evenly by factor, not by difference."""

    low: float
    high: float
    held: Count
    by_factor: bool = False


@dataclass(frozen=True, slots=True)
class Explicit:
    """`counts[i]` values in (bounds[i-1], bounds[i]]; one more count than bounds."""

    bounds: tuple[float, ...]
    counts: tuple[Count, ...]

    @property
    def weight(self) -> int:
        """About how many numbers it is made of."""
        return 2 * len(self.counts)

    def since(self, before: "Distribution | None") -> "Explicit":
        """What came to it since; all of it where it was begun anew, or counted otherwise."""
        if not isinstance(before, Explicit) or before.bounds != self.bounds:
            return self
        added = tuple(now - then for now, then in zip(self.counts, before.counts, strict=True))
        return self if min(added) < 0 else Explicit(self.bounds, added)

    def cells(self, low: float | None, high: float | None) -> Iterator[Cell]:
        """From the least on. `low`, `high`: the ends, where they are known."""
        if not self.bounds:
            return
        first = self.bounds[0]
        lows = (min(first, 0.0) if low is None else min(low, first), *self.bounds)
        highs = (*self.bounds, self.bounds[-1] if high is None else max(high, self.bounds[-1]))
        for begin, end, count in zip(lows, highs, self.counts, strict=True):
            yield Cell(begin, end, count)


@dataclass(frozen=True, slots=True)
class Exponential:
    """Bucket i of `positive` holds (base^i, base^(i+1)], with base 2^(2^-scale); those of `negative` by size.
    `zero` values lie within ±`threshold`. Empty buckets are absent."""

    scale: int
    positive: Mapping[int, Count] = field(default_factory=dict)
    negative: Mapping[int, Count] = field(default_factory=dict)
    zero: Count = 0
    threshold: float = 0.0

    @property
    def weight(self) -> int:
        """About how many numbers it is made of."""
        return 4 + 4 * (len(self.positive) + len(self.negative))

    def since(self, before: "Distribution | None") -> "Exponential":
        """What came to it since; all of it where it was begun anew, or counted otherwise.

        A stream's scale falls and its threshold rises as its values spread: then the earlier one is brought to that.
        """
        if not isinstance(before, Exponential) or before.scale < self.scale or before.threshold > self.threshold:
            return self
        then = before._coarser(self.scale, self.threshold)
        positive, negative = _less(self.positive, then.positive), _less(self.negative, then.negative)
        zero = self.zero - then.zero
        if positive is None or negative is None or zero < 0:
            return self
        return Exponential(self.scale, positive, negative, zero, self.threshold)

    def _coarser(self, scale: int, threshold: float) -> "Exponential":
        shift = min(self.scale - scale, 64)
        sides: list[dict[int, Count]] = []
        zero = self.zero
        for side in (self.positive, self.negative):
            merged: dict[int, Count] = {}
            for index, count in side.items():
                # A bucket that is wholly within the threshold has become part of the zero bucket.
                if threshold and _power(index + 1, self.scale) <= threshold:
                    zero += count
                else:
                    merged[index >> shift] = merged.get(index >> shift, 0) + count
            sides.append(merged)
        return Exponential(scale, sides[0], sides[1], zero, threshold)

    def cells(self, low: float | None, high: float | None) -> Iterator[Cell]:
        """From the least on. `low`, `high` are of no use here: every bucket has two ends."""
        for index in sorted(self.negative, reverse=True):
            ends = -_power(index + 1, self.scale), -_power(index, self.scale)
            yield Cell(*ends, self.negative[index], by_factor=True)
        if self.zero:
            yield Cell(-self.threshold if self.negative else 0.0, self.threshold, self.zero)
        for index in sorted(self.positive):
            ends = _power(index, self.scale), _power(index + 1, self.scale)
            yield Cell(*ends, self.positive[index], by_factor=True)


Distribution = Explicit | Exponential


def filled(offset: int, counts: Iterable[Count]) -> dict[int, Count]:
    """The buckets that hold something, by their index."""
    return {index: count for index, count in enumerate(counts, offset) if count}


def _less(now: Mapping[int, Count], then: Mapping[int, Count]) -> dict[int, Count] | None:
    """The differences, or None where one would be negative."""
    left = {index: count - then.get(index, 0) for index, count in now.items()}
    if any(count < 0 for count in left.values()) or any(index not in now for index in then):
        return None
    return {index: count for index, count in left.items() if count}


def _power(index: int, scale: int) -> float:
    """base^index; the largest double where it is larger."""
    try:
        return math.exp2(math.ldexp(index, -scale)) or math.ulp(0.0)
    except OverflowError:
        return math.ulp(0.0) if index < 0 else math.nextafter(math.inf, 0.0)


def quantiles(found: Distribution, *, low: float | None, high: float | None) -> list[tuple[float, float]]:
    """(quantile, value) for each of QUANTILES; none where nothing was counted. `low`, `high`: between which all values
    are, where that is known."""
    cells = [cell for cell in found.cells(low, high) if cell.held > 0]
    total = sum(cell.held for cell in cells)
    if not 0 < total < math.inf:
        return []
    made: list[tuple[float, float]] = []
    for quantile in QUANTILES:
        value = _at(cells, quantile * total)
        value = value if low is None else max(value, low)
        value = value if high is None else min(value, high)
        if math.isfinite(value):
            made.append((quantile, value))
    return made


def _at(cells: Sequence[Cell], rank: float) -> float:
    """The value of a rank, counted from the least."""
    seen: Count = 0
    for cell in cells:
        if seen + cell.held >= rank:
            share = (rank - seen) / cell.held
            if cell.by_factor:
                return math.copysign(abs(cell.low) ** (1 - share) * abs(cell.high) ** share, cell.high)
            return cell.low + (cell.high - cell.low) * share
        seen += cell.held
    return cells[-1].high
